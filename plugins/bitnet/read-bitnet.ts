/**
 * The packed weights of a BitNet checkpoint: u8 (out/4, in) with `weight_scale`, or trits that were written as floats. They stay packed, byte
 * for byte. Writing: write-bitnet.ts.
 */
import type { TensorEntry } from '../../core/files/safetensors.ts'
import {
  type Device,
  formatShape,
  quantizedWeight,
  type QuantizedWeight,
  type Shape,
  tensor,
  type Tensor,
} from '../../core/mod.ts'
import { numbersOf } from '../../core/tensor/dtype.ts'
import { damaged, expectEntry, isSkipped, type PackedFile } from '../qlora/mod.ts'
import type { StoredBitnet } from './stored-bitnet.ts'
import { ternarize } from './ternarize.ts'

/**
 * For `WeightSource.packed`: the weight `name` (out, in); null where it is plain. E_FORMAT for a missing scale, for codes that are no trits
 * and for shapes that do not fit.
 */
export function readBitnetWeight(
  file: PackedFile,
  { linearClass, mode, skip }: StoredBitnet,
  name: string,
  shape: Shape,
  { device }: { readonly device: Device },
): QuantizedWeight | null {
  if (mode === 'online') return null
  const entry = file.entries.get(name)
  const module = name.replace(/\.weight$/, '')
  const scaleName = `${module}.weight_scale`
  const hasScale = file.entries.has(scaleName)
  if (!entry || (entry.dtype !== 'u8' && !hasScale && isSkipped(module, skip ?? ['lm_head']))) return null
  if (!hasScale)
    throw damaged(`there is no tensor "${scaleName}", which the BitNet weight "${name}" needs`, entry.file)
  if (shape[0] % 4 !== 0)
    throw damaged(
      `tensor "${name}": BitNet packs 4 rows a byte, ${formatShape(shape)} has no multiple of 4`,
      entry.file,
    )
  const stored = readScale(file, scaleName)
  const scale = linearClass === 'bitlinear' ? Math.fround(1 / stored) : stored
  const data = entry.dtype === 'u8' ? packedPart(file, entry, shape) : roundedPart(file, entry, shape, device)
  const scales = tensor([scale], { device })
  try {
    return quantizedWeight({ kind: 'ternary', shape, parts: { data, scale: scales } })
  } catch (error) {
    for (const part of [data, scales]) part.dispose()
    throw error
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function packedPart(file: PackedFile, entry: TensorEntry, [rows, cols]: Shape): Tensor {
  const shape = [rows / 4, cols]
  expectEntry(file, entry.name, ['u8'], shape)
  // Both bits of a pair set: 3, which is no trit.
  const bad = file.bytes(entry).findIndex((byte) => (byte & (byte >> 1) & 0x55) !== 0)
  if (bad >= 0)
    throw damaged(`tensor "${entry.name}" has a code 3 at byte ${bad}; trits are 0, 1 and 2`, entry.file)
  return file.tensor(entry, 'u8', shape)
}

/** As transformers saves what it unpacked: −1, 0 and 1 as floats. */
function roundedPart(file: PackedFile, entry: TensorEntry, shape: Shape, device: Device): Tensor {
  const values = floatsOf(file, expectEntry(file, entry.name, FLOATS, shape))
  const bad = values.findIndex((value) => value !== 0 && Math.abs(value) !== 1)
  if (bad >= 0)
    throw damaged(
      `tensor "${entry.name}" has ${values[bad]} at element ${bad}; beside a weight_scale it holds −1, 0 and 1`,
      entry.file,
    )
  const { packed } = ternarize(values, shape, { scale: 'absmax', block: 0 })
  return tensor(packed, { shape: [shape[0] / 4, shape[1]], dtype: 'u8', device })
}

function readScale(file: PackedFile, name: string): number {
  const entry = file.entries.get(name)
  const [scale] = floatsOf(file, expectEntry(file, name, FLOATS, entry?.shape.length === 0 ? [] : [1]))
  if (Number.isFinite(scale) && scale > 0) return scale
  throw damaged(`tensor "${name}" is ${scale}, a scale is above 0`, entry?.file ?? file.place)
}

const FLOATS = ['f32', 'bf16', 'f16'] as const

function floatsOf(file: PackedFile, { dtype, ...entry }: TensorEntry): Float32Array {
  const { buffer } = Uint8Array.from(file.bytes({ ...entry, dtype }))
  return dtype === 'f32'
    ? new Float32Array(buffer)
    : numbersOf(dtype === 'bf16' ? 'bf16' : 'f16', new Uint16Array(buffer))
}
