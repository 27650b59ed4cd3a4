/**
 * Topics that measure on a model that is given.
 */
import { TrituneError } from '../../core/errors.ts'
import type { BenchContext } from './_topic.ts'

/** The folder or .gguf file of `--model`. E_USAGE without one. */
export function expectModel({ model }: BenchContext, topic: string): string {
  if (model) return model
  throw new TrituneError('E_USAGE', `the ${topic} benchmark needs a SmolLM2-135M folder or .gguf file`, {
    remedy: 'give --model, or set TRITUNE_MODEL',
  })
}
