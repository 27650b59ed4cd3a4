/** What the models wrote at their evaluations, the chosen runs beside each other at one step. */
import { el, refresh, tinted } from './dom.js'

/** @returns {{ element: HTMLElement, draw(runs: { id: string, data: import('./store.js').RunData, colour: string, name: string }[]): void }} */
export function openSamples() {
  const slider = el('input', {
    type: 'range',
    min: '0',
    step: '1',
    class: 'grow',
    'aria-label': 'Which evaluation',
  })
  const when = el('output', { class: 'small soft' })
  const texts = el('div', { class: 'samples', id: 'samples' })
  const element = el(
    'section',
    { class: 'card' },
    el('div', { class: 'row' }, el('h2', {}, 'Samples'), slider, when),
    texts,
  )
  /** The newest is followed until somebody looks back. */
  let isNewest = true
  /** @type {Parameters<ReturnType<typeof openSamples>['draw']>[0]} */
  let last = []
  const draw = (/** @type {typeof last} */ runs) => {
    last = runs
    const steps = [...new Set(runs.flatMap(({ data }) => samplesOf(data).map(({ step }) => step)))].toSorted(
      (a, b) => a - b,
    )
    element.hidden = steps.length === 0
    slider.max = String(steps.length - 1)
    if (isNewest) slider.value = slider.max
    const step = steps[Number(slider.value)]
    when.textContent = `step ${step}`
    const shown = runs.flatMap((run) =>
      samplesOf(run.data)
        .filter((sample) => sample.step === step)
        .map((sample) => ({ run, sample })),
    )
    refresh(texts, JSON.stringify(shown.map(({ run, sample }) => [run.id, run.colour, sample])), () =>
      shown.map(({ run, sample: { prompt, completion } }) =>
        tinted(
          el(
            'div',
            { class: 'sample' },
            el('div', { class: 'small soft' }, run.name),
            el('pre', {}, el('span', { class: 'soft' }, prompt), completion),
          ),
          run.colour,
        ),
      ),
    )
  }
  slider.addEventListener('input', () => {
    isNewest = slider.value === slider.max
    draw(last)
  })
  return { element, draw }
}

/** @param {import('./store.js').RunData} data */
function samplesOf({ events }) {
  return events.filter(({ type }) => type === 'sample')
}
