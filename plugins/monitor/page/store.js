/** What the page knows of runs: the list, and of each one that is looked at its record and everything of its files. */

/**
 * @typedef {{ id: string, name: string, folder: string, status: string, step: number, totalSteps: number, loss: number | null, model: string, startedAt: string }} ListedRun
 * @typedef {{ step: number, [name: string]: number | null }} MetricsLine
 * @typedef {{ time: string, step: number, type: string, said?: string, severity?: string, id?: string, ok?: boolean, reason?: string, prompt?: string, completion?: string }} EventLine
 * @typedef {{ step: number, name: string, of: string, edges: number[], counts: number[], min: number, max: number, mean: number, std: number }} HistogramLine
 * @typedef {{ xs: number[], ys: (number | null)[] }} Column
 * @typedef {{ path: string, step: number, loss: number | null }} Checkpoint
 * @typedef {{ resident: number | null, device: number | null }} Memory
 * @typedef {{ run_id: string, run_name: string, status: string, model: string, adapter: string | null, dataset: string[], device: string, command: string | null, config: Record<string, unknown>, ended_at: string | null, current_step: number, total_steps: number, current_loss: number | null, best_loss: number | null, best_step: number | null, learning_rate: number | null, base_learning_rate: number | null, error_message: string | null, checkpoints: Checkpoint[], total_tokens_trained: number, tokens_per_second: number | null, steps_per_second: number | null, memory: Memory }} RunRecord
 * @typedef {{ run: RunRecord, metrics: MetricsLine[], events: EventLine[], histograms: HistogramLine[], anew: string[] }} RunChange
 * @typedef {{ run: RunRecord | null, columns: Map<string, Column>, at: Map<number, { tokens: number, seconds: number }>, events: EventLine[], histograms: HistogramLine[], tokens: number, seconds: number, lines: number, lastStep: number }} RunData
 */

/** @returns {RunData} */
export function emptyRun() {
  return {
    run: null,
    columns: new Map(),
    at: new Map(),
    events: [],
    histograms: [],
    tokens: 0,
    seconds: 0,
    lines: 0,
    lastStep: 0,
  }
}

/**
 * Takes in what is new.
 *
 * @param {RunData} data
 * @param {RunChange} change
 */
export function takeIn(data, { run, metrics, events, histograms, anew }) {
  if (anew.includes('metrics')) {
    data.columns.clear()
    data.at.clear()
    data.tokens = data.seconds = data.lines = data.lastStep = 0
  }
  if (anew.includes('events')) data.events = []
  if (anew.includes('histograms')) data.histograms = []
  data.run = run
  for (const event of events) data.events.push(event)
  for (const histogram of histograms) data.histograms.push(histogram)
  for (const line of metrics) takeLine(data, line)
}

/**
 * How much of a run is here, as the server is told it.
 *
 * @param {RunData | undefined} data
 */
export function knownOf(data) {
  if (data === undefined || data.lines === 0) return ''
  const { lines, lastStep, events, histograms } = data
  return `.${lines}.${lastStep}.${events.length}.${histograms.length}`
}

/** Of steps, not worth a curve. */
const PLAIN = new Set(['step', 'epoch', 'tokens', 'trained_tokens', 'seconds', 'eval_perplexity'])

/** @param {RunData} data @param {MetricsLine} line */
function takeLine(data, line) {
  data.lines++
  data.lastStep = line.step
  data.tokens += line.tokens ?? 0
  data.seconds += line.seconds ?? 0
  data.at.set(line.step, { tokens: data.tokens, seconds: data.seconds })
  for (const [name, value] of Object.entries(line)) {
    if (PLAIN.has(name)) continue
    const column = data.columns.get(name) ?? { xs: [], ys: [] }
    data.columns.set(name, column)
    column.xs.push(line.step)
    column.ys.push(value)
  }
}

/**
 * The x of each point: its step, the tokens up to it, or the minutes.
 *
 * @param {RunData} data
 * @param {Column} column
 * @param {string} axis
 */
export function xsOf(data, { xs }, axis) {
  if (axis === 'step') return xs
  return xs.map((step) => {
    const { tokens, seconds } = data.at.get(step) ?? { tokens: 0, seconds: 0 }
    return axis === 'tokens' ? tokens : seconds / 60
  })
}

/**
 * An exponential mean without the pull of its start.
 *
 * @param {(number | null)[]} values
 * @param {number} weight of the past, 0 to below 1
 */
export function smoothed(values, weight) {
  if (weight <= 0) return values
  let mean = 0
  let sum = 0
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return null
    mean = weight * mean + (1 - weight) * value
    sum = weight * sum + (1 - weight)
    return mean / sum
  })
}

/** @type {WeakMap<Column, { key: string, curve: Column }>} */
const curves = new WeakMap()

/**
 * A column as it is drawn; made anew when there is more of it, or it is looked at otherwise.
 *
 * @param {RunData} data
 * @param {Column} column
 * @param {string} axis
 * @param {number} weight
 * @returns {Column}
 */
export function curveOf(data, column, axis, weight) {
  const key = `${column.xs.length} ${axis} ${weight}`
  const known = curves.get(column)
  if (known?.key === key) return known.curve
  const curve = { xs: xsOf(data, column, axis), ys: smoothed(column.ys, weight) }
  curves.set(column, { key, curve })
  return curve
}
