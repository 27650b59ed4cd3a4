/** What happened in a run, the newest first. */
import { el, refresh } from './dom.js'
import { clock } from './format.js'

const MOST_EVENTS = 300

/** @param {HTMLElement} list @param {import('./store.js').RunData | undefined} data */
export function drawEvents(list, data) {
  const all = data?.events.filter(({ type }) => type !== 'sample') ?? []
  refresh(list, `${data?.run?.run_id} ${all.length}`, () =>
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
