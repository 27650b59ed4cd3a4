/**
 * What a packing of trits is: a matrix of trits to bytes and back. A vector is a matrix of one row.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'
import { expectTrit } from '../numbers/trit.ts'

/** Rows and columns of a matrix of trits. */
export interface TritShape {
  readonly rows: number
  readonly cols: number
}

/** Trits in row-major order, and what they are to be multiplied by where the packing says so. */
export interface DecodedTrits {
  readonly trits: Int8Array<ArrayBuffer>
  /** One for each block of 256 trits of a row; null where the packing has no scales. */
  readonly scales: Float32Array<ArrayBuffer> | null
}

/** What `decode()` may be told. */
export interface DecodeTritsOptions {
  /** What an error names: a file, a tensor. */
  readonly place?: string
}

/** A packing of trits. */
export interface TritCodec {
  /** Bytes that a matrix takes. E_SHAPE for one that the packing has not. */
  bytes(shape: TritShape): number
  /**
   * Trits → bytes; `scales` only where the packing has them, rounded to f16, default 1. E_SHAPE for another number of trits, E_VALUE
   * for one that is none.
   */
  encode(trits: ArrayLike<number>, shape: TritShape, scales?: ArrayLike<number>): Uint8Array<ArrayBuffer>
  /** Bytes → trits. E_FORMAT, naming byte and code, for one that is no trit; E_SHAPE for too few or too many bytes. */
  decode(bytes: Uint8Array, shape: TritShape, options?: DecodeTritsOptions): DecodedTrits
}

/** Throws E_VALUE unless rows and columns are whole numbers from 1. */
export function expectTritShape(name: string, { rows, cols }: TritShape): void {
  expectInteger(name, 'rows', rows, { min: 1 })
  expectInteger(name, 'cols', cols, { min: 1 })
}

/** The entries as trits. E_SHAPE, E_VALUE. */
export function expectTrits(
  name: string,
  trits: ArrayLike<number>,
  { rows, cols }: TritShape,
): Int8Array<ArrayBuffer> {
  if (trits.length !== rows * cols)
    throw new TrituneError(
      'E_SHAPE',
      `${name}: ${rows} × ${cols} are ${rows * cols} trits, got ${trits.length}`,
    )
  const checked = new Int8Array(trits.length)
  for (let i = 0; i < trits.length; i++) {
    const value = trits[i]
    // The name of a place is made only for what is none.
    checked[i] = value === 0 || value === 1 || value === -1 ? value : expectTrit(`${name}: trit ${i}`, value)
  }
  return checked
}

/** Throws E_SHAPE unless there are as many bytes as the matrix takes. */
export function expectBytes(
  name: string,
  bytes: Uint8Array,
  expected: number,
  place: string | undefined,
): void {
  if (bytes.length === expected) return
  throw new TrituneError('E_SHAPE', `${name}: ${bytes.length} bytes, the shape needs ${expected}`, {
    ...(place === undefined ? {} : { place }),
    remedy: bytes.length < expected ? 'the data is truncated, or of another shape' : 'check rows and columns',
  })
}

/** The error of a byte that holds no trits. */
export function illegalByte(
  name: string,
  byte: number,
  value: number,
  why: string,
  place: string | undefined,
): TrituneError {
  return new TrituneError('E_FORMAT', `${name}: byte ${byte} is ${value}: ${why}`, {
    ...(place === undefined ? {} : { place }),
    remedy: 'the data is damaged, or in another packing',
  })
}
