/**
 * The numbers of an event by the names that metrics.jsonl has, which trackers take over.
 */
import type { RunEvent, StepReport } from '../../../core/mod.ts'

/** Of a step or an evaluation, `step` among them; null: the event has no numbers. */
export function metricsOfEvent(event: RunEvent): Readonly<Record<string, number>> | null {
  if (event.type === 'step') return ofStep(event.report)
  if (event.type !== 'eval') return null
  const { step, loss, perplexity, metrics = {} } = event
  return {
    step,
    eval_loss: loss,
    ...(perplexity !== null && { eval_perplexity: perplexity }),
    ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`eval_${name}`, value])),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function ofStep({
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
