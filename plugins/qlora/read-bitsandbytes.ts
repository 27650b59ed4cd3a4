/**
 * Packed weights as bitsandbytes and transformers store them: 4-bit codes with a `quant_state`, rows of int8 with `SCB`. They stay packed,
 * byte for byte. Writing: write-bitsandbytes.ts.
 */
import {
  firstNonFinite,
  formatShape,
  quantizedWeight,
  type QuantizedWeight,
  type Shape,
  sizeOf,
  type Tensor,
  TrituneError,
} from '../../core/mod.ts'
import { dynamicMap, FP4, NF4 } from '../../core/ops/_codebooks.ts'
import { NESTED_BLOCK } from '../../core/tensor/quantized-weight.ts'
import { damaged, expectEntry, type PackedFile } from './packed-file.ts'

/** The code tables, which every weight has a copy of. */
export const CODE_MAPS: Readonly<Record<'nf4' | 'fp4', readonly number[]>> = { nf4: [...NF4], fp4: [...FP4] }
export const NESTED_MAP: readonly number[] = [...dynamicMap(true)]

/** The weight `name`; null: it is stored plain. `threshold` is that of int8. */
export function readBitsandbytes(
  file: PackedFile,
  name: string,
  shape: Shape,
  threshold: number,
): QuantizedWeight | null {
  for (const kind of ['nf4', 'fp4'] as const)
    if (file.entries.has(stateName(name, kind))) return readFourBit(file, name, shape, kind)
  if (file.entries.has(`${moduleOf(name)}.SCB`)) return readInt8(file, name, shape, threshold)
  const entry = file.entries.get(name)
  if (entry?.dtype === 'u8' || entry?.dtype === 'i8')
    throw damaged(
      `tensor "${name}" is packed, but there is neither a quant_state nor an SCB of it`,
      entry.file,
    )
  return null
}

/** Where the JSON of a 4-bit weight is. */
export function stateName(name: string, kind: 'nf4' | 'fp4'): string {
  return `${name}.quant_state.bitsandbytes__${kind}`
}

/** `a.b.weight` → `a.b` */
export function moduleOf(name: string): string {
  return name.replace(/\.weight$/, '')
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface State {
  readonly block: number
  readonly isNested: boolean
  readonly offset: number
}

function readFourBit(file: PackedFile, name: string, shape: Shape, kind: 'nf4' | 'fp4'): QuantizedWeight {
  const { block, isNested, offset } = readState(file, name, shape, kind)
  const count = sizeOf(shape)
  const blocks = Math.ceil(count / block)
  expectMap(file, `${name}.quant_map`, CODE_MAPS[kind])
  if (isNested) expectMap(file, `${name}.nested_quant_map`, NESTED_MAP)
  const packed = file.entries.get(name)
  // Stored as u8, or for sharded training as numbers of 16 or 32 bits that mean nothing.
  if (!packed || packed.bytes !== Math.ceil(count / 2))
    throw damaged(
      `tensor "${name}" has ${packed?.bytes ?? 'no'} bytes, ${kind} of ${formatShape(shape)} needs ${Math.ceil(count / 2)}`,
      packed?.file ?? file.place,
    )
  const scale = expectEntry(file, `${name}.absmax`, [isNested ? 'u8' : 'f32'], [blocks])
  const groups = Math.ceil(blocks / NESTED_BLOCK)
  const outer = isNested ? expectEntry(file, `${name}.nested_absmax`, ['f32'], [groups]) : null
  return open((own) => {
    const parts = {
      data: own(file.tensor(packed, 'u8', [packed.bytes])),
      scale: own(file.tensor(scale, isNested ? 'u8' : 'f32', [blocks])),
      nested: outer ? own(file.tensor(outer, 'f32', [groups])) : undefined,
    }
    expectFinite(isNested ? parts.nested : parts.scale, outer?.name ?? scale.name, file.place)
    return quantizedWeight({ kind, shape, parts, block, offset })
  })
}

function readInt8(file: PackedFile, name: string, shape: Shape, threshold: number): QuantizedWeight {
  const [rows] = shape
  const data = expectEntry(file, name, ['i8'], shape)
  const scale = expectEntry(file, `${moduleOf(name)}.SCB`, ['f32'], [rows])
  const format = file.entries.get(`${moduleOf(name)}.weight_format`)
  if (format && file.bytes(format).some((byte) => byte !== 0))
    throw new TrituneError('E_UNSUPPORTED', `"${name}" is stored in the layout of a GPU, not in rows`, {
      place: format.file,
      remedy: 'load and save it again with a newer bitsandbytes',
    })
  return open((own) => {
    const parts = {
      data: own(file.tensor(data, 'i8', shape)),
      scale: own(file.tensor(scale, 'f32', [rows])),
    }
    expectFinite(parts.scale, scale.name, file.place)
    return quantizedWeight({ kind: 'int8', shape, parts, threshold })
  })
}

function readState(file: PackedFile, name: string, shape: Shape, kind: string): State {
  const entry = file.entries.get(`${name}.quant_state.bitsandbytes__${kind}`)
  const place = entry?.file ?? file.place
  const refuse = (what: string): TrituneError => damaged(`the quant_state of "${name}": ${what}`, place)
  let state: unknown
  try {
    state = entry && JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file.bytes(entry)))
  } catch (error) {
    throw refuse(`not valid JSON (${error instanceof Error ? error.message : String(error)})`)
  }
  if (typeof state !== 'object' || state === null) throw refuse('not a JSON object')
  const fields: Readonly<Record<string, unknown>> = { ...state }
  if (fields.quant_type !== kind) throw refuse(`quant_type is ${JSON.stringify(fields.quant_type)}`)
  if (!Array.isArray(fields.shape) || fields.shape.join() !== shape.join())
    throw refuse(`it is of shape ${JSON.stringify(fields.shape)}, the model needs ${formatShape(shape)}`)
  const block = fields.blocksize
  if (typeof block !== 'number' || block < 32 || block > 4096 || !Number.isInteger(Math.log2(block)))
    throw refuse(`blocksize is ${JSON.stringify(block)}`)
  const isNested = fields.nested_blocksize !== undefined
  if (!isNested) return { block, isNested, offset: 0 }
  const { nested_blocksize: nested, nested_offset: offset } = fields
  if (nested !== NESTED_BLOCK)
    throw refuse(`nested_blocksize is ${JSON.stringify(nested)}, not ${NESTED_BLOCK}`)
  if (typeof offset !== 'number' || !Number.isFinite(offset))
    throw refuse(`nested_offset is ${JSON.stringify(offset)}`)
  return { block, isNested, offset }
}

/** Codes mean what the table says: with another one the same bytes are another weight. */
function expectMap(file: PackedFile, name: string, expected: readonly number[]): void {
  const entry = expectEntry(file, name, ['f32'], [expected.length])
  const bytes = Uint8Array.from(file.bytes(entry))
  const values = new Float32Array(bytes.buffer)
  if (values.every((value, i) => Math.abs(value - expected[i]) < 1e-6)) return
  throw new TrituneError('E_UNSUPPORTED', `"${name}" is another table of codes than bitsandbytes has`, {
    place: entry.file,
  })
}

function expectFinite(scale: Tensor | undefined, name: string, place: string): void {
  if (scale && firstNonFinite(scale) >= 0) throw damaged(`tensor "${name}" has NaN or Inf`, place)
}

/** Frees what was opened when the rest fails. */
function open<T>(make: (own: (tensor: Tensor) => Tensor) => T): T {
  const opened: Tensor[] = []
  try {
    return make((tensor) => {
      tensor.adopt(null)
      opened.push(tensor)
      return tensor
    })
  } catch (error) {
    for (const tensor of opened) tensor.dispose()
    throw error
  }
}
