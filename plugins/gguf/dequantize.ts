/**
 * Block formats of ggml, decoded to float32 on the CPU: F32, F16, BF16, Q8_0, Q4_0, Q4_1. Decodes whole blocks only and
 * knows nothing of files. The arithmetic is ggml's: the block scale is f16, the product is rounded to f32 once.
 * Layouts: ggml-common.h (`block_q8_0`, `block_q4_0`, `block_q4_1`).
 */

import { f16ToNumber } from '../../core/tensor/dtype.ts'
import { TrituneError } from '../../core/errors.ts'
import type { GgmlType } from './types.ts'

/**
 * Decodes `bytes` into `out`; both are whole blocks of the same number of elements.
 * @throws E_UNSUPPORTED, naming `place` and the type, when the type has no decoder here
 */
export function dequantize(type: GgmlType, bytes: Uint8Array, out: Float32Array, place: string): void {
  const decode = DECODERS[type.name]
  if (decode === undefined) {
    throw new TrituneError('E_UNSUPPORTED', `tensors of type ${type.name} cannot be decoded`, {
      place,
      remedy: `use a file with ${Object.keys(DECODERS).join(', ')}`,
    })
  }
  if (bytes.length * type.blockElements !== out.length * type.blockBytes) {
    throw new TrituneError(
      'E_SHAPE',
      `${bytes.length} bytes of ${type.name} are not ${out.length} elements`,
      { place },
    )
  }
  decode(bytes, out)
}

const DECODERS: Readonly<Record<string, ((bytes: Uint8Array, out: Float32Array) => void) | undefined>> = {
  F32: decodeF32,
  F16: decodeF16,
  BF16: decodeBf16,
  Q8_0: decodeQ8_0,
  Q4_0: decodeQ4_0,
  Q4_1: decodeQ4_1,
}

/** All 65536 f16 values as f32; made at first use. */
let halfTable: Float32Array | undefined

function halves(): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => f16ToNumber(bits))
  return halfTable
}

function decodeF32(bytes: Uint8Array, out: Float32Array): void {
  new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes)
}

function decodeF16(bytes: Uint8Array, out: Float32Array): void {
  const half = halves()
  for (let i = 0, at = 0; i < out.length; i++, at += 2) out[i] = half[bytes[at] | (bytes[at + 1] << 8)]
}

function decodeBf16(bytes: Uint8Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length)
  for (let i = 0, at = 0; i < bits.length; i++, at += 2) bits[i] = (bytes[at] << 16) | (bytes[at + 1] << 24)
}

/** 34 bytes: f16 d, 32 × int8 q; x = q·d */
function decodeQ8_0(bytes: Uint8Array, out: Float32Array): void {
  const half = halves()
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let i = 0, at = 0; i < out.length; i += 32, at += 34) {
    const scale = half[bytes[at] | (bytes[at + 1] << 8)]
    for (let j = 0; j < 32; j++) out[i + j] = signed[at + 2 + j] * scale
  }
}

/** 18 bytes: f16 d, 16 bytes of two 4-bit q (low nibble = element j, high = j + 16); x = (q − 8)·d */
function decodeQ4_0(bytes: Uint8Array, out: Float32Array): void {
  const half = halves()
  for (let i = 0, at = 0; i < out.length; i += 32, at += 18) {
    const scale = half[bytes[at] | (bytes[at + 1] << 8)]
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 2 + j]
      out[i + j] = ((pair & 15) - 8) * scale
      out[i + j + 16] = ((pair >> 4) - 8) * scale
    }
  }
}

/** 20 bytes: f16 d, f16 m, 16 bytes as in Q4_0; x = q·d + m, product and sum each rounded to f32 */
function decodeQ4_1(bytes: Uint8Array, out: Float32Array): void {
  const half = halves()
  for (let i = 0, at = 0; i < out.length; i += 32, at += 20) {
    const scale = half[bytes[at] | (bytes[at + 1] << 8)]
    const minimum = half[bytes[at + 2] | (bytes[at + 3] << 8)]
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 4 + j]
      out[i + j] = (pair & 15) * scale + minimum
      out[i + j + 16] = (pair >> 4) * scale + minimum
    }
  }
}
