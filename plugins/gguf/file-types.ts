/**
 * File types: which type each tensor of a model gets, as llama.cpp's quantizer chooses (`llama_tensor_get_type` without an importance
 * matrix). Norms, biases and positions stay F32; the output head, or the embedding that it is tied to, gets more bits than the rest.
 */
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { FILE_TYPE_IDS, GGUF_FILE_TYPES, type GgufFileTypeName, isFileType } from './file-type-names.ts'
import { type GgmlType, ggmlType } from './types.ts'

/** A file type: what `general.file_type` says, and the type that most tensors get. */
export interface GgufFileType {
  readonly name: GgufFileTypeName
  /** `llama_ftype` */
  readonly id: number
  readonly most: GgmlType
}

/** `q4_k_m`, in any case; `q4_k` and `q5_k` are the ones with an m. E_NAME for others. */
export function ggufFileType(name: string): GgufFileType {
  const small = name.toLowerCase()
  const full = small === 'q4_k' || small === 'q5_k' ? `${small}_m` : small
  if (!isFileType(full))
    throw new TrituneError('E_NAME', `there is no file type "${name}"`, {
      remedy: didYouMean(name, GGUF_FILE_TYPES),
    })
  const [id, most] = FILE_TYPE_IDS[full]
  return { name: full, id, most: ggmlType(most) }
}

/** What of a model decides beside the tensor itself. */
export interface MixtureOf {
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  /** The embedding is the output head, too. */
  readonly tied: boolean
}

/** The type of one tensor by its GGUF name and shape. */
export function tensorType(
  { name: file, most }: GgufFileType,
  { name, shape }: { readonly name: string; readonly shape: readonly number[] },
  model: MixtureOf,
): GgmlType {
  if (shape.length < 2 || KEPT.test(name) || !name.endsWith('.weight')) return ggmlType('F32')
  if (most.blockElements === 1) return most
  const columns = shape[shape.length - 1]
  return fallback(chosen(file, most, name, columns, model), columns)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Never quantized, not even to 16 bits. */
const KEPT = /_norm\.weight$|ffn_gate_inp\.weight$|^position_embd\.weight$|^rope_freqs\.weight$/

function chosen(
  file: GgufFileTypeName,
  most: GgmlType,
  name: string,
  columns: number,
  model: MixtureOf,
): GgmlType {
  const isEmbedding = name === 'token_embd.weight'
  if (name === 'output.weight' || (model.tied && isEmbedding)) {
    if (columns % most.blockElements !== 0 || most.name === 'Q8_0') return ggmlType('Q8_0')
    return ggmlType('Q6_K')
  }
  if (isEmbedding) return file === 'tq1_0' || file === 'tq2_0' ? ggmlType('Q4_K') : most
  const block = /^blk\.(\d+)\.(\w+)\.weight$/.exec(name)
  if (block === null) return most
  const layer = Number(block[1])
  switch (block[2]) {
    case 'attn_v':
      return valueType(file, most, layer, model)
    case 'attn_qkv':
      // llama.cpp counts these among the values, whose rule it is that holds.
      return valueType(file, most, layer, model)
    case 'ffn_down':
      if ((file === 'q4_k_m' || file === 'q5_k_m') && hasMoreBits(layer, model.layers))
        return ggmlType('Q6_K')
      return file === 'q4_k_s' && layer < Math.floor(model.layers / 8) ? ggmlType('Q5_K') : most
    default:
      return most
  }
}

function valueType(
  file: GgufFileTypeName,
  most: GgmlType,
  layer: number,
  { layers, heads, kvHeads }: MixtureOf,
): GgmlType {
  if ((file === 'q4_k_m' || file === 'q5_k_m') && hasMoreBits(layer, layers)) return ggmlType('Q6_K')
  if (file === 'q4_k_s' && layer < 4) return ggmlType('Q5_K')
  // Models of 80 layers with grouped queries: their values are small, so they can have more bits.
  return layers === 80 && heads !== kvHeads && most.name === 'Q4_K' ? ggmlType('Q5_K') : most
}

/** The first and last eighth, and every third between. */
function hasMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8)
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2
}

const SMALLER_BLOCKS: Readonly<Record<string, string | undefined>> = {
  Q4_K: 'Q5_0',
  Q5_K: 'Q5_1',
  Q6_K: 'Q8_0',
  TQ1_0: 'Q4_0',
  TQ2_0: 'Q4_0',
}

/** For rows that are not whole blocks: a type with smaller ones, at last F16. */
function fallback(type: GgmlType, columns: number): GgmlType {
  if (columns % type.blockElements === 0) return type
  const smaller = SMALLER_BLOCKS[type.name]
  return smaller !== undefined && columns % 32 === 0 ? ggmlType(smaller) : ggmlType('F16')
}
