/**
 * metrics.jsonl: one JSON object a line, appended as it happens; the contract between a run and whoever watches it. A monitor like any other.
 */
import { join } from 'node:path'
import type { Monitor, StepReport } from '../../../core/mod.ts'
import { stepLines } from '../../runs/mod.ts'

/** Opens the file at the start; a resumed run keeps the lines up to its step and drops what came after, a new one starts empty. */
export function createMetricsFile(outputDir: string): Monitor {
  const { begin, append } = stepLines<Readonly<Record<string, number>>>(join(outputDir, 'metrics.jsonl'))
  return {
    onEvent(event) {
      if (event.type === 'start') begin(event.step)
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
