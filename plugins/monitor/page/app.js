/** The page: the token, colours, which of its views is shown, and the stream that feeds them. */
import { ask, follow, Refused, setToken, takeToken } from './api.js'
import { el } from './dom.js'
import { openFinetuneView } from './finetune-view.js'
import { openRunsView } from './runs-view.js'
import { emptyRun, knownOf, takeIn } from './store.js'

/**
 * @typedef {import('./store.js').ListedRun} ListedRun
 * @typedef {import('./store.js').RunData} RunData
 * @typedef {{ message?: string, faults?: { what: string, where: string | null, remedy: string | null }[] }} Fault
 * @typedef {{ id: string, name: string, run: string, state: string, text: string, error: Fault | null, command: string | null }} Job
 * @typedef {{ list: ListedRun[], chosen: string[], main: string | null, runs: Map<string, RunData>, jobs: Job[] }} State
 * @typedef {{ element: HTMLElement, draw(): void, restyle?(): void }} View
 */

/** @type {State} */
const state = { list: [], chosen: [], main: null, runs: new Map(), jobs: [] }

let stream = new AbortController()
let isDue = false
let restUntil = 0

/** Draws once for all that came since the last picture, and leaves most of the time to whoever looks. */
function draw() {
  if (isDue) return
  isDue = true
  const wait = Math.max(0, restUntil - performance.now())
  setTimeout(() => requestAnimationFrame(now), wait)
  function now() {
    isDue = false
    const began = performance.now()
    view().draw()
    const ended = performance.now()
    restUntil = ended + 4 * (ended - began)
  }
}

/** @param {string[]} chosen @param {string | null} main */
function choose(chosen, main) {
  const isSame = chosen.join() === state.chosen.join()
  state.chosen = chosen
  state.main = main
  if (!isSame) watch()
  draw()
}

/** Opens the stream of the chosen runs: of what is here already only the rest is told. */
function watch() {
  stream.abort()
  stream = new AbortController()
  const { signal } = stream
  for (const id of state.runs.keys()) if (!state.chosen.includes(id)) state.runs.delete(id)
  const wanted = () => state.chosen.map((id) => `${id}${knownOf(state.runs.get(id))}`).join(',')
  follow(() => `./api/watch?runs=${wanted()}`, {
    signal,
    onLink(isUp) {
      const link = document.getElementById('link')
      if (link) link.textContent = isUp ? 'live' : 'connection lost, trying again …'
      link?.classList.toggle('lost', !isUp)
    },
    onEvent(event) {
      if (event.kind === 'runs') takeList(event.data)
      if (event.kind === 'jobs') state.jobs = event.data
      if (event.kind === 'change') {
        const { id } = event.data
        const run = state.runs.get(id) ?? emptyRun()
        takeIn(run, event.data)
        state.runs.set(id, run)
      }
      draw()
    },
  }).catch(refused)
}

/** @param {ListedRun[]} list */
function takeList(list) {
  state.list = list
  const there = state.chosen.filter((id) => list.some((run) => run.id === id))
  const first = list.find(({ status }) => status === 'running') ?? list[0]
  if (there.length === 0 && first) choose([first.id], first.id)
  else if (there.length < state.chosen.length) choose(there, there[0] ?? null)
}

/** @param {unknown} error */
function refused(error) {
  if (!(error instanceof Refused)) throw error
  document
    .getElementById('main')
    ?.replaceChildren(error.status === 401 ? askForToken() : el('p', {}, error.message))
}

function askForToken() {
  const input = el('input', { type: 'password', name: 'token', autocomplete: 'off', required: true })
  const take = (/** @type {Event} */ event) => {
    event.preventDefault()
    setToken(input.value.trim())
    start()
  }
  return el(
    'form',
    { class: 'finetune', onsubmit: take, id: 'token-form' },
    el('p', {}, 'Open the address that the server printed at its start, or give its token here.'),
    el('label', { class: 'field' }, el('span', {}, 'Token'), input),
    el('button', { class: 'main' }, 'Open'),
  )
}

/** @type {Record<string, () => View>} */
const VIEWS = {
  runs: () => openRunsView(state, { choose, draw }),
  finetune: () =>
    openFinetuneView(state, {
      show: (run) => {
        choose([run], run)
        location.hash = '#runs'
      },
      draw,
    }),
}

/** @type {Map<string, View>} */
const opened = new Map()

function view() {
  const name = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : 'runs'
  const found = opened.get(name) ?? VIEWS[name]()
  opened.set(name, found)
  return found
}

function show() {
  const now = view()
  for (const link of document.querySelectorAll('nav a')) {
    const isNow = opened.get(link.getAttribute('href')?.slice(1) ?? '') === now
    if (isNow) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  document.getElementById('main')?.replaceChildren(now.element)
  now.draw()
}

function setTheme(/** @type {string} */ name) {
  if (name === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = name
  draw()
}

function start() {
  ask('./api/runs')
    .then((/** @type {{ runs: ListedRun[] }} */ { runs }) => {
      takeList(runs)
      if (state.chosen.length === 0) watch()
      show()
    })
    .catch(refused)
}

takeToken()
const theme = document.getElementById('theme')
if (theme instanceof HTMLSelectElement) {
  theme.value = localStorage.getItem('tritune-theme') ?? 'auto'
  setTheme(theme.value)
  theme.addEventListener('change', () => {
    localStorage.setItem('tritune-theme', theme.value)
    setTheme(theme.value)
  })
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
addEventListener('hashchange', () => {
  if (/token=/.test(location.hash)) takeToken()
  if (document.getElementById('token-form')) start()
  else show()
})
start()
