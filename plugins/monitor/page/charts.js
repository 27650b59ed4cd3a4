/**
 * Curves: a card with a chart of uPlot, which is drawn anew when its lines or colours change and otherwise gets new data.
 * uPlot is a script of its own, loaded before.
 */
import { el } from './dom.js'
import { number } from './format.js'
import { thin } from './thin.js'

/**
 * @typedef {{ label: string, colour: string, xs: number[], ys: (number | null)[], faint?: boolean, points?: boolean, dash?: boolean }} Line
 * @typedef {{ element: HTMLElement, draw(lines: Line[], look: { log: boolean, axis: string }): void, remove(): void }} Chart
 */

const HEIGHT = 200

/** @param {string} title @returns {Chart} */
export function createChart(title) {
  const place = el('div', { class: 'place' })
  const element = el('section', { class: 'card chart', 'data-chart': title }, el('h2', {}, title), place)
  /** @type {uPlot | null} */
  let plot = null
  let shape = ''
  /** What is seen of x; null: all. @type {[number, number] | null} */
  let range = null
  let again = () => {}
  const zoom = (/** @type {[number, number] | null} */ to) => {
    range = to
    // After uPlot has set its own scale.
    queueMicrotask(() => again())
  }
  const resize = new ResizeObserver(() => {
    if (plot && place.clientWidth > 0 && Math.abs(plot.width - place.clientWidth) > 1)
      plot.setSize({ width: place.clientWidth, height: HEIGHT })
  })
  resize.observe(place)
  return {
    element,
    draw(lines, { log, axis }) {
      const width = place.clientWidth
      if (width === 0 || lines.length === 0) return
      const fill = () => joined(thin(lines, range), log)
      again = () => plot?.setData(fill(), range === null)
      const colours = colourOf()
      const now = JSON.stringify([
        lines.map(({ label, colour, points }) => [label, colour, points]),
        log,
        axis,
        colours,
      ])
      if (plot === null || now !== shape) {
        plot?.destroy()
        range = null
        shape = now
        plot = new uPlot(optionsOf(lines, { log, axis, width, colours, onZoom: zoom }), fill(), place)
      } else again()
      element.dataset.points = String(Math.max(...lines.map(({ ys }) => ys.length)))
    },
    remove() {
      resize.disconnect()
      plot?.destroy()
      element.remove()
    },
  }
}

/** What a line has no point for is no gap in it; what is not a number is one. A logarithm has no place for 0. */
function joined(/** @type {Line[]} */ lines, /** @type {boolean} */ log) {
  const fits = (/** @type {number | null} */ y) => y !== null && (!log || y > 0)
  return uPlot.join(
    lines.map(({ xs, ys }) => /** @type {uPlot.AlignedData} */ ([xs, ys.map((y) => (fits(y) ? y : null))])),
  )
}

function colourOf() {
  const style = getComputedStyle(document.documentElement)
  return {
    text: style.getPropertyValue('--soft').trim(),
    grid: style.getPropertyValue('--grid').trim(),
  }
}

/** Two runs far apart, and numbers of any size: uPlot's own format has fixed digits. */
const ticks = (/** @type {uPlot} */ _, /** @type {(number | null)[]} */ values) =>
  values.map((value) => (value === null ? '' : number(value)))

/**
 * @param {Line[]} lines
 * @param {{ log: boolean, axis: string, width: number, colours: { text: string, grid: string }, onZoom: (range: [number, number] | null) => void }} look
 * @returns {uPlot.Options}
 */
function optionsOf(lines, { log, axis, width, colours, onZoom }) {
  const { text, grid } = colours
  const shared = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } }
  return {
    width,
    height: HEIGHT,
    scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
    cursor: { sync: { key: 'runs' }, drag: { x: true, y: false } },
    axes: [
      { ...shared, values: ticks },
      { ...shared, values: ticks, size: 62 },
    ],
    series: [
      { label: axis, value: (_, value) => number(value) },
      ...lines.map(({ label, colour, faint, points, dash }) => ({
        label,
        stroke: faint ? `${colour}55` : colour,
        width: faint ? 1 : 2,
        ...(faint ? { class: 'faint' } : {}),
        ...(dash ? { dash: [6, 4] } : {}),
        points: { show: points === true, size: 6, fill: colour },
        value: (/** @type {uPlot} */ _, /** @type {number} */ value) => number(value),
      })),
    ],
    hooks: {
      setSelect: [
        ({ select, posToVal }) => {
          if (select.width > 0)
            onZoom([posToVal(select.left, 'x'), posToVal(select.left + select.width, 'x')])
        },
      ],
      ready: [({ over }) => over.addEventListener('dblclick', () => onZoom(null))],
    },
  }
}
