/**
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4): the checksum of messages. Not against anybody who means to forge one.
 *
 * Sixteen bytes at a time, each by a table of its own (Kounavis & Berry, "Novel table lookup-based algorithms for high-performance CRC generation", 2008).
 */

/** Of `bytes`; `before` is that of what comes before them. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  const { buffer, byteOffset, length } = bytes
  if (length < 32) return ~byteByByte(bytes, 0, length, ~before) >>> 0
  // Up to where words of the memory begin, then four of them at a time.
  const first = -byteOffset & 3
  const words = new Int32Array(buffer, byteOffset + first, (length - first) >> 2)
  const end = words.length & ~3
  const crc = fourWords(words, end, byteByByte(bytes, 0, first, ~before))
  return ~byteByByte(bytes, first + 4 * end, length, crc) >>> 0
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function byteByByte(bytes: Uint8Array, start: number, end: number, before: number): number {
  let crc = before
  for (let i = start; i < end; i++) crc = TABLES[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8)
  return crc
}

function fourWords(words: Int32Array, end: number, before: number): number {
  let crc = before
  for (let i = 0; i < end; i += 4) {
    const b = words[i + 1]
    const c = words[i + 2]
    const d = words[i + 3]
    // What does not wait for the words before comes first.
    const rest =
      TABLES[0xb00 + (b & 0xff)] ^
      TABLES[0xa00 + ((b >>> 8) & 0xff)] ^
      TABLES[0x900 + ((b >>> 16) & 0xff)] ^
      TABLES[0x800 + (b >>> 24)] ^
      TABLES[0x700 + (c & 0xff)] ^
      TABLES[0x600 + ((c >>> 8) & 0xff)] ^
      TABLES[0x500 + ((c >>> 16) & 0xff)] ^
      TABLES[0x400 + (c >>> 24)] ^
      TABLES[0x300 + (d & 0xff)] ^
      TABLES[0x200 + ((d >>> 8) & 0xff)] ^
      TABLES[0x100 + ((d >>> 16) & 0xff)] ^
      TABLES[d >>> 24]
    const a = words[i] ^ crc
    crc =
      TABLES[0xf00 + (a & 0xff)] ^
      TABLES[0xe00 + ((a >>> 8) & 0xff)] ^
      (TABLES[0xd00 + ((a >>> 16) & 0xff)] ^ TABLES[0xc00 + (a >>> 24)] ^ rest)
  }
  return crc
}

/** 0x1EDC6F41, its bits reversed. */
const POLYNOMIAL = 0x82f63b78

/** What a byte comes to that so many others follow: 256 for none, 256 for one, … */
const TABLES = new Int32Array(16 * 256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
  TABLES[byte] = crc
}
for (let i = 256; i < TABLES.length; i++) TABLES[i] = TABLES[TABLES[i - 256] & 0xff] ^ (TABLES[i - 256] >>> 8)
