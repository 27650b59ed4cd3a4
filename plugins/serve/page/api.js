/**
 * Talks to the server that gave this page. The key comes in the address after `#`, which no browser sends along; it is kept for this tab.
 */

const KEY = 'tritune-key'

/** Takes the key out of the address, so that it is not in a bookmark. */
export function takeKey() {
  const found = /[#&]token=([^&]+)/.exec(location.hash)
  if (found) {
    setKey(decodeURIComponent(found[1]))
    history.replaceState(null, '', location.pathname)
  }
  return sessionStorage.getItem(KEY) ?? ''
}

/** @param {string} key */
export function setKey(key) {
  sessionStorage.setItem(KEY, key)
}

/**
 * @typedef {{ id: string, parent: string | null, max_model_len: number, has_chat_template: boolean }} ServedModel
 * @returns {Promise<ServedModel[]>}
 */
export async function models() {
  const { data } = await (await request('/v1/models')).json()
  return data
}

/**
 * The text of an answer, piece by piece.
 *
 * @param {string} path
 * @param {object} body
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<string>}
 */
export async function* stream(path, body, signal) {
  const response = await request(path, { ...body, stream: true }, signal)
  if (!response.body) return
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  while (true) {
    const { value, done } = await reader.read()
    if (done) return
    const blocks = (rest + value).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const data = block.startsWith('data: ') ? block.slice(6) : ''
      if (data === '' || data === '[DONE]') continue
      const told = JSON.parse(data)
      if (told.error) throw new Error(told.error.message)
      const [choice] = told.choices
      yield choice?.delta?.content ?? choice?.text ?? ''
    }
  }
}

/**
 * @param {string} path
 * @param {object} [body] with one it is a POST
 * @param {AbortSignal} [signal]
 */
async function request(path, body, signal) {
  const key = sessionStorage.getItem(KEY) ?? ''
  const response = await fetch(path, {
    signal: signal ?? null,
    headers: {
      ...(key === '' ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  if (response.ok) return response
  const { error } = await response.json().catch(() => ({}))
  throw new Error(error?.message ?? `the server answered ${response.status}`)
}
