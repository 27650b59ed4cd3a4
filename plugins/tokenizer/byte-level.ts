/**
 * The alphabet of byte-level tokenizers: every byte is one printable character, as GPT-2 spells it
 * (https://github.com/openai/gpt-2/blob/master/src/encoder.py).
 */

const CHARS: string[] = []
const BYTES = new Map<string, number>()
for (let byte = 0, more = 0; byte < 256; byte++) {
  const isPrintable =
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)
  const char = String.fromCharCode(isPrintable ? byte : 256 + more++)
  CHARS.push(char)
  BYTES.set(char, byte)
}

const ENCODER = new TextEncoder()
const PLAIN = /^[!-~]*$/

/** The bytes of `text` in UTF-8, spelled. */
export function spellBytes(text: string): string {
  if (PLAIN.test(text)) return text
  if (text.startsWith(' ') && PLAIN.test(text.slice(1))) return CHARS[0x20] + text.slice(1)
  return spellRaw(ENCODER.encode(text))
}

/** Bytes that need not be a text, spelled. */
export function spellRaw(bytes: Uint8Array): string {
  let spelled = ''
  for (const byte of bytes) spelled += CHARS[byte]
  return spelled
}

/** The bytes that a token spells; a token with any other character stands for itself. */
export function unspellBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length)
  for (let i = 0; i < token.length; i++) {
    const byte = BYTES.get(token[i])
    if (byte === undefined) return ENCODER.encode(token)
    bytes[i] = byte
  }
  return bytes
}

/** The characters that spell bytes, in the order of their codes; all, or those of some bytes. */
export function byteAlphabet(has: (byte: number) => boolean = () => true): string[] {
  return CHARS.filter((_, byte) => has(byte)).toSorted((a, b) => a.charCodeAt(0) - b.charCodeAt(0))
}
