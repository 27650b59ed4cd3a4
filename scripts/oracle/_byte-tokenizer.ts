/**
 * A tokenizer with one token for each byte and one for each special token, so that every place in a text is a place among
 * the tokens. tests/oracle/chat_templates.py builds the same one for Python.
 */
import type { TokenizerLike } from '../../core/mod.ts'
import type { ChatRenderer } from '../../plugins/tokenizer/mod.ts'

export function byteTokenizer(special: readonly string[], eos: string, render: ChatRenderer): TokenizerLike {
  const ids = new Map(special.map((token, i) => [token, 256 + i]))
  const pattern = new RegExp(
    `(${special
      .toSorted((a, b) => b.length - a.length)
      .map((token) => token.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('|')})`,
  )
  const bytesOf = (id: number): Uint8Array =>
    id < 256 ? Uint8Array.of(id) : new TextEncoder().encode(special[id - 256])
  const decode = (tokens: readonly number[]): string =>
    new TextDecoder().decode(Uint8Array.from(tokens.flatMap((id) => [...bytesOf(id)])))
  return {
    encode: (text) =>
      text.split(pattern).flatMap((part) => {
        const id = ids.get(part)
        return id === undefined ? [...new TextEncoder().encode(part)] : [id]
      }),
    decode,
    tokenOf: (id) => decode([id]),
    bosId: ids.get('<s>') ?? null,
    eosId: ids.get(eos) ?? null,
    padId: null,
    id: 'bytes',
    renderChat: (messages, options) => render(messages, options).text,
    generationsOf: (messages, options) => render(messages, options).generations,
  }
}
