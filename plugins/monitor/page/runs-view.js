/** The runs: their list, and of those that are chosen the curves, one over the other, with all that is known of the main one. */
import { createChart } from './charts.js'
import { openControls } from './controls.js'
import { el } from './dom.js'
import { openHistograms } from './histograms.js'
import { linesOf, namesOf, TITLES } from './run-curves.js'
import { openFacts } from './run-facts.js'
import { drawHead } from './run-head.js'
import { openRunList } from './run-list.js'
import { drawEvents } from './run-log.js'
import { openSamples } from './samples.js'

/** @typedef {import('./app.js').State} State */

/** Told apart in both themes, and by most who see colours otherwise. */
const COLOURS = ['#3b7dd8', '#e07b00', '#2a9d5c', '#c2409a', '#8a63d2', '#b58900', '#00a3a3', '#d1495b']

/**
 * @param {State} state
 * @param {{ choose(chosen: string[], main: string | null): void, draw(): void }} app
 * @returns {import('./app.js').View}
 */
export function openRunsView(state, { choose, draw }) {
  const colours = /** @type {Map<string, string>} */ (new Map())
  /** Each chosen run keeps its colour as long as it is chosen; no two have the same while there are enough. */
  const colourOf = (/** @type {string} */ id) => {
    for (const known of colours.keys()) if (!state.chosen.includes(known)) colours.delete(known)
    const taken = new Set(colours.values())
    const colour =
      colours.get(id) ?? COLOURS.find((one) => !taken.has(one)) ?? COLOURS[colours.size % COLOURS.length]
    colours.set(id, colour)
    return colour
  }
  const chosen = () =>
    state.chosen.flatMap((id) => {
      const data = state.runs.get(id)
      return data ? [{ id, data, colour: colourOf(id), name: nameOf(state, id) }] : []
    })

  const list = openRunList(state, colourOf, choose)
  const head = el('section', { class: 'card', id: 'run' })
  const controls = openControls(() => state.main)
  const smooth = el('input', {
    type: 'range',
    min: '0',
    max: '0.99',
    step: '0.01',
    value: '0.6',
    oninput: draw,
  })
  const axis = el(
    'select',
    { onchange: draw },
    ...['step', 'tokens', 'minutes'].map((name) => el('option', {}, name)),
  )
  const log = el('input', { type: 'checkbox', onchange: draw })
  const look = el(
    'div',
    { class: 'card row small' },
    el('label', { class: 'row' }, 'Smoothing', smooth),
    el('label', { class: 'row' }, 'Along', axis),
    el('label', { class: 'row' }, log, 'Logarithm of the loss'),
    el('span', { class: 'soft' }, 'Drag to zoom, double click to see all.'),
  )
  const charts = el('div', { class: 'charts' })
  const samples = openSamples()
  const histograms = openHistograms()
  const events = el('ul', { class: 'log', id: 'events' })
  const facts = openFacts()
  const element = el(
    'div',
    { class: 'runs' },
    el('aside', { class: 'card list' }, list.element),
    el(
      'div',
      { class: 'detail' },
      head,
      controls.element,
      look,
      charts,
      samples.element,
      histograms.element,
      el('section', { class: 'card' }, el('h2', {}, 'What happened'), events),
      facts.element,
    ),
  )
  /** @type {Map<string, import('./charts.js').Chart>} */
  const drawn = new Map()

  const drawCharts = () => {
    const runs = chosen()
    const names = namesOf(runs.map(({ data }) => data))
    for (const [name, chart] of drawn) {
      if (names.includes(name)) continue
      chart.remove()
      drawn.delete(name)
    }
    for (const name of names) {
      const chart = drawn.get(name) ?? createChart(TITLES.get(name) ?? name)
      if (!drawn.has(name)) charts.append(chart.element)
      drawn.set(name, chart)
      const lines = runs.flatMap((run) =>
        linesOf(run, name, { axis: axis.value, weight: Number(smooth.value) }),
      )
      chart.draw(lines, { log: log.checked && name === 'loss', axis: axis.value })
    }
  }

  return {
    element,
    draw() {
      list.draw()
      const main = state.main === null ? undefined : state.runs.get(state.main)
      drawHead(head, main, state.list.length === 0)
      controls.draw(main)
      look.hidden = charts.hidden = !main
      drawCharts()
      samples.draw(chosen())
      histograms.draw(main)
      drawEvents(events, main)
      facts.draw(main)
    },
  }
}

/** @param {State} state @param {string} id */
function nameOf(state, id) {
  return state.list.find((run) => run.id === id)?.name ?? id
}
