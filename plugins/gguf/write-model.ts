/**
 * A Hugging Face model → a GGUF file: names, layout, metadata, types. Weights come one after the other and are never held together.
 */
import { TrituneError } from '../../core/errors.ts'
import type { TensorSource } from '../../core/files/safetensors-write.ts'
import { type GgufFamily, ggufName, isTransposed, permutedHeads, shiftOf } from './families/family.ts'
import { ggufFamily } from './families/table.ts'
import { stacked } from './families/experts.ts'
import { type GgufFileType, tensorType } from './file-types.ts'
import { type HfMetadata, hfMetadata } from './hf-metadata.ts'
import { permuteRows, transposed } from './permute.ts'
import { quantize } from './quantize.ts'
import { floatRows } from './source-rows.ts'
import { type GgufTypedValue, text, u32 } from './typed-values.ts'
import { ggmlType } from './types.ts'
import { type GgufTensorSource, writeGguf } from './write.ts'

/** A model as transformers has it. */
export interface WriteGgufModel {
  /** config.json. */
  readonly config: Readonly<Record<string, unknown>>
  /** Weights under their names and in their layout at transformers; without the head where it is tied. */
  readonly tensors: Iterable<TensorSource>
  readonly fileType: GgufFileType
  /** `general.name` */
  readonly name: string
  /** Named in errors: where the model comes from. */
  readonly place: string
  /** The `tokenizer.*` keys: `tokenizerMetadata`, `copiedTokenizerMetadata` or `NO_TOKENIZER`. */
  readonly tokenizer: (vocabSize: number) => readonly (readonly [string, GgufTypedValue])[]
  /** Divisors of the rotary frequencies (head size / 2), for a scaling of llama3. */
  readonly ropeFactors?: readonly number[]
}

/** What was written. */
export interface WrittenGguf {
  /** Tensors by the type that they have. */
  readonly types: ReadonlyMap<string, number>
  readonly tensorCount: number
  /** What llama.cpp will not compute as the model does. */
  readonly notes: readonly string[]
}

/**
 * Writes the file, whole or not at all.
 *
 * @throws E_UNSUPPORTED for a model that llama.cpp computes otherwise; E_NAN for weights that are no numbers or do not fit the type;
 * and as `writeGguf`
 */
export function writeGgufModel(path: string, model: WriteGgufModel): WrittenGguf {
  const { config, fileType, name, place, ropeFactors = [] } = model
  const family = ggufFamily(config['model_type'], place)
  const facts = hfMetadata(config, family, place)
  const given = [...model.tensors]
  const sources = family.experts ? stacked(family.experts, given) : given
  const tied = !sources.some((source) => source.name === 'lm_head.weight')
  const tensors = sources.map((source) => ggufSource(source, family, { facts, fileType, tied }))
  if (ropeFactors.length > 0) tensors.push(listTensor('rope_freqs.weight', ropeFactors))
  for (const [list, values] of Object.entries(facts.lists)) tensors.push(listTensor(list, values))
  const metadata = new Map<string, GgufTypedValue>([
    ['general.architecture', text(family.architecture)],
    ['general.type', text('model')],
    ['general.name', text(name)],
    ...facts.entries,
    ['general.file_type', u32(fileType.id)],
    ...(fileType.most.blockElements > 1 ? [['general.quantization_version', u32(2)] as const] : []),
    ...model.tokenizer(facts.vocabSize),
  ])
  writeGguf(path, { metadata, tensors })
  const types = new Map<string, number>()
  for (const { type } of tensors) types.set(type.name, (types.get(type.name) ?? 0) + 1)
  return { types, tensorCount: tensors.length, notes: facts.notes }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Decision {
  readonly facts: HfMetadata
  readonly fileType: GgufFileType
  readonly tied: boolean
}

function ggufSource(
  source: TensorSource,
  family: GgufFamily,
  { facts, fileType, tied }: Decision,
): GgufTensorSource {
  const name = ggufName(family, source.name)
  const turned = isTransposed(family, name)
  const shape = turned ? source.shape.toReversed() : source.shape
  const type = tensorType(fileType, { name, shape }, { ...facts, tied })
  const heads = permutedHeads(family, name, facts)
  const place = `tensor "${source.name}"`
  const shift = shiftOf(family, name)
  return {
    name,
    type,
    shape,
    *chunks() {
      if (!turned && heads === undefined) {
        for (const rows of floatRows(source, PIECE))
          yield quantize(type, shift === 0 ? rows : rows.map((value) => value + shift), place)
        return
      }
      const [whole] = floatRows(source, Infinity)
      if (whole === undefined) throw new TrituneError('E_SHAPE', 'it is empty', { place })
      const [rows, columns = 1] = source.shape
      yield quantize(
        type,
        turned ? transposed(whole, rows, columns) : permuteRows(whole, rows, heads ?? 1),
        place,
      )
    },
  }
}

/** Numbers at a time. */
const PIECE = 1 << 22

function listTensor(name: string, values: readonly number[]): GgufTensorSource {
  const type = ggmlType('F32')
  return {
    name,
    type,
    shape: [values.length],
    chunks: () => [quantize(type, Float32Array.from(values), name)],
  }
}
