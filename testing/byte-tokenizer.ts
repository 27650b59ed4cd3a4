/**
 * A tokenizer for tests: one token a byte of UTF-8, BOS and EOS behind them. No file.
 */
import type { ChatMessage, TokenizerLike } from '../core/mod.ts'

/** Written for BOS and EOS in the texts of the dataset suite. */
export const BOS = '<s>'
export const EOS = '</s>'

const BOS_ID = 256
const EOS_ID = 257
/** Ids that there are. */
export const BYTE_VOCABULARY = 258

/** `special: false`: one that has neither BOS nor EOS. */
export function byteTokenizer({ special = true }: { readonly special?: boolean } = {}): TokenizerLike {
  return {
    encode(text, { addSpecialTokens }) {
      const bytes = [...new TextEncoder().encode(text)]
      return special && addSpecialTokens ? [BOS_ID, ...bytes] : bytes
    },
    decode: (ids) => decodeBytes(ids),
    tokenOf: (id) => decodeBytes([id]),
    bosId: special ? BOS_ID : null,
    eosId: special ? EOS_ID : null,
    padId: null,
    renderChat: (messages, { addGenerationPrompt }) =>
      `${messages.map(turnOf).join('')}${addGenerationPrompt ? '<|assistant|>' : ''}`,
    id: special ? 'bytes' : 'bytes without special tokens',
  }
}

/** With BOS and EOS as text. */
export function decodeBytes(ids: readonly number[]): string {
  const parts: string[] = []
  let bytes: number[] = []
  const flush = (): void => {
    parts.push(new TextDecoder().decode(Uint8Array.from(bytes)))
    bytes = []
  }
  for (const id of ids) {
    if (id < BOS_ID) bytes.push(id)
    else {
      flush()
      parts.push(id === BOS_ID ? BOS : EOS)
    }
  }
  flush()
  return parts.join('')
}

/** `<|user|>text\n` */
function turnOf({ role, content }: ChatMessage): string {
  return `<|${role}|>${typeof content === 'string' ? content : ''}\n`
}
