/**
 * LoRA adapters as GGUF files: pairs of `<tensor>.lora_a` (r, in) and `<tensor>.lora_b` (out, r), one alpha for all. llama.cpp adds
 * alpha / r · B·A to the weight, with the r of each pair. Knows nothing of PEFT's files; format: convert_lora_to_gguf.py.
 */
import { TrituneError } from '../../core/errors.ts'
import type { GgufFamily } from './families/family.ts'
import { hfName, permutedHeads } from './families/family.ts'
import { permuteRows, transposed, unpermuteRows } from './permute.ts'
import { quantize } from './quantize.ts'
import type { GgufFile, GgufTensor } from './read.ts'
import { ggufNumber, ggufString } from './read.ts'
import { readGgufTensor } from './tensor.ts'
import { f32, type GgufTypedValue, text, u32 } from './typed-values.ts'
import { ggmlType } from './types.ts'
import { type GgufTensorSource, writeGguf } from './write.ts'

/** The two matrices of one weight, at transformers' layout. */
export interface LoraPair {
  /** Of the weight at transformers, `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string
  readonly rank: number
  /** What B·A is multiplied by. */
  readonly scale: number
  /** (rank, in) */
  readonly a: Float32Array
  /** (out, rank) */
  readonly b: Float32Array
}

/** A LoRA of a model. */
export interface GgufLora {
  readonly alpha: number
  readonly pairs: readonly LoraPair[]
}

/** Head counts of the base, by which rows of q and k are interleaved. */
export interface HeadCounts {
  readonly heads: number
  readonly kvHeads: number
}

const AGAIN = 'write it again from the folder of the adapter'
const EMBEDDING = 'token_embd.weight'

/**
 * Writes an adapter. A pair whose scale is not alpha / rank (patterns, rsLoRA) gets the difference into its B.
 *
 * @throws E_NAN for numbers that are none; and as `writeGguf`
 */
export function writeGgufLora(
  path: string,
  { alpha, pairs }: GgufLora,
  {
    family,
    name,
    base,
    nameOf,
    ...counts
  }: HeadCounts & {
    readonly family: GgufFamily
    readonly name: string
    /** The base model: `org/name` of the hub, or a name alone. */
    readonly base?: string | undefined
    nameOf(hf: string): string
  },
): void {
  const metadata = new Map<string, GgufTypedValue>([
    ['general.architecture', text(family.architecture)],
    ['general.type', text('adapter')],
    ['general.name', text(name)],
    ...baseMetadata(base),
    ['adapter.type', text('lora')],
    ['adapter.lora.alpha', f32(alpha)],
  ])
  const type = ggmlType('F32')
  const tensors = pairs.flatMap((pair): GgufTensorSource[] => {
    const target = nameOf(pair.name)
    const [inputs, outputs] = [pair.a.length / pair.rank, pair.b.length / pair.rank]
    const heads = permutedHeads(family, target, counts)
    const source = (
      ending: string,
      shape: readonly number[],
      values: () => Float32Array,
    ): GgufTensorSource => ({
      name: `${target}.${ending}`,
      type,
      shape,
      chunks: () => [quantize(type, values(), `${pair.name}, ${ending}`)],
    })
    const b = (): Float32Array => {
      const rescaled = scaledBy(pair.b, (pair.scale * pair.rank) / alpha)
      return heads === undefined ? rescaled : permuteRows(rescaled, outputs, heads)
    }
    // Rows of an embedding are taken out, so its A lies the other way.
    const isEmbedding = target === EMBEDDING
    return [
      isEmbedding
        ? source('lora_a', [inputs, pair.rank], () => transposed(pair.a, pair.rank, inputs))
        : source('lora_a', [pair.rank, inputs], () => pair.a),
      source('lora_b', [outputs, pair.rank], b),
    ]
  })
  writeGguf(path, { metadata, tensors })
}

const HUB = 'https://huggingface.co/'

/** As llama.cpp's converter tells it. */
function baseMetadata(base: string | undefined): (readonly [string, GgufTypedValue])[] {
  if (base === undefined || base === '') return []
  const [organization, name] = base.split('/')
  return [
    ['general.base_model.count', u32(1)],
    ['general.base_model.0.name', text(name ?? base)],
    ...(name === undefined
      ? []
      : ([
          ['general.base_model.0.organization', text(organization)],
          ['general.base_model.0.repo_url', text(`${HUB}${base}`)],
        ] as const)),
  ]
}

/** What a file says of the model that it was made from: `org/name` of the hub, or a name alone; null: nothing. */
export function ggufBase(file: GgufFile): string | null {
  const url = ggufString(file, 'general.base_model.0.repo_url', '')
  if (url.startsWith(HUB)) return url.slice(HUB.length)
  const name = ggufString(file, 'general.base_model.0.name', '')
  return name === '' ? null : name
}

/** True for a file that holds an adapter, not a model. */
export function isGgufLora(file: GgufFile): boolean {
  return ggufString(file, 'general.type', 'model') === 'adapter'
}

/**
 * Reads an adapter for a base of this family.
 *
 * @throws E_FORMAT when it is no LoRA or contradicts itself; E_UNSUPPORTED for tensors that the family has not; E_ADAPTER for another
 * architecture than the base
 */
export function readGgufLora(file: GgufFile, family: GgufFamily, counts: HeadCounts): GgufLora {
  if (!isGgufLora(file) || ggufString(file, 'adapter.type', 'lora') !== 'lora')
    throw new TrituneError('E_FORMAT', 'the file is no LoRA adapter', {
      place: file.path,
      remedy: 'name one that was written as an adapter, or load it as a model',
    })
  const architecture = ggufString(file, 'general.architecture')
  if (architecture !== family.architecture)
    throw new TrituneError(
      'E_ADAPTER',
      `the adapter is for ${architecture}, the model is ${family.architecture}`,
      {
        place: file.path,
        remedy: 'name the base model that the adapter was trained on',
      },
    )
  const alpha = ggufNumber(file, 'adapter.lora.alpha')
  if (!Number.isFinite(alpha))
    throw new TrituneError('E_FORMAT', `adapter.lora.alpha is ${alpha}`, { place: file.path, remedy: AGAIN })
  const pairs: LoraPair[] = []
  for (const tensor of file.tensors.values()) {
    const target = /^(.+)\.lora_a$/.exec(tensor.name)?.[1]
    if (target !== undefined) pairs.push(readPair(file, family, counts, { target, a: tensor, alpha }))
    else if (!tensor.name.endsWith('.lora_b') || !file.tensors.has(tensor.name.replace(/b$/, 'a')))
      throw new TrituneError('E_FORMAT', `the tensor "${tensor.name}" is not part of a pair`, {
        place: file.path,
        remedy: AGAIN,
      })
  }
  if (pairs.length === 0)
    throw new TrituneError('E_FORMAT', 'the adapter has no tensors', { place: file.path, remedy: AGAIN })
  return { alpha, pairs }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function readPair(
  file: GgufFile,
  family: GgufFamily,
  counts: HeadCounts,
  { target, a, alpha }: { readonly target: string; readonly a: GgufTensor; readonly alpha: number },
): LoraPair {
  const place = `${file.path}: tensor "${a.name}"`
  const b = file.tensors.get(`${target}.lora_b`)
  if (b === undefined)
    throw new TrituneError('E_FORMAT', `there is no "${target}.lora_b" beside it`, { place, remedy: AGAIN })
  const isEmbedding = target === EMBEDDING
  const [rank] = isEmbedding ? a.shape.slice(1) : a.shape
  if (a.shape.length !== 2 || b.shape.length !== 2 || b.shape[1] !== rank || rank === 0)
    throw new TrituneError('E_FORMAT', `shapes [${a.shape}] and [${b.shape}] are no pair`, {
      place,
      remedy: AGAIN,
    })
  const name = hfName(family, target, place)
  if (name === undefined)
    throw new TrituneError('E_UNSUPPORTED', 'no LoRA can be there', { place, remedy: AGAIN })
  const heads = permutedHeads(family, target, counts)
  if (heads !== undefined && b.shape[0] % (2 * heads) !== 0)
    throw new TrituneError('E_ADAPTER', `${b.shape[0]} rows are not ${heads} heads`, {
      place,
      remedy: 'give the model that the adapter was trained on',
    })
  const storedA = readGgufTensor(file, a)
  const storedB = readGgufTensor(file, b)
  return {
    name,
    rank,
    scale: alpha / rank,
    a: isEmbedding ? transposed(storedA, a.shape[0], rank) : storedA,
    b: heads === undefined ? storedB : unpermuteRows(storedB, b.shape[0], heads),
  }
}

function scaledBy(values: Float32Array, factor: number): Float32Array {
  return factor === 1 ? values : values.map((value) => value * factor)
}
