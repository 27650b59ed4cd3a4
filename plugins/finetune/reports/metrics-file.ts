/**
 * metrics.jsonl: one JSON object a line, appended as it happens; the contract between a run and whoever watches it. A monitor like any other.
 */
import { join } from 'node:path'
import type { Monitor } from '../../../core/mod.ts'
import { metricsOfEvent, stepLines } from '../../runs/mod.ts'

/** Opens the file at the start; a resumed run keeps the lines up to its step and drops what came after, a new one starts empty. */
export function createMetricsFile(outputDir: string): Monitor {
  const { begin, append } = stepLines<Readonly<Record<string, number>>>(join(outputDir, 'metrics.jsonl'))
  return {
    onEvent(event) {
      if (event.type === 'start') return begin(event.step)
      const line = metricsOfEvent(event)
      if (line !== null) append(line)
    },
  }
}
