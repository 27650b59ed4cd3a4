/** What happened in a run, the newest first. */
import { el, refresh } from './dom.js'
import { clock, number } from './format.js'

const MOST_EVENTS = 300

/** @param {HTMLElement} list @param {import('./store.js').RunData | undefined} data */
export function drawEvents(list, data) {
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
          el('span', {}, textOf(event)),
        ),
      ),
  )
}

/** @param {import('./store.js').EventLine} event @returns {string} */
function textOf({ time: _, step: __, type, ...fields }) {
  if (type === 'eval')
    return `evaluation: loss ${number(fields.loss)}${fields.best ? ', the best so far' : ''}`
  if (type === 'save') return `saved ${fields.folder ?? fields.path ?? ''}`
  if (type === 'control')
    return `${fields.action}${fields.value === undefined ? '' : ` ${fields.value}`}: ${fields.ok ? 'done' : `refused: ${fields.reason}`}`
  if (typeof fields.text === 'string') return `${type}: ${fields.text}`
  if (typeof fields.message === 'string') return `${type}: ${fields.message}`
  const rest = Object.entries(fields).filter(([, value]) => typeof value !== 'object')
  return [type, ...rest.map(([name, value]) => `${name} ${value}`)].join(' ')
}
