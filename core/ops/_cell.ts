/**
 * Cells: 8-byte u8 tensors that hold one f64 or i64, types that tensors do not have. Ops write them on the device;
 * reading one waits for it.
 */
import type { Tensor } from '../tensor/tensor.ts'

export const CELL_BYTES = 8

/** Bytes, as numbers from 0 to 255, of a little-endian f64. */
export function float64Bytes(value: number): Uint8Array {
  return new Uint8Array(Float64Array.of(value).buffer)
}

/** Bytes of a little-endian i64. */
export function int64Bytes(value: number): Uint8Array {
  return new Uint8Array(BigInt64Array.of(BigInt(value)).buffer)
}

export function readFloat64(bytes: ArrayLike<number>): number {
  return new Float64Array(Uint8Array.from(bytes).buffer)[0]
}

export function readInt64(cell: Tensor): number {
  return Number(new BigInt64Array(Uint8Array.from(cell.toArray()).buffer)[0])
}
