/**
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4): the checksum of messages. Not against anybody who means to forge one.
 */

/** Of `bytes`; `before` is that of what comes before them. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = ~before
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8)
  return ~crc >>> 0
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** 0x1EDC6F41, its bits reversed. */
const POLYNOMIAL = 0x82f63b78

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
  return crc
})
