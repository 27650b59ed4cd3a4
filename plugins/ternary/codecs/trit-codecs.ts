/**
 * All packings of trits by name, and the way from one to another.
 */
import { expectKnown } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'
import { digitCodec, rowsOf } from './digit-codec.ts'
import { tq1Codec, tq2Codec } from './ggml-codec.ts'
import { planesCodec } from './planes-codec.ts'
import { expectTritShape, type TritCodec, type TritShape } from './trit-codec.ts'

/**
 * `planes`: two bit planes; `two_bit`: 01 is +1 and 10 is −1, four a byte, the low bits first; `hf_rows`: transformers' BitNet
 * checkpoints, (rows/4, cols), trit + 1 in two bits; `base3` and `base3_4`: five and four digits trit + 1 to base 3 in a byte, the
 * lowest first; `tq1_0` and `tq2_0`: ggml's blocks of 256.
 */
export type TritPacking = 'planes' | 'two_bit' | 'hf_rows' | 'base3' | 'base3_4' | 'tq1_0' | 'tq2_0'

/**
 * The packings of trits.
 *
 * @example
 * ```ts
 * import { tritCodecs } from 'tritune/plugins/ternary'
 *
 * const bytes = tritCodecs.base3.encode([1, 0, -1, 1, 1], { rows: 1, cols: 5 })
 * console.log([...bytes]) // → [ 221 ]
 * console.log([...tritCodecs.base3.decode(bytes, { rows: 1, cols: 5 }).trits]) // → [ 1, 0, -1, 1, 1 ]
 * ```
 */
export const tritCodecs: Readonly<Record<TritPacking, TritCodec>> = {
  planes: planesCodec,
  two_bit: digitCodec({ name: 'two_bit', base: 4, count: 4, codes: [2, 0, 1], layout: rowsOf(4) }),
  hf_rows: digitCodec({
    name: 'hf_rows',
    base: 4,
    count: 4,
    codes: [0, 1, 2],
    layout: {
      bytes({ rows, cols }) {
        if (rows % 4 !== 0)
          throw new TrituneError('E_SHAPE', `hf_rows: rows are a multiple of 4, got ${rows}`)
        return (rows / 4) * cols
      },
      indexOf: (byte, digit, { rows, cols }) => byte + digit * (rows / 4) * cols,
    },
  }),
  base3: digitCodec({ name: 'base3', base: 3, count: 5, codes: [0, 1, 2], layout: rowsOf(5) }),
  base3_4: digitCodec({ name: 'base3_4', base: 3, count: 4, codes: [0, 1, 2], layout: rowsOf(4) }),
  tq1_0: tq1Codec,
  tq2_0: tq2Codec,
}

/** What `repackTrits()` is told. */
export interface RepackTritsOptions extends TritShape {
  readonly from: TritPacking
  readonly to: TritPacking
  /** What an error names. */
  readonly place?: string
}

/**
 * Bytes in one packing → bytes in another. Scales go along where both packings have them, and blocks of zeros have none; E_UNSUPPORTED
 * where scales other than 1 would be lost.
 *
 * @example
 * ```ts
 * import { repackTrits } from 'tritune/plugins/ternary'
 *
 * const rows = Uint8Array.of(0b10_01_00_01) // four rows of one trit, as transformers has them: 0, −1, 0, 1
 * console.log([...repackTrits(rows, { from: 'hf_rows', to: 'two_bit', rows: 4, cols: 1 })]) // → [ 0, 2, 0, 1 ]
 * ```
 */
export function repackTrits(
  bytes: Uint8Array,
  { from, to, rows, cols, place }: RepackTritsOptions,
): Uint8Array<ArrayBuffer> {
  expectKnown('repackTrits', 'from', from, tritCodecs)
  expectKnown('repackTrits', 'to', to, tritCodecs)
  const shape = { rows, cols }
  expectTritShape('repackTrits', shape)
  tritCodecs[to].bytes(shape)
  const { trits, scales } = tritCodecs[from].decode(bytes, shape, place === undefined ? {} : { place })
  if (scales === null) return tritCodecs[to].encode(trits, shape)
  if (to === 'tq1_0' || to === 'tq2_0')
    return tritCodecs[to].encode(
      trits,
      shape,
      scales.map((scale) => scale || 1),
    )
  const lost = scales.find((scale) => scale !== 0 && scale !== 1)
  if (lost !== undefined)
    throw new TrituneError('E_UNSUPPORTED', `${to} has no scales, and there is one of ${lost}`, {
      ...(place === undefined ? {} : { place }),
      remedy: 'decode() gives trits and scales apart',
    })
  return tritCodecs[to].encode(trits, shape)
}
