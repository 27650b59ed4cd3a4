/**
 * GPTQ (Frantar et al. 2022, arXiv 2210.17323) and AWQ (Lin et al. 2023, arXiv 2306.00978) weights as numbers: whole numbers in 32-bit words, with a
 * scale and a zero for each group of inputs.
 *
 *   w[o, i] = scale[g, o]·(q[i, o] − zero[g, o])      g: the group of input i
 *
 * GPTQ packs 32/bits inputs of one output into a word, AWQ eight outputs of one input in the order 0, 2, 4, 6, 1, 3, 5, 7.
 */
import { formatShape, type Shape, TrituneError } from '../../core/mod.ts'
import { bf16ToNumber, f16ToNumber } from '../../core/tensor/dtype.ts'
import { damaged, expectEntry, type PackedFile } from './packed-file.ts'
import { moduleOf } from './read-bitsandbytes.ts'
import type { GroupedQuantization } from './stored-quantization.ts'

/** The weight `name` (out, in) as f32 numbers; null: it is stored plain. */
export function readGrouped(
  file: PackedFile,
  name: string,
  shape: Shape,
  stored: GroupedQuantization,
): Float32Array | null {
  const module = moduleOf(name)
  if (!file.entries.has(`${module}.qweight`)) return null
  const [outputs, inputs] = shape
  const size = stored.groupSize === -1 ? inputs : stored.groupSize
  const perWord = 32 / stored.bits
  if (outputs % perWord !== 0 || inputs % (stored.method === 'gptq' ? perWord : 1) !== 0)
    throw new TrituneError('E_FORMAT', `"${name}": ${formatShape(shape)} does not fill words of 32 bits`, {
      place: file.place,
    })
  const groups = Math.ceil(inputs / size)
  const scales = floats(file, `${module}.scales`, [groups, outputs])
  const zeros = zerosOf(file, module, [groups, outputs], stored)
  const group = groupsOf(file, module, { inputs, groups, size, stored })
  const scaled = { inputs, outputs, group, scales, zeros }
  return stored.method === 'gptq'
    ? unpackGptq(words(file, `${module}.qweight`, [inputs / perWord, outputs]), stored.bits, scaled)
    : unpackAwq(words(file, `${module}.qweight`, [inputs, outputs / 8]), scaled)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Where the n-th output of eight stands in a word of AWQ. */
const AWQ_PLACE = [0, 4, 1, 5, 2, 6, 3, 7] as const

interface Scaled {
  readonly inputs: number
  readonly outputs: number
  /** The group of each input. */
  readonly group: Int32Array
  readonly scales: Float32Array
  /** (groups, outputs), as they are taken off. */
  readonly zeros: Int32Array
}

function unpackGptq(
  packed: Uint32Array,
  bits: number,
  { inputs, outputs, group, scales, zeros }: Scaled,
): Float32Array {
  const values = new Float32Array(outputs * inputs)
  const perWord = 32 / bits
  const mask = 2 ** bits - 1
  for (let first = 0; first < inputs; first += perWord)
    for (let o = 0; o < outputs; o++) {
      const word = packed[(first / perWord) * outputs + o]
      for (let j = 0; j < perWord; j++) {
        const at = group[first + j] * outputs + o
        values[o * inputs + first + j] = scales[at] * (((word >>> (bits * j)) & mask) - zeros[at])
      }
    }
  return values
}

function unpackAwq(packed: Uint32Array, { inputs, outputs, group, scales, zeros }: Scaled): Float32Array {
  const values = new Float32Array(outputs * inputs)
  const columns = outputs / 8
  for (let column = 0; column < columns; column++)
    for (let i = 0; i < inputs; i++) {
      const word = packed[i * columns + column]
      for (let j = 0; j < 8; j++) {
        const o = 8 * column + j
        const at = group[i] * outputs + o
        values[o * inputs + i] = scales[at] * (((word >>> (4 * AWQ_PLACE[j])) & 15) - zeros[at])
      }
    }
  return values
}

function zerosOf(
  file: PackedFile,
  module: string,
  [groups, outputs]: readonly [number, number],
  { method, bits, zeroOffset }: GroupedQuantization,
): Int32Array {
  const perWord = 32 / bits
  const mask = 2 ** bits - 1
  const columns = outputs / perWord
  const packed = words(file, `${module}.qzeros`, [groups, columns])
  return Int32Array.from({ length: groups * outputs }, (_, at) => {
    const o = at % outputs
    const j = o % perWord
    const word = packed[Math.floor(at / outputs) * columns + Math.floor(o / perWord)]
    const place = method === 'awq' ? AWQ_PLACE[j] : j
    // A stored zero of all ones stands for 0 − 1.
    return (((word >>> (bits * place)) & mask) + zeroOffset) & (zeroOffset === 1 ? mask : -1)
  })
}

/** With `desc_act` GPTQ orders inputs by how much they matter: g_idx has the group of each. */
function groupsOf(
  file: PackedFile,
  module: string,
  {
    inputs,
    groups,
    size,
    stored,
  }: {
    readonly inputs: number
    readonly groups: number
    readonly size: number
    readonly stored: GroupedQuantization
  },
): Int32Array {
  const name = `${module}.g_idx`
  if (stored.method === 'awq' || !file.entries.has(name))
    return Int32Array.from({ length: inputs }, (_, i) => Math.floor(i / size))
  const entry = expectEntry(file, name, ['i32'], [inputs])
  const index = new Int32Array(copied(file.bytes(entry)))
  if (index.every((group) => group >= 0 && group < groups)) return index
  throw damaged(`tensor "${name}" names a group that is not there (of ${groups})`, entry.file)
}

function words(file: PackedFile, name: string, shape: Shape): Uint32Array {
  return new Uint32Array(copied(file.bytes(expectEntry(file, name, ['i32'], shape))))
}

function floats(file: PackedFile, name: string, shape: Shape): Float32Array {
  const entry = expectEntry(file, name, ['f16', 'bf16', 'f32'], shape)
  const bytes = copied(file.bytes(entry))
  const values =
    entry.dtype === 'f32'
      ? new Float32Array(bytes)
      : Float32Array.from(new Uint16Array(bytes), entry.dtype === 'f16' ? f16ToNumber : bf16ToNumber)
  if (values.every(Number.isFinite)) return values
  throw damaged(`tensor "${name}" has NaN or Inf`, entry.file)
}

/** At the start of a buffer of its own, as arrays of wider numbers need it. */
function copied(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer
}
