/** Fine-tuning without a terminal: a model, a file of data, what of it is learnt, what it takes, start. */
import { ask, Refused } from './api.js'
import { el, refresh, toast } from './dom.js'
import { bytes, duration, number } from './format.js'

/**
 * @typedef {import('./app.js').State} State
 * @typedef {import('./app.js').Job} Job
 * @typedef {{ name: string, bytes: number | null }} Choice
 * @typedef {{ file: string, line: number, count: number, trained: number, tokens: { text: string, ids: number[], trained: boolean, special: boolean }[] }} Example
 * @typedef {{ device: string, memory: number, parts: Record<string, number>, budget: number, fits: boolean, instead: { change: string, memory: number } | null, steps: number, secondsPerEpoch: number | null, stepsPerEpoch: number, trainableParameters: number, notes: string[] }} Estimate
 */

/** Keys of the file that have a field of their own; the text and the fields are two views of one thing. */
const NUMBERS = [
  ['num_epochs', 'Epochs'],
  ['learning_rate', 'Learning rate'],
  ['lora_r', 'Rank'],
  ['micro_batch_size', 'Examples at once'],
  ['sequence_len', 'Most tokens of an example'],
]

/**
 * @param {State} state
 * @param {{ show(run: string): void, draw(): void }} app
 * @returns {import('./app.js').View}
 */
export function openFinetuneView(state, { show, draw }) {
  const model = el('input', {
    list: 'models',
    id: 'model',
    required: true,
    placeholder: 'org/name, a folder or a .gguf file',
  })
  const data = el('input', { list: 'files', id: 'data', required: true, placeholder: 'a file or a folder' })
  const upload = el('input', { type: 'file', id: 'upload', accept: '.jsonl,.json,.csv,.parquet,.arrow,.txt' })
  const name = el('input', {
    id: 'name',
    required: true,
    pattern: '[A-Za-z0-9][A-Za-z0-9._\\-]*',
    value: 'my-run',
  })
  const adapter = el(
    'select',
    { id: 'adapter' },
    ...['lora', 'qlora', 'none'].map((one) => el('option', {}, one)),
  )
  const models = el('datalist', { id: 'models' })
  const files = el('datalist', { id: 'files' })
  const known = el('p', { class: 'small soft' })
  const text = el('textarea', { id: 'file', spellcheck: 'false', 'aria-label': 'The file of the run' })
  const numbers = el('div', { class: 'fields' })
  const settings = el('section', { class: 'card', hidden: true })
  const tokens = el('section', { class: 'card', hidden: true })
  const estimate = el('section', { class: 'card', hidden: true })
  const fault = el('pre', { class: 'notice bad', hidden: true, id: 'fault' })
  const jobs = el('div', { id: 'jobs' })

  const busy = async (/** @type {HTMLButtonElement} */ button, /** @type {() => Promise<void>} */ work) => {
    button.disabled = true
    fault.hidden = true
    try {
      await work()
    } catch (error) {
      if (!(error instanceof Error)) throw error
      fault.hidden = false
      fault.textContent = faultText(error)
      fault.scrollIntoView({ block: 'nearest' })
    } finally {
      button.disabled = false
    }
  }
  const body = () => ({ name: name.value, text: text.value })
  const makeFile = async () => {
    /** @type {{ text: string }} */
    const made = await ask('./api/finetune/draft', {
      body: { model: model.value, data: data.value, name: name.value, adapter: adapter.value },
    })
    text.value = made.text
    settings.hidden = false
    tokens.hidden = estimate.hidden = true
    drawNumbers(numbers, text)
  }
  const look = el('button', { id: 'look' }, 'Look at the data')
  look.addEventListener(
    'click',
    () =>
      void busy(look, async () => {
        /** @type {{ examples: Example[] }} */
        const { examples } = await ask('./api/finetune/preview', { body: body() })
        tokens.hidden = false
        tokens.replaceChildren(...tokensOf(examples))
      }),
  )
  const count = el('button', { id: 'estimate' }, 'What it takes')
  count.addEventListener(
    'click',
    () =>
      void busy(count, async () => {
        /** @type {Estimate} */
        const found = await ask('./api/finetune/estimate', { body: body() })
        estimate.hidden = false
        estimate.replaceChildren(...estimateOf(found))
      }),
  )
  const start = el('button', { class: 'main', id: 'start' }, 'Start')
  start.addEventListener(
    'click',
    () =>
      void busy(start, async () => {
        /** @type {Job} */
        const job = await ask('./api/finetune/start', { body: body() })
        toast(`${job.name} starts`)
        draw()
      }),
  )
  const next = el('button', { class: 'main', id: 'make' }, 'Next')
  const form = el(
    'form',
    { class: 'card' },
    el('h2', {}, 'A model and a file'),
    el(
      'div',
      { class: 'fields' },
      field('Model', model),
      field('Data', data),
      field('Or a file of yours', upload),
      field('Name of the run', name),
      field('What is trained', adapter),
    ),
    models,
    files,
    known,
    el('div', { class: 'row' }, next),
  )
  upload.addEventListener('change', () => {
    const [file] = upload.files ?? []
    if (file === undefined) return
    void busy(next, async () => {
      data.value = ''
      /** @type {{ path: string }} */
      const { path } = await ask(`./api/finetune/data/${encodeURIComponent(file.name)}`, { body: file })
      data.value = path
    })
  })
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void busy(next, makeFile)
  })
  settings.append(
    el('h2', {}, 'Settings'),
    numbers,
    el('details', {}, el('summary', {}, 'The whole file'), text),
    el('div', { class: 'row' }, look, count, start),
  )
  text.addEventListener('input', () => drawNumbers(numbers, text))
  void offer({ model, data, models, files, known })
  return {
    element: el('div', { class: 'finetune' }, form, settings, fault, tokens, estimate, jobs),
    draw: () => drawJobs(jobs, state, show),
  }
}

/** @param {string} text @param {HTMLElement} input */
function field(text, input) {
  return el('label', { class: 'field' }, el('span', {}, text), input)
}

/**
 * What there is to choose from.
 *
 * @param {{ model: HTMLInputElement, data: HTMLInputElement, models: HTMLElement, files: HTMLElement, known: HTMLElement }} parts
 */
async function offer({ model, data, models, files, known }) {
  try {
    /** @type {{ models: Choice[], files: Choice[], notes: string[] }} */
    const found = await ask('./api/finetune/choices')
    const options = (/** @type {Choice[]} */ all) =>
      all.map(({ name, bytes: size }) => el('option', { value: name }, size === null ? '' : bytes(size)))
    models.replaceChildren(...options(found.models))
    files.replaceChildren(...options(found.files))
    if (model.value === '') model.value = found.models[0]?.name ?? ''
    if (data.value === '') data.value = found.files[0]?.name ?? ''
    known.textContent = [
      `Found here: models ${found.models.length}, files ${found.files.length}. A name on the hub, or any other path, does as well.`,
      ...found.notes,
    ].join(' ')
  } catch (error) {
    known.textContent = error instanceof Error ? error.message : String(error)
  }
}

/** @param {string} key */
function lineOf(key) {
  return new RegExp(`^(${key}:[ ]*)([^\\s#]+)`, 'm')
}

/** @param {HTMLElement} place @param {HTMLTextAreaElement} text */
function drawNumbers(place, text) {
  const there = NUMBERS.filter(([key]) => lineOf(key).test(text.value))
  refresh(place, there.map(([key]) => key).join(), () =>
    there.map(([key, title]) => {
      const input = el('input', { type: 'number', step: 'any', min: '0', id: key })
      input.addEventListener('input', () => {
        if (input.value !== '')
          text.value = text.value.replace(lineOf(key), (_, before) => `${before}${input.value}`)
      })
      return field(title, input)
    }),
  )
  for (const [key] of there) {
    const input = document.getElementById(key)
    const found = lineOf(key).exec(text.value)
    if (input instanceof HTMLInputElement && found && input !== document.activeElement) input.value = found[2]
  }
}

/** @param {Error} error */
function faultText(error) {
  if (!(error instanceof Refused) || error.faults.length === 0) return error.message
  return error.faults
    .map(
      ({ what, where, remedy }) =>
        `${where === null ? '' : `${where}: `}${what}${remedy === null ? '' : `\n  → ${remedy}`}`,
    )
    .join('\n')
}

/** Control characters would do nothing that one sees. */
const visible = (/** @type {string} */ text) =>
  text.replace(/(?![\n\t])\p{Cc}/gu, (one) =>
    String.fromCodePoint(0x2400 + Math.min(0x21, one.charCodeAt(0))),
  )

/** @param {Example[]} examples */
function tokensOf(examples) {
  return [
    el('h2', {}, 'What of the data is learnt'),
    el(
      'p',
      { class: 'small soft tokens' },
      el('span', { class: 'trained' }, 'learnt'),
      ', not learnt, ',
      el('span', { class: 'special' }, 'special'),
      '; a token shows its number where one points at it.',
    ),
    ...examples.flatMap(({ file, line, count, trained, tokens }) => [
      el('p', { class: 'small soft' }, `${file}:${line}: ${count} tokens, ${trained} of them learnt`),
      el(
        'pre',
        { class: 'tokens' },
        ...tokens.map(({ text, ids, trained, special }) =>
          el(
            'span',
            { class: `${trained ? 'trained' : ''}${special ? ' special' : ''}`, title: ids.join(' ') },
            visible(text),
          ),
        ),
      ),
    ]),
  ]
}

/** @param {Estimate} found */
function estimateOf({
  device,
  memory,
  parts,
  budget,
  fits,
  instead,
  steps,
  secondsPerEpoch,
  stepsPerEpoch,
  trainableParameters,
  notes,
}) {
  const epochs = stepsPerEpoch > 0 ? steps / stepsPerEpoch : 1
  const time = secondsPerEpoch === null ? 'not known' : `about ${duration(secondsPerEpoch * epochs)}`
  return [
    el('h2', {}, 'What it takes'),
    el(
      'p',
      { class: fits ? 'notice good' : 'notice bad' },
      `${bytes(memory)} of ${bytes(budget)}: ${fits ? 'it fits' : 'it does not fit'}`,
    ),
    instead ? el('p', {}, `It would with ${instead.change}: ${bytes(instead.memory)}`) : '',
    el('p', {}, `${device}; ${number(trainableParameters)} parameters are trained; ${steps} steps; ${time}`),
    el(
      'table',
      { class: 'parts' },
      ...Object.entries(parts).map(([part, size]) =>
        el('tr', {}, el('td', {}, part), el('td', {}, bytes(Number(size)))),
      ),
    ),
    ...notes.map((note) => el('p', { class: 'small soft' }, note)),
  ]
}

/**
 * A card for each job. It stays while its text changes, so that what is selected or has the focus in it does, too.
 *
 * @param {HTMLElement} place @param {State} state @param {(run: string) => void} show
 */
function drawJobs(place, { jobs, list }, show) {
  const there = new Map([...place.children].map((card) => [card.getAttribute('data-id'), card]))
  for (const [id, card] of there) if (!jobs.some((job) => job.id === id)) card.remove()
  for (const [i, job] of jobs.entries()) {
    const card =
      there.get(job.id) ?? el('section', { class: 'card', 'data-id': job.id, 'data-job': job.name })
    drawJob(card, job, list.some(({ id }) => id === job.run) ? () => show(job.run) : null)
    if (place.children[i] !== card) place.insertBefore(card, place.children[i] ?? null)
  }
}

/** @param {Element} card @param {Job} job @param {(() => void) | null} watch */
function drawJob(card, { name, state: now, text, error, command }, watch) {
  card.setAttribute('data-state', now)
  const said = el('span', { class: 'soft small grow' })
  // What is said changes with each step, the rest seldom.
  refresh(card, JSON.stringify([now, error, command, watch !== null]), () => [
    el('div', { class: 'row' }, el('h1', {}, name), el('span', { class: `status ${now}` }, now), said),
    error ? el('pre', { class: 'notice bad' }, faultText(new Refused(400, error))) : '',
    now === 'completed' ? el('p', { class: 'notice good' }, `Finished. Try it:\n${command ?? ''}`) : '',
    watch === null ? '' : el('button', { onclick: watch }, 'Watch it'),
  ])
  const line = card.querySelector('.grow')
  if (line && line.textContent !== text) line.textContent = text
}
