/**
 * completions.jsonl: what the model wrote for the steps of a run, with what the rewards made of it. A monitor like any other.
 */
import { join } from 'node:path'
import type { Monitor, WrittenSample } from '../../../core/mod.ts'
import { stepLines } from '../../runs/mod.ts'

/** One line a sample: step, prompt, completion, rewards, advantage. */
export function createCompletionsFile(outputDir: string): Monitor {
  const { begin, append } = stepLines<WrittenSample & { readonly step: number }>(
    join(outputDir, 'completions.jsonl'),
  )
  return {
    onEvent(event) {
      if (event.type === 'start') begin(event.step)
      if (event.type === 'samples')
        for (const sample of event.samples) append({ step: event.step, ...sample })
    },
  }
}
