/**
 * Times of the steps of a run, as they were seen: of a run's folder, or of the file that `record.ts` writes.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sizeOf, TrituneError } from '../../../core/mod.ts'
import { openSafetensors } from '../../../core/files/safetensors.ts'

export interface Trace {
  /** What was run, and where. */
  readonly of: string
  /** Bytes of all trained weights in f32. */
  readonly gradientBytes: number
  /** In the order of the steps; the first one, which also opens everything, is left out. */
  readonly seconds: readonly number[]
}

/** That of a run of the bundled model, with `quickstart/distributed.yaml`. */
export const RECORDED: string = fileURLToPath(new URL('./quickstart-trace.json', import.meta.url))

/** `path`: a recorded file, or the folder of a run with metrics.jsonl. Throws E_FILE, E_FORMAT. */
export function readTrace(path: string): Trace {
  if (!existsSync(path)) throw new TrituneError('E_FILE', `there is no ${path}`)
  try {
    return expectTrace(path.endsWith('.json') ? JSON.parse(readFileSync(path, 'utf8')) : traceOfRun(path))
  } catch (cause) {
    if (cause instanceof TrituneError) throw cause
    throw new TrituneError('E_FORMAT', `${path} has no times of steps: ${String(cause)}`, { cause })
  }
}

/** From metrics.jsonl and the adapter of a run that is complete. */
export function traceOfRun(folder: string): Trace {
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
  const seconds = lines.flatMap((line): number[] => {
    const { seconds: one }: { readonly seconds?: unknown } = JSON.parse(line)
    return typeof one === 'number' ? [one] : []
  })
  const bytes = trainedBytes(join(folder, 'adapter_model.safetensors'))
  return { of: folder, gradientBytes: bytes, seconds: seconds.slice(1) }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Of all tensors of an adapter file, counted as f32. */
function trainedBytes(path: string): number {
  if (!existsSync(path))
    throw new TrituneError('E_FILE', `there is no ${path}`, {
      remedy: 'take the folder of a complete LoRA run',
    })
  const shapes = [...openSafetensors(path).entries.values()].map(({ shape }) => shape)
  return 4 * shapes.reduce((sum, shape) => sum + sizeOf(shape), 0)
}

function expectTrace({ of, gradientBytes, seconds }: Record<keyof Trace, unknown>): Trace {
  const isTimes = (value: unknown): value is number[] =>
    Array.isArray(value) && value.length > 1 && value.every((one) => typeof one === 'number' && one > 0)
  if (typeof of !== 'string' || typeof gradientBytes !== 'number' || !isTimes(seconds))
    throw new Error('expected "of", "gradientBytes" and at least two "seconds", all above 0')
  return { of, gradientBytes, seconds }
}
