/** What a run is and how far it is: name, status, progress, numbers. */
import { el, refresh } from './dom.js'
import { bytes, clock, duration, number } from './format.js'

/** @param {HTMLElement} head @param {import('./store.js').RunData | undefined} data @param {boolean} isNone */
export function drawHead(head, data, isNone) {
  if (!data?.run) {
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

/** @param {import('./store.js').RunRecord} run */
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

/** @param {import('./store.js').RunRecord} run */
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
