/**
 * MXFP4 (OCP Microscaling Formats 1.0, 2023), as the experts of gpt-oss are stored: groups of 32 numbers of 4 bits (one sign, two exponent bits, one
 * mantissa bit) with a power of two in common. All experts of a block stand in one tensor of blocks and one of scales:
 *
 *   …experts.down_proj_blocks (experts, out, in/32, 16) u8, the lower half of a byte first      …_scales (experts, out, in/32) u8, 127 means 1
 */
import type { Shape } from '../../core/mod.ts'
import { expectEntry, type PackedFile } from './packed-file.ts'

const GROUP = 32
const BYTES = GROUP / 2
const VALUES = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
const NAME = /^(?<all>.+\.experts)\.(?<index>\d+)\.(?<layer>[^.]+)\.weight$/

/** The weight (out, in) of one expert, `…experts.3.down_proj.weight`; null where it is stored plain. E_FORMAT for parts that do not fit. */
export function readMxfp4(
  file: PackedFile,
  name: string,
  [out, inner]: Shape,
): Float32Array<ArrayBuffer> | null {
  const groups = NAME.exec(name)?.groups
  if (!groups) return null
  const stem = `${groups['all']}.${groups['layer']}`
  const count = file.entries.get(`${stem}_blocks`)?.shape[0]
  if (count === undefined) return null
  const wide = Math.ceil(inner / GROUP)
  const blocks = expectEntry(file, `${stem}_blocks`, ['u8'], [count, out, wide, BYTES])
  const scales = expectEntry(file, `${stem}_scales`, ['u8'], [count, out, wide])
  const expert = Number(groups['index'])
  const part = (entry: typeof blocks, size: number): Uint8Array =>
    file.bytes({ ...entry, offset: entry.offset + expert * size, bytes: size })
  return unpacked(part(blocks, out * wide * BYTES), part(scales, out * wide), out * inner)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function unpacked(blocks: Uint8Array, scales: Uint8Array, size: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(size)
  for (const [group, exponent] of scales.entries()) {
    const scale = 2 ** (exponent - 127)
    for (let i = 0; i < BYTES; i++) {
      const byte = blocks[group * BYTES + i]
      values[group * GROUP + 2 * i] = valueOf(byte & 15) * scale
      values[group * GROUP + 2 * i + 1] = valueOf(byte >> 4) * scale
    }
  }
  return values
}

function valueOf(code: number): number {
  return code < 8 ? VALUES[code] : -VALUES[code - 8]
}
