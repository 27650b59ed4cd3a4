/**
 * How the trained weights and their gradients are spread, every `histogram_steps` steps: into histograms.jsonl, and as an event for trackers. Off unless asked for,
 * since every number is read.
 */
import { join } from 'node:path'
import type { Monitor, Parameters, Tensor } from '../../../core/mod.ts'
import { type HistogramLine, RUN_LINES, stepLines } from '../../runs/mod.ts'

/** Bins of a histogram, of equal width from the least to the greatest number. */
export const HISTOGRAM_BINS = 30

/** The numbers of a step as histograms: of each parameter, and of its gradient as the optimizer left it. */
export function histogramsOf(parameters: Parameters, step: number): HistogramLine[] {
  return [...parameters].flatMap(([name, tensor]) => [
    histogramOf(tensor, { step, name, of: 'weight' }),
    ...(tensor.grad ? [histogramOf(tensor.grad, { step, name, of: 'gradient' })] : []),
  ])
}

/** The monitor of histograms.jsonl. */
export function createHistogramsFile(outputDir: string): Monitor {
  const { begin, append } = stepLines<HistogramLine>(join(outputDir, RUN_LINES.histograms))
  return {
    onEvent(event) {
      if (event.type === 'start') begin(event.step)
      if (event.type === 'histograms') for (const line of event.histograms) append(line)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function histogramOf(tensor: Tensor, about: Pick<HistogramLine, 'step' | 'name' | 'of'>): HistogramLine {
  const values = tensor.toArray()
  let [min, max, sum, squares, odd] = [Infinity, -Infinity, 0, 0, 0]
  for (const value of values) {
    if (!Number.isFinite(value)) {
      odd += 1
      continue
    }
    if (value < min) min = value
    if (value > max) max = value
    sum += value
    squares += value * value
  }
  const count = values.length - odd
  const rest = { odd, mean: count > 0 ? sum / count : 0, std: count > 0 ? deviation(sum, squares, count) : 0 }
  if (count === 0) return { ...about, edges: [], counts: [], min: 0, max: 0, ...rest }
  const bins = max > min ? HISTOGRAM_BINS : 1
  const counts = Array.from({ length: bins }, () => 0)
  const scale = bins / (max - min || 1)
  for (const value of values)
    if (Number.isFinite(value)) counts[Math.min(bins - 1, Math.floor((value - min) * scale))] += 1
  const edges = Array.from({ length: bins + 1 }, (_, i) =>
    i === bins ? max : min + ((max - min) * i) / bins,
  )
  return { ...about, edges, counts, min, max, ...rest }
}

function deviation(sum: number, squares: number, count: number): number {
  return Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2))
}
