/** The curves of runs, by the numbers that they measure: which there are, and the lines of each. It draws nothing. */
import { curveOf, xsOf } from './store.js'

/** Curves of every run, in this order; others that a run has follow. */
const FIRST = ['loss', 'learning_rate', 'grad_norm', 'tokens_per_second']
/** Of their charts. */
export const TITLES = new Map(
  Object.entries({
    loss: 'Loss',
    learning_rate: 'Learning rate',
    grad_norm: 'Gradient norm',
    tokens_per_second: 'Tokens per second',
  }),
)

/** @param {import('./store.js').RunData[]} runs */
export function namesOf(runs) {
  const there = new Set(runs.flatMap(({ columns }) => [...columns.keys()]))
  if (there.delete('eval_loss')) there.add('loss')
  const first = FIRST.filter((name) => there.delete(name))
  return [...first, ...[...there].toSorted()]
}

/**
 * The loss as it was and smoothed, with the evaluations; anything else is one line.
 *
 * @param {{ data: import('./store.js').RunData, colour: string, name: string }} run
 * @param {string} metric
 * @param {{ axis: string, weight: number }} look
 * @returns {import('./charts.js').Line[]}
 */
export function linesOf({ data, colour, name }, metric, { axis, weight }) {
  const column = data.columns.get(metric)
  const evaluations = metric === 'loss' ? data.columns.get('eval_loss') : undefined
  /** @type {import('./charts.js').Line[]} */
  const lines = []
  if (column) {
    const isSmooth = weight > 0 && metric !== 'learning_rate'
    const { xs, ys } = curveOf(data, column, axis, isSmooth ? weight : 0)
    if (isSmooth && metric === 'loss')
      lines.push({ label: `${name} (raw)`, colour, xs, ys: column.ys, faint: true })
    lines.push({
      label: name,
      colour,
      xs,
      ys,
      points: column.ys.length < 3 || metric.startsWith('eval_'),
    })
  }
  if (evaluations)
    lines.push({
      label: `${name} (evaluation)`,
      colour,
      xs: xsOf(data, evaluations, axis),
      ys: evaluations.ys,
      points: true,
      dash: true,
    })
  return lines
}
