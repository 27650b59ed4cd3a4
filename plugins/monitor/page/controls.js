/** What one can ask of a run: pause, resume, save, stop, another learning rate. The run answers between two steps. */
import { ask } from './api.js'
import { el, toast } from './dom.js'

/**
 * @param {() => string | null} mainRun
 * @returns {{ element: HTMLElement, draw(data: import('./store.js').RunData | undefined): void }}
 */
export function openControls(mainRun) {
  /** Those that have no answer yet, by the ids of the requests. @type {Map<string, { run: string, what: string }>} */
  const asked = new Map()
  const send = async (/** @type {Record<string, unknown>} */ control, /** @type {string} */ what) => {
    const run = mainRun()
    if (run === null) return
    try {
      /** @type {{ id: string }} */
      const { id } = await ask(`./api/runs/${run}/control`, { body: control })
      asked.set(id, { run, what })
      drawWaiting()
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error), true)
    }
  }
  const drawWaiting = () => {
    const last = [...asked.values()].findLast(({ run }) => run === mainRun())
    waiting.textContent = last === undefined ? '' : `${last.what}: asked, after this step …`
  }
  const button = (/** @type {string} */ text, /** @type {string} */ action, props = {}) =>
    el('button', { 'data-action': action, onclick: () => send({ action }, text), ...props }, text)
  const pause = button('Pause', 'pause')
  const resume = button('Resume', 'resume')
  const save = button('Save', 'save')
  const rate = el('input', { type: 'number', step: 'any', min: '0', 'aria-label': 'New learning rate' })
  const setRate = el('button', {}, 'Set learning rate')
  const rateForm = el('form', { class: 'row' }, rate, setRate)
  rateForm.addEventListener('submit', (event) => {
    event.preventDefault()
    void send({ action: 'set_learning_rate', value: Number(rate.value) }, 'Set learning rate')
  })
  const sure = el(
    'dialog',
    {},
    el('p', {}, 'Stop this run after its step? It saves a checkpoint, from which it can be resumed.'),
    el(
      'form',
      { method: 'dialog', class: 'row' },
      el(
        'button',
        { class: 'stop', 'data-action': 'stop', onclick: () => send({ action: 'stop' }, 'Stop') },
        'Stop',
      ),
      el('button', {}, 'Go on'),
    ),
  )
  const stop = el(
    'button',
    { class: 'stop', 'data-action': 'ask-stop', onclick: () => sure.showModal() },
    'Stop …',
  )
  /** What the field was filled with last; what somebody types there stays. @type {number | null} */
  let filled = null
  let filledFor = ''
  const waiting = el('output', { class: 'soft small' })
  const element = el(
    'section',
    { class: 'card row', 'aria-label': 'Control' },
    pause,
    resume,
    save,
    stop,
    rateForm,
    waiting,
    sure,
  )
  return {
    element,
    draw(data) {
      const status = data?.run?.status
      const isGoing = status === 'running' || status === 'initializing'
      element.hidden = !isGoing && status !== 'paused'
      pause.hidden = !isGoing
      resume.hidden = status !== 'paused'
      const now = data?.run?.base_learning_rate ?? null
      if (now !== null && (data?.run?.run_id !== filledFor || now !== filled)) {
        rate.value = String(now)
        filledFor = data?.run?.run_id ?? ''
        filled = now
      }
      for (const event of data?.events ?? []) {
        const answered = event.type === 'control' ? asked.get(event.id ?? '') : undefined
        if (answered === undefined) continue
        const { what } = answered
        asked.delete(event.id ?? '')
        toast(event.ok ? `${what}: done` : `${what}: ${event.reason}`, !event.ok)
      }
      for (const [id, { run, what }] of element.hidden && data ? asked : []) {
        if (run !== mainRun()) continue
        asked.delete(id)
        toast(`${what}: the run is ${status}, and did not answer`, true)
      }
      drawWaiting()
    },
  }
}
