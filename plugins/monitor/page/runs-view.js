/** The runs: their list, and of those that are chosen the curves, one over the other, with all that is known of the main one. */
import { createChart } from './charts.js'
import { openControls } from './controls.js'
import { el, refresh, tinted } from './dom.js'
import { bytes, clock, duration, number } from './format.js'
import { openHistograms } from './histograms.js'
import { openSamples } from './samples.js'
import { curveOf, xsOf } from './store.js'

/** @typedef {import('./app.js').State} State */

/** Told apart in both themes, and by most who see colours otherwise. */
const COLOURS = ['#3b7dd8', '#e07b00', '#2a9d5c', '#c2409a', '#8a63d2', '#b58900', '#00a3a3', '#d1495b']

/** Curves of every run, in this order; others that a run has follow. */
const FIRST = ['loss', 'learning_rate', 'grad_norm', 'tokens_per_second']
const TITLES = new Map(
  Object.entries({
    loss: 'Loss',
    learning_rate: 'Learning rate',
    grad_norm: 'Gradient norm',
    tokens_per_second: 'Tokens per second',
  }),
)

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

  const list = el('ul')
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
  const facts = el('div', { class: 'card', id: 'facts' })
  const element = el(
    'div',
    { class: 'runs' },
    el('aside', { class: 'card list' }, list),
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
      facts,
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
      drawList(list, state, colourOf, choose)
      const main = state.main === null ? undefined : state.runs.get(state.main)
      drawHead(head, main, state.list.length === 0)
      controls.draw(main)
      look.hidden = charts.hidden = !main
      drawCharts()
      samples.draw(chosen())
      histograms.draw(main)
      drawEvents(events, main)
      drawFacts(facts, main)
    },
  }
}

/** @param {State} state @param {string} id */
function nameOf(state, id) {
  return state.list.find((run) => run.id === id)?.name ?? id
}

/** @param {import('./store.js').RunData[]} runs */
function namesOf(runs) {
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
function linesOf({ data, colour, name }, metric, { axis, weight }) {
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

/**
 * @param {HTMLElement} list
 * @param {State} state
 * @param {(id: string) => string} colourOf
 * @param {(chosen: string[], main: string | null) => void} choose
 */
function drawList(list, { list: runs, chosen, main }, colourOf, choose) {
  const toggle = (/** @type {string} */ id) => {
    const now = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]
    if (now.length > 0) choose(now, main !== null && now.includes(main) ? main : now[0])
    else list.removeAttribute('data-stamp')
  }
  refresh(list, JSON.stringify([runs, chosen, main]), () =>
    runs.map(({ id, name, status, step, totalSteps, loss }) => {
      const isChosen = chosen.includes(id)
      const box = el('input', {
        type: 'checkbox',
        checked: isChosen,
        'aria-label': `Show the curves of ${name}`,
        onchange: () => toggle(id),
      })
      const item = el(
        'li',
        { class: id === main ? 'chosen' : null, 'data-run': name },
        box,
        el(
          'button',
          { onclick: () => choose(isChosen ? chosen : [id], id), 'aria-current': id === main },
          el('span', {}, name),
          ' ',
          el('span', { class: `status ${status}` }, status),
          el('br'),
          el('span', { class: 'soft small' }, `${step} of ${totalSteps} steps, loss ${number(loss)}`),
        ),
      )
      return isChosen ? tinted(item, colourOf(id)) : item
    }),
  )
}

/** @param {HTMLElement} head @param {import('./store.js').RunData | undefined} data @param {boolean} isNone */
function drawHead(head, data, isNone) {
  if (!data) {
    const text = isNone ? 'There are no runs here yet. Start one on the page “Fine-tune”.' : 'Reading …'
    refresh(head, text, () => [el('p', { class: 'soft' }, text)])
    return
  }
  const { run } = data
  refresh(head, JSON.stringify([run]), () => [
    el(
      'div',
      { class: 'row' },
      el('h1', {}, run.run_name),
      el('span', { class: `status ${run.status}` }, run.status),
    ),
    el(
      'p',
      { class: 'soft small' },
      [run.model, run.adapter ?? 'all weights', run.dataset.join(', '), run.device]
        .filter(Boolean)
        .join(' · '),
    ),
    progressBar(run),
    run.error_message ? el('p', { class: 'notice bad' }, run.error_message) : '',
    el('dl', { class: 'tiles' }, ...tilesOf(run)),
  ])
}

/** @param {any} run */
function progressBar({ current_step: step, total_steps: total }) {
  const done = el('i')
  done.style.width = `${total > 0 ? (100 * step) / total : 0}%`
  return el(
    'div',
    {
      class: 'bar',
      role: 'progressbar',
      'aria-valuenow': step,
      'aria-valuemax': total,
      'aria-label': 'Steps',
    },
    done,
  )
}

/** @param {any} run */
function tilesOf(run) {
  const left = run.steps_per_second ? (run.total_steps - run.current_step) / run.steps_per_second : NaN
  const isGoing = run.status === 'running'
  /** @type {[string, string][]} */
  const tiles = [
    ['Step', `${run.current_step} of ${run.total_steps}`],
    ['Loss', number(run.current_loss)],
    ['Best evaluation', run.best_loss === null ? '–' : `${number(run.best_loss)} (step ${run.best_step})`],
    ['Learning rate', number(run.learning_rate)],
    ['Tokens per second', number(run.tokens_per_second)],
    ['Tokens trained', number(run.total_tokens_trained)],
    ['Memory', bytes(run.memory.device ?? run.memory.resident)],
    isGoing ? ['Left', duration(left)] : ['Ended', clock(run.ended_at ?? '') || '–'],
  ]
  return tiles.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)))
}

const MOST_EVENTS = 300

/** @param {HTMLElement} list @param {import('./store.js').RunData | undefined} data */
function drawEvents(list, data) {
  const all = data?.events.filter(({ type }) => type !== 'sample') ?? []
  refresh(list, `${data?.run.run_id} ${all.length}`, () =>
    all
      .slice(-MOST_EVENTS)
      .toReversed()
      .map((event) =>
        el(
          'li',
          { class: event.severity ?? event.type },
          el('time', { class: 'soft' }, clock(event.time)),
          el('span', { class: 'soft' }, `step ${event.step}`),
          el('span', {}, event.said),
        ),
      ),
  )
}

/** @param {HTMLElement} place @param {import('./store.js').RunData | undefined} data */
function drawFacts(place, data) {
  place.hidden = !data
  if (!data) return
  const { run } = data
  refresh(place, `${run.run_id} ${run.updated_at}`, () => [
    el('h2', {}, 'Checkpoints'),
    run.checkpoints.length === 0
      ? el('p', { class: 'soft' }, 'none yet')
      : el(
          'ul',
          {},
          ...run.checkpoints.map((/** @type {any} */ { path, step, loss }) =>
            el('li', {}, `${path}: step ${step}, loss ${number(loss)}`),
          ),
        ),
    el(
      'details',
      {},
      el('summary', {}, 'Settings'),
      el('pre', {}, run.command ? `${run.command}\n\n` : '', JSON.stringify(run.config, null, 2)),
    ),
  ])
}
