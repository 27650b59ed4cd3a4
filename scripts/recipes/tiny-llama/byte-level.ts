/**
 * Byte-level pre-tokenisation as in GPT-2 (Radford et al. 2019): text is cut into words by a regular expression and the
 * UTF-8 bytes of each word are written as printable characters, so that every text has tokens.
 *
 * Not an encoder: plugins/tokenizer encodes, from the tokenizer.json that the trainer writes.
 */

/** The expression that the `ByteLevel` pre-tokenizer of Hugging Face's tokenizers uses. */
const WORDS: RegExp = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

/** `alphabet[byte]` is the character that stands for it: itself where printable, else one from U+0100 on. */
export function byteAlphabet(): string[] {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++))
}

/** How often each word, written in the byte alphabet, occurs in the texts. In order of first occurrence. */
export function countWords(texts: Iterable<string>): Map<string, number> {
  const raw = new Map<string, number>()
  for (const text of texts) {
    for (const [word] of text.matchAll(WORDS)) raw.set(word, (raw.get(word) ?? 0) + 1)
  }
  const alphabet = byteAlphabet()
  const encoder = new TextEncoder()
  const counts = new Map<string, number>()
  for (const [word, count] of raw) {
    counts.set(Array.from(encoder.encode(word), (byte) => alphabet[byte]).join(''), count)
  }
  return counts
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
}
