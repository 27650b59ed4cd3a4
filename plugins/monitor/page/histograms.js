/** How the elements of one tensor were spread, step by step: time to the right, values upwards, dark is many. */
import { el, refresh } from './dom.js'
import { number } from './format.js'

/** @returns {{ element: HTMLElement, draw(data: import('./store.js').RunData | undefined): void }} */
export function openHistograms() {
  const kind = el('select', { 'aria-label': 'Weights or gradients' })
  const name = el('select', { 'aria-label': 'Tensor', class: 'grow' })
  const canvas = el('canvas', { class: 'heat', id: 'histogram', width: '10', height: '10' })
  const said = el('p', { class: 'small soft' })
  const element = el(
    'section',
    { class: 'card' },
    el('h2', {}, 'Weights and gradients'),
    el('div', { class: 'row' }, kind, name),
    canvas,
    said,
  )
  /** @type {import('./store.js').RunData | undefined} */
  let last
  const draw = (/** @type {typeof last} */ data) => {
    last = data
    const all = data?.histograms ?? []
    element.hidden = all.length === 0
    if (all.length === 0) return
    fill(kind, [...new Set(all.map((line) => line.of))])
    const ofKind = all.filter((line) => line.of === kind.value)
    fill(name, [...new Set(ofKind.map((line) => line.name))])
    const shown = ofKind.filter((line) => line.name === name.value)
    const stamp = `${data?.run?.run_id} ${kind.value} ${name.value} ${shown.length} ${getComputedStyle(document.body).color}`
    if (canvas.dataset.stamp === stamp) return
    canvas.dataset.stamp = stamp
    const [low, high] = paint(canvas, shown)
    const { step, mean, std, min, max } = shown[shown.length - 1]
    said.textContent =
      `From ${number(low)} to ${number(high)}, steps ${shown[0].step} to ${step}. ` +
      `Now mean ${number(mean)}, deviation ${number(std)}, least ${number(min)}, most ${number(max)}.`
  }
  for (const select of [kind, name]) select.addEventListener('change', () => draw(last))
  return { element, draw }
}

/** @param {HTMLSelectElement} select @param {string[]} names */
function fill(select, names) {
  const before = select.value
  refresh(select, names.join('\n'), () => names.map((one) => el('option', {}, one)))
  if (names.includes(before)) select.value = before
}

const ROWS = 48
const MOST_COLUMNS = 600

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import('./store.js').HistogramLine[]} lines
 * @returns {[number, number]} the values at the bottom and at the top
 */
function paint(canvas, lines) {
  const every = Math.ceil(lines.length / MOST_COLUMNS)
  const shown = lines.filter((_, i) => i % every === 0)
  const low = Math.min(...shown.map(({ edges }) => edges[0]))
  const high = Math.max(...shown.map(({ edges }) => edges[edges.length - 1]))
  canvas.width = shown.length
  canvas.height = ROWS
  const context = canvas.getContext('2d')
  if (!context) return [low, high]
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--accent')
  for (const [x, line] of shown.entries()) {
    const rows = densities(line, low, high)
    const most = Math.max(...rows)
    for (const [y, count] of rows.entries()) {
      if (count === 0) continue
      // The root shows the tails.
      context.globalAlpha = Math.sqrt(count / most)
      context.fillRect(x, ROWS - 1 - y, 1, 1)
    }
  }
  return [low, high]
}

/**
 * The counts of a line, whose bins are its own, on rows that all lines share.
 *
 * @param {import('./store.js').HistogramLine} line
 * @param {number} low
 * @param {number} high
 */
function densities({ edges, counts }, low, high) {
  const rows = Array.from({ length: ROWS }, () => 0)
  const height = (high - low) / ROWS || 1
  for (const [i, count] of counts.entries()) {
    const first = Math.min(ROWS - 1, Math.max(0, Math.floor((edges[i] - low) / height)))
    const end = Math.min(ROWS - 1, Math.max(first, Math.ceil((edges[i + 1] - low) / height) - 1))
    for (let row = first; row <= end; row++) rows[row] += count / (end - first + 1)
  }
  return rows
}
