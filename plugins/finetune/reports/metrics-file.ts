/**
 * metrics.jsonl: one JSON object a line, appended as it happens; the contract between a run and whoever watches it. A monitor like any other.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { fileError } from '../../../core/files/files.ts'
import type { Monitor, StepReport } from '../../../core/mod.ts'

/** Opens the file at the start; a resumed run keeps the lines up to its step and drops what came after, a new one starts empty. */
export function createMetricsFile(outputDir: string): Monitor {
  const path = join(outputDir, 'metrics.jsonl')
  const append = (line: Readonly<Record<string, number>>): void => {
    try {
      appendFileSync(path, `${JSON.stringify(line)}\n`)
    } catch (error) {
      throw fileError(error, path, 'cannot append')
    }
  }
  return {
    onEvent(event) {
      if (event.type === 'start') writeFileAtomic(path, keptLines(path, event.step))
      if (event.type === 'step') append(stepLine(event.report))
      if (event.type === 'eval')
        append({
          step: event.step,
          eval_loss: event.loss,
          ...(event.perplexity !== null && { eval_perplexity: event.perplexity }),
          ...Object.fromEntries(
            Object.entries(event.metrics ?? {}).map(([name, value]) => [`eval_${name}`, value]),
          ),
        })
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function keptLines(path: string, steps: number): string {
  if (steps === 0 || !existsSync(path)) return ''
  const kept = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => stepOf(line) <= steps)
  return kept.map((line) => `${line}\n`).join('')
}

function stepLine({
  step,
  epoch,
  loss,
  learningRate,
  gradNorm,
  tokens,
  trainedTokens,
  seconds,
  memory,
  metrics,
}: StepReport): Record<string, number> {
  return {
    step,
    epoch,
    loss,
    learning_rate: learningRate,
    grad_norm: gradNorm,
    tokens,
    trained_tokens: trainedTokens,
    seconds,
    tokens_per_second: tokens / seconds,
    ...(memory && { memory_used: memory.live, memory_pooled: memory.pooled, memory_peak: memory.peak }),
    ...metrics,
  }
}

/** Infinity for a line that was cut off when the run died. */
function stepOf(line: string): number {
  try {
    const parsed: unknown = JSON.parse(line)
    if (typeof parsed === 'object' && parsed !== null && 'step' in parsed && typeof parsed.step === 'number')
      return parsed.step
  } catch {
    return Infinity
  }
  return Infinity
}
