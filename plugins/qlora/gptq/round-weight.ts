/**
 * One weight rounded by what goes into its layer, packed as bitsandbytes packs it.
 */
import {
  add,
  cast,
  firstNonFinite,
  matmul,
  noGrad,
  quantizedWeight,
  type QuantizedWeight,
  tensor,
  tensorScope,
  type Tensor,
  TrituneError,
} from '../../../core/mod.ts'
import { searchScales, storeScales } from './block-scales.ts'
import { codeTable } from './code-table.ts'
import type { LayerInputs } from './layer-inputs.ts'
import { roundColumns } from './round-columns.ts'

/** The form of the packed weights: as of `quantize4bit()`. */
export interface FourBitForm {
  readonly kind: 'nf4' | 'fp4'
  /** Elements that share a scale: a power of two from 32 to 4096. */
  readonly block: number
  /** The scales as 8-bit codes. */
  readonly doubleQuant: boolean
}

/** weight (out, in) → packed; the caller owns it. E_VALUE for a weight, or inputs, that are not finite; `place` is for errors. */
export function roundWeight(
  weight: Tensor,
  { order, factor, importance, shift }: LayerInputs,
  { kind, block, doubleQuant, place }: FourBitForm & { readonly place: string },
): QuantizedWeight {
  const { device, shape } = weight
  const table = codeTable(kind)
  using _scope = tensorScope()
  return noGrad(() => {
    const wide = cast(weight, 'f32')
    if (firstNonFinite(wide) >= 0)
      throw new TrituneError('E_VALUE', `${place} has NaN or Inf in its weight`, {
        remedy: `the model is damaged there: repair it, or skip ${place}`,
      })
    const moved = add(wide, matmul(wide, shift))
    if (firstNonFinite(moved) >= 0)
      throw new TrituneError('E_VALUE', `what goes into ${place} is not finite`, {
        remedy: 'the model gives NaN or Inf for one of the texts: check its weights',
      })
    const wanted = moved.toArray()
    const scales = storeScales(searchScales(wanted, importance, { block, table }), doubleQuant, device)
    const options = { block, table, scales: scales.values, order, factor, device }
    const data = tensor(packed(roundColumns(wanted, options)), { dtype: 'u8', device })
    const { offset, parts } = scales
    const made = quantizedWeight({ kind, shape, parts: { data, ...parts }, block, offset })
    for (const part of [data, parts.scale, parts.nested]) part?.adopt(null)
    return made
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Two codes a byte, the even element in the high half. */
function packed(codes: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(codes.length / 2))
  for (let i = 0; i < codes.length; i++) bytes[i >> 1] |= i % 2 === 0 ? codes[i] << 4 : codes[i]
  return bytes
}
