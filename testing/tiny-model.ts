/**
 * A llama of two blocks with random weights in memory: what parts are tried on. No file, no tokenizer.
 */
import {
  createRandom,
  type Device,
  type FloatDType,
  headLogits,
  type Model,
  type ModelDefinition,
  noGrad,
  type Shape,
  sizeOf,
  tensor,
  tensorScope,
  type WeightSource,
} from '../core/mod.ts'
import { type Batch, concatenate } from '../plugins/data/mod.ts'
import { createBatch, MODELS } from '../plugins/models/mod.ts'

export const TINY_CONFIG: Readonly<Record<string, unknown>> = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 31,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
}

export interface TinyOptions {
  readonly device: Device
  readonly dtype?: FloatDType
  readonly seed?: number
  readonly pack?: WeightSource['pack']
  readonly config?: Readonly<Record<string, unknown>>
  readonly definition?: ModelDefinition
  /** Another value for a weight; undefined: random. */
  weightOf?(name: string, shape: Shape): ArrayLike<number> | undefined
  /** Whether the checkpoint has a tensor; default: every one. */
  has?(name: string): boolean
}

/** The caller disposes it. */
export function tinyModel({
  definition = MODELS.llama,
  config = TINY_CONFIG,
  ...options
}: TinyOptions): Model {
  return definition.create(config, randomWeights(options))
}

/** Random numbers for whatever is asked for: norms around 1, the rest around 0; the same for one name, shape and seed. */
export function randomWeights({
  device,
  dtype = 'f32',
  seed = 7,
  pack,
  weightOf,
  has = () => true,
}: TinyOptions): WeightSource {
  const asked = new Set<string>()
  return {
    place: 'random weights in memory',
    has,
    names: () => asked,
    load(name, shape) {
      asked.add(name)
      const random = createRandom(seed, name)
      const isNorm = shape.length === 1 && name.endsWith('weight')
      const values =
        weightOf?.(name, shape) ??
        Float32Array.from({ length: sizeOf(shape) }, () => (isNorm ? 1 : 0) + 0.3 * random.normal())
      return tensor(values, { shape, dtype, device })
    },
    ...(pack ? { pack } : {}),
  }
}

const DOCUMENTS: readonly (readonly number[])[] = [
  [1, 5, 9, 2, 7, 7, 30],
  [3, 14, 15, 9],
  [2, 6, 5, 3, 5, 8],
  [11, 12, 13, 14, 15],
]

/** Two micro-batches of two documents; the first token of each document is not trained. */
export const TINY_BATCHES: readonly Batch[] = [DOCUMENTS.slice(0, 2), DOCUMENTS.slice(2)].map(batchOf)

/** One micro-batch of some documents, the first token of each masked. */
export function batchOf(documents: readonly (readonly number[])[]): Batch {
  return concatenate(
    documents.map((ids, line) => ({
      ids: Int32Array.from(ids),
      labels: Int32Array.from(ids, (id, i) => (i < 2 ? -100 : id)),
      source: { file: 'tiny', line: line + 1 },
    })),
  )
}

/** Logits (tokens · vocabulary) of a batch, without gradients. */
export function logitsOf(model: Model, batch: Batch = TINY_BATCHES[0]): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    const { device } = model.head
    return headLogits(model.head, model.hidden(createBatch(batch, device))).toArray()
  })
}
