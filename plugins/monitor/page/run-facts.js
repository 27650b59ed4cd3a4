/** What a run has saved, and what it was made with. */
import { el, refresh } from './dom.js'
import { number } from './format.js'

/** What is open stays so while the run goes on. */
export function openFacts() {
  const checkpoints = el('div')
  const settings = el('pre')
  const element = el(
    'div',
    { class: 'card', id: 'facts' },
    el('h2', {}, 'Checkpoints'),
    checkpoints,
    el('details', {}, el('summary', {}, 'Settings'), settings),
  )
  return {
    element,
    /** @param {import('./store.js').RunData | undefined} data */
    draw(data) {
      element.hidden = !data?.run
      if (!data?.run) return
      const { run } = data
      refresh(checkpoints, `${run.run_id} ${JSON.stringify(run.checkpoints)}`, () => [
        listOf(run.checkpoints),
      ])
      const text = `${run.command ? `${run.command}\n\n` : ''}${JSON.stringify(run.config, null, 2)}`
      if (settings.textContent !== text) settings.textContent = text
    },
  }
}

/** @param {{ path: string, step: number, loss: number | null }[]} checkpoints */
function listOf(checkpoints) {
  if (checkpoints.length === 0) return el('p', { class: 'soft' }, 'none yet')
  return el(
    'ul',
    {},
    ...checkpoints.map(({ path, step, loss }) => el('li', {}, `${path}: step ${step}, loss ${number(loss)}`)),
  )
}
