/**
 * Talks to the server. The token comes in the address after `#`, which no browser sends along; it is kept for this tab, and sent as a header
 * that no page of another site can set.
 */

const KEY = 'tritune-token'

/** An error that the server told. */
export class Refused extends Error {
  /** @param {number} status @param {{ message?: string, faults?: { what: string, where: string | null, remedy: string | null }[] }} error */
  constructor(status, error) {
    super(error.message ?? `the server answered ${status}`)
    this.status = status
    this.faults = error.faults ?? []
  }
}

/** Takes the token out of the address, so that it is not in a bookmark. */
export function takeToken() {
  const found = /[#&]token=([\w-]+)/.exec(location.hash)
  if (!found) return
  setToken(found[1])
  history.replaceState(null, '', location.pathname)
}

/** @param {string} token */
export function setToken(token) {
  sessionStorage.setItem(KEY, token)
}

/**
 * What the server answers, of the type that who asks says.
 *
 * @template T
 * @param {string} path
 * @param {{ body?: unknown, signal?: AbortSignal }} [options] with a body it is a POST, of JSON or of a file
 * @returns {Promise<T>}
 */
export async function ask(path, { body, signal } = {}) {
  const response = await request(path, { body, signal })
  return await response.json()
}

/**
 * @typedef {{ kind: 'runs', data: import('./store.js').ListedRun[] }
 *   | { kind: 'jobs', data: import('./app.js').Job[] }
 *   | { kind: 'change', data: import('./store.js').RunChange & { id: string } }} StreamEvent
 */

/**
 * Follows a stream of events until it is aborted, and opens it again when it ends. Throws when the server refuses.
 *
 * @param {() => string} path asked anew each time
 * @param {{ signal: AbortSignal, onEvent: (event: StreamEvent) => void, onLink: (isUp: boolean) => void }} options
 */
export async function follow(path, { signal, onEvent, onLink }) {
  for (let wait = 500; !signal.aborted; wait = Math.min(8000, 2 * wait)) {
    try {
      const { body } = await request(path(), { signal })
      onLink(true)
      wait = 500
      if (body)
        await readEvents(body, (event) => {
          if (!signal.aborted) onEvent(event)
        })
    } catch (error) {
      if (error instanceof Refused) throw error
    }
    if (signal.aborted) return
    onLink(false)
    await new Promise((resolve) => setTimeout(resolve, wait))
  }
}

/** @param {string} path @param {{ body?: unknown, signal?: AbortSignal }} options */
async function request(path, { body, signal }) {
  const isFile = body instanceof Blob
  const response = await fetch(path, {
    signal: signal ?? null,
    headers: {
      authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ''}`,
      ...(body === undefined
        ? {}
        : { 'content-type': isFile ? 'application/octet-stream' : 'application/json' }),
    },
    ...(body === undefined ? {} : { method: 'POST', body: isFile ? body : JSON.stringify(body) }),
  })
  if (response.ok) return response
  const told = await response.json().catch(() => ({}))
  throw new Refused(response.status, told.error ?? {})
}

/**
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @param {(event: StreamEvent) => void} onEvent
 */
async function readEvents(body, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  while (true) {
    const { value, done } = await reader.read()
    if (done) return
    const blocks = (rest + value).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) readEvent(block, onEvent)
  }
}

/** @param {string} block @param {(event: StreamEvent) => void} onEvent */
function readEvent(block, onEvent) {
  const lines = block.split('\n')
  const all = (/** @type {string} */ name) =>
    lines.flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : []))
  const data = all('data')
  if (data.length === 0) return
  const event = { kind: all('event')[0] ?? 'message', data: JSON.parse(data.join('\n')) }
  onEvent(/** @type {StreamEvent} */ (event))
}
