/** The list of the runs: whose curves are shown, and which is the main one. */
import { el } from './dom.js'
import { number } from './format.js'

/** @typedef {import('./app.js').State} State */

/**
 * Rows stay the elements that they are while runs go on: the focus of the keyboard stays with them.
 *
 * @param {State} state
 * @param {(id: string) => string} colourOf
 * @param {(chosen: string[], main: string | null) => void} choose
 */
export function openRunList(state, colourOf, choose) {
  const element = el('ul')
  /** @type {Map<string, ReturnType<typeof openRow>>} */
  const rows = new Map()
  const toggle = (/** @type {string} */ id) => {
    const { chosen, main } = state
    const now = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]
    if (now.length > 0) choose(now, main !== null && now.includes(main) ? main : now[0])
    else rows.get(id)?.tick(true)
  }
  const show = (/** @type {string} */ id) => choose(state.chosen.includes(id) ? state.chosen : [id], id)
  return {
    element,
    draw() {
      const there = new Set(state.list.map(({ id }) => id))
      for (const [id, row] of rows) {
        if (there.has(id)) continue
        row.element.remove()
        rows.delete(id)
      }
      for (const [i, run] of state.list.entries()) {
        const { id } = run
        const row = rows.get(id) ?? openRow({ toggle: () => toggle(id), show: () => show(id) })
        rows.set(id, row)
        const isChosen = state.chosen.includes(id)
        row.draw(run, { colour: isChosen ? colourOf(id) : null, isMain: id === state.main })
        if (element.children[i] !== row.element)
          element.insertBefore(row.element, element.children[i] ?? null)
      }
    },
  }
}

/** @param {{ toggle(): void, show(): void }} actions */
function openRow({ toggle, show }) {
  const box = el('input', { type: 'checkbox', onchange: toggle })
  const name = el('span')
  const state = el('span')
  const progress = el('span', { class: 'soft small' })
  const button = el('button', { onclick: show }, name, ' ', state, el('br'), progress)
  const element = el('li', {}, box, button)
  return {
    element,
    tick(/** @type {boolean} */ isOn) {
      box.checked = isOn
    },
    /** @param {State['list'][number]} run @param {{ colour: string | null, isMain: boolean }} look `colour` null: it is not chosen */
    draw(run, { colour, isMain }) {
      element.dataset.run = name.textContent = run.name
      element.classList.toggle('chosen', isMain)
      if (colour === null) element.style.removeProperty('--tint')
      else element.style.setProperty('--tint', colour)
      box.checked = colour !== null
      box.setAttribute('aria-label', `Show the curves of ${run.name}`)
      button.setAttribute('aria-current', String(isMain))
      state.className = `status ${run.status}`
      state.textContent = run.status
      progress.textContent = `${run.step} of ${run.totalSteps} steps, loss ${number(run.loss)}`
    },
  }
}
