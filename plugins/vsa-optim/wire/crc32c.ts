/**
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4): the checksum of messages. Not against anybody who means to forge one.
 *
 * Sixteen bytes at a time, each by a table of its own (Kounavis & Berry, "Novel table lookup-based algorithms for high-performance CRC generation", 2008).
 */

/** Of `bytes`; `before` is that of what comes before them. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = ~before
  const { length } = bytes
  let i = 0
  for (; i + 16 <= length; i += 16)
    crc =
      TABLES[0xf00 + ((crc ^ bytes[i]) & 0xff)] ^
      TABLES[0xe00 + (((crc >>> 8) ^ bytes[i + 1]) & 0xff)] ^
      TABLES[0xd00 + (((crc >>> 16) ^ bytes[i + 2]) & 0xff)] ^
      TABLES[0xc00 + ((crc >>> 24) ^ bytes[i + 3])] ^
      TABLES[0xb00 + bytes[i + 4]] ^
      TABLES[0xa00 + bytes[i + 5]] ^
      TABLES[0x900 + bytes[i + 6]] ^
      TABLES[0x800 + bytes[i + 7]] ^
      TABLES[0x700 + bytes[i + 8]] ^
      TABLES[0x600 + bytes[i + 9]] ^
      TABLES[0x500 + bytes[i + 10]] ^
      TABLES[0x400 + bytes[i + 11]] ^
      TABLES[0x300 + bytes[i + 12]] ^
      TABLES[0x200 + bytes[i + 13]] ^
      TABLES[0x100 + bytes[i + 14]] ^
      TABLES[bytes[i + 15]]
  for (; i < length; i++) crc = TABLES[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8)
  return ~crc >>> 0
}

// ---- helpers ----------------------------------------------------------------------------------------------------

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
