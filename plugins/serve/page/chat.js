/**
 * The page: a chat with one model, or with two side by side. A model without a chat template goes on from the text.
 */
import { models, setKey, stream, takeKey } from './api.js'

/** @typedef {{ role: string, content: string }} Message */
/** @typedef {{ model: import('./api.js').ServedModel, messages: Message[] }} Conversation */

const log = byId('log', HTMLElement)
const text = byId('text', HTMLTextAreaElement)
const model = byId('model', HTMLSelectElement)
const other = byId('other', HTMLSelectElement)
const send = byId('send', HTMLButtonElement)
const stop = byId('stop', HTMLButtonElement)
const key = byId('key', HTMLInputElement)

/** @type {import('./api.js').ServedModel[]} */
let served = []
/** @type {Conversation[]} */
let conversations = []
/** @type {AbortController | null} */
let running = null

key.value = takeKey()
key.addEventListener('change', () => {
  setKey(key.value)
  void load()
})
model.addEventListener('change', begin)
other.addEventListener('change', begin)
byId('new', HTMLButtonElement).addEventListener('click', begin)
stop.addEventListener('click', () => running?.abort())
byId('form', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault()
  if (running === null && text.value.trim() !== '') void answer(text.value)
})
text.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  byId('form', HTMLFormElement).requestSubmit()
})
void load()

async function load() {
  try {
    served = await models()
  } catch (error) {
    log.replaceChildren(element('p', 'notice bad', String(error instanceof Error ? error.message : error)))
    byId('settings', HTMLDetailsElement).open = true
    return
  }
  const options = () => served.map(({ id }) => new Option(id, id))
  model.replaceChildren(...options())
  other.replaceChildren(new Option('–', ''), ...options())
  begin()
}

/** Ends what is under way, and starts anew with the models that are chosen. */
function begin() {
  running?.abort()
  const names = [model.value, ...(other.value === '' ? [] : [other.value])]
  conversations = served
    .flatMap((one) => (names.includes(one.id) ? [{ model: one, messages: [] }] : []))
    .toSorted((a, b) => names.indexOf(a.model.id) - names.indexOf(b.model.id))
  log.replaceChildren()
  text.focus()
}

/** @param {string} said */
async function answer(said) {
  text.value = ''
  log.append(element('article', 'user', said))
  const row = element('div', 'answers')
  log.append(row)
  const controller = new AbortController()
  running = controller
  send.hidden = true
  stop.hidden = false
  try {
    await Promise.all(conversations.map((conversation) => write(conversation, said, row, controller.signal)))
  } finally {
    if (running === controller) running = null
    send.hidden = false
    stop.hidden = true
  }
}

/**
 * @param {Conversation} conversation
 * @param {string} said
 * @param {Element} row
 * @param {AbortSignal} signal
 */
async function write(conversation, said, row, signal) {
  const { model, messages } = conversation
  messages.push({ role: 'user', content: said })
  const article = element('article', 'assistant')
  const content = element('div', 'content')
  const note = element('small', 'soft')
  article.append(element('small', 'soft', model.id), content, note)
  row.append(article)
  const began = performance.now()
  let made = ''
  let pieces = 0
  const draw = oncePerFrame(() => {
    const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 80
    content.textContent = made
    if (follows) log.scrollTop = log.scrollHeight
  })
  try {
    const [path, body] = requestOf(conversation, said)
    for await (const piece of stream(path, body, signal)) {
      made += piece
      pieces += piece === '' ? 0 : 1
      draw()
    }
    const seconds = (performance.now() - began) / 1000
    note.textContent = `${(pieces / seconds).toFixed(1)} pieces/s`
  } catch (error) {
    note.textContent = signal.aborted ? 'stopped' : String(error instanceof Error ? error.message : error)
    note.className = signal.aborted ? 'soft' : 'bad'
  }
  messages.push({ role: 'assistant', content: made })
}

/**
 * However often it is called: a fast model writes more pieces than a screen shows pictures.
 *
 * @param {() => void} draw
 */
function oncePerFrame(draw) {
  let isAsked = false
  return () => {
    if (isAsked) return
    isAsked = true
    requestAnimationFrame(() => {
      isAsked = false
      draw()
    })
  }
}

/**
 * @param {Conversation} conversation
 * @param {string} said
 * @returns {[string, object]}
 */
function requestOf({ model, messages }, said) {
  const number = (/** @type {string} */ id) => Number(byId(id, HTMLInputElement).value)
  const seed = byId('seed', HTMLInputElement).value
  const system = byId('system', HTMLTextAreaElement).value
  const shared = {
    model: model.id,
    temperature: number('temperature'),
    top_p: number('top-p'),
    max_tokens: number('max-tokens'),
    ...(seed === '' ? {} : { seed: Number(seed) }),
  }
  if (!model.has_chat_template) return ['/v1/completions', { ...shared, prompt: said }]
  const first = system.trim() === '' ? [] : [{ role: 'system', content: system }]
  return ['/v1/chat/completions', { ...shared, messages: [...first, ...messages] }]
}

/**
 * @param {string} tag
 * @param {string} name
 * @param {string} [content] always text, never markup
 */
function element(tag, name, content = '') {
  const made = document.createElement(tag)
  made.className = name
  made.textContent = content
  return made
}

/**
 * @template {HTMLElement} E
 * @param {string} id
 * @param {new () => E} kind
 * @returns {E}
 */
function byId(id, kind) {
  const found = document.getElementById(id)
  if (found instanceof kind) return found
  throw new Error(`the page has no ${id}`)
}
