/**
 * What a model takes, from its config.json alone: parameters of any built-in one, bytes and floating-point operations of a tritter. No weight is
 * held, so it tells of models that no machine here could hold. What a run takes on its device is `estimateMemory()` of plugins/finetune.
 */
import { type ModelDefinition, sizeOf, TrituneError } from '../../core/mod.ts'
import { type ConfigJson, integerField, MOST_LAYERS, stringField } from './_config.ts'
import { openShapeSource } from './_shape-source.ts'
import { MODELS } from './built-in.ts'
import { headSize, keyValueHeads } from './decoder/sizes.ts'

/** One step of training: how many tokens at once, in which dtype, and whether blocks run again. */
export interface StepShape {
  /** Tokens of a micro-batch, all rows together. */
  readonly tokens: number
  /** Tokens of one document: what attention looks back over. */
  readonly context: number
  readonly dtype?: 'f32' | 'bf16'
  readonly checkpointing?: boolean
}

/** Bytes of weights that are all trained, and of what goes with each of them. */
export interface TrainedBytes {
  readonly parameters: number
  readonly weightBytes: number
  /** f32 */
  readonly gradientBytes: number
  /** Two moments of AdamW in f32, and with bf16 weights their f32 copy. */
  readonly optimizerBytes: number
}

/** Bytes of a training step by what they are for, and its floating-point operations. */
export interface ModelEstimate extends TrainedBytes {
  /** What the tape keeps until the backward pass. */
  readonly activationBytes: number
  /** Of a token in the forward pass, and in a whole step of training. */
  readonly forwardFlops: number
  readonly trainingFlops: number
}

/**
 * The parameters of a built-in model by its config.json; a weight that embedding and head share counts once. E_MODEL for sizes that are missing
 * or do not fit, E_UNSUPPORTED for a `model_type` that is not built in.
 *
 * @example
 * ```ts
 * import { countParameters, TRITTER_PRESETS } from 'tritune/plugins/models'
 *
 * console.log(countParameters(TRITTER_PRESETS['tritter-test'])) // → 115456
 * ```
 */
export function countParameters(config: ConfigJson): number {
  const models: Readonly<Record<string, ModelDefinition>> = MODELS
  const type = stringField(config, 'model_type', 'tritter')
  if (!Object.hasOwn(models, type))
    throw new TrituneError('E_UNSUPPORTED', `models of type "${type}" are not built in`)
  using model = models[type].create(config, openShapeSource())
  return [...model.weights.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0)
}

/** What training all weights of a built-in model takes with AdamW, activations apart. Throws as `countParameters()`. */
export function trainedBytes(config: ConfigJson, dtype: 'f32' | 'bf16'): TrainedBytes {
  const parameters = countParameters(config)
  return {
    parameters,
    weightBytes: (dtype === 'f32' ? 4 : 2) * parameters,
    gradientBytes: 4 * parameters,
    optimizerBytes: (dtype === 'f32' ? 8 : 12) * parameters,
  }
}

/**
 * Bytes and operations of a training step with AdamW.
 *
 * @example
 * ```ts
 * import { estimateModel, TRITTER_PRESETS } from 'tritune/plugins/models'
 *
 * const { activationBytes } = estimateModel(TRITTER_PRESETS['tritter-small'], { tokens: 2048, context: 512 })
 * const again = estimateModel(TRITTER_PRESETS['tritter-small'], { tokens: 2048, context: 512, checkpointing: true })
 * console.log(again.activationBytes < activationBytes / 3) // → true
 * ```
 */
export function estimateModel(
  config: ConfigJson,
  { tokens, context, dtype = 'f32', checkpointing = false }: StepShape,
): ModelEstimate {
  const { hidden, layers, heads, vocab, headDim } = sizesOf(config)
  const bytes = dtype === 'f32' ? 4 : 2
  const matrices = layers * matricesOf(config) + vocab * hidden
  // Scores and the mixing of values; causal attention sees half of the context.
  const attention = 2 * layers * heads * headDim * context
  const forwardFlops = 2 * matrices + attention
  return {
    ...trainedBytes(config, dtype),
    activationBytes: bytes * tokens * keptPerToken(config, checkpointing),
    forwardFlops,
    trainingFlops: (checkpointing ? 4 : 3) * forwardFlops,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Sizes {
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly mlp: number
  readonly vocab: number
  readonly tied: boolean
}

function sizesOf(config: ConfigJson): Sizes {
  const hidden = integerField(config, 'hidden_size')
  const heads = integerField(config, 'num_attention_heads')
  return {
    hidden,
    layers: integerField(config, 'num_hidden_layers', undefined, { max: MOST_LAYERS }),
    heads,
    kvHeads: keyValueHeads(config, heads),
    headDim: headSize(config, hidden, heads),
    mlp: integerField(config, 'intermediate_size'),
    vocab: integerField(config, 'vocab_size'),
    tied: config['tie_word_embeddings'] === true,
  }
}

/** Of one block: the weights of its linear layers. */
function matricesOf(config: ConfigJson): number {
  const { hidden, heads, kvHeads, headDim, mlp } = sizesOf(config)
  return 2 * hidden * heads * headDim + 2 * hidden * kvHeads * headDim + 3 * hidden * mlp
}

/**
 * Numbers that the tape keeps for each token. Of a block: the stream and its norms, q and k three times (projected, normed, turned), v, what
 * attention gives, and of the MLP gate and up, the two steps of the squared ReLU, and the product. Blocks that run again keep the stream
 * alone, and one of them at a time all of it.
 */
function keptPerToken(config: ConfigJson, checkpointing: boolean): number {
  const { hidden, layers, heads, kvHeads, headDim, mlp } = sizesOf(config)
  const block = 6 * hidden + 4 * heads * headDim + 4 * kvHeads * headDim + 5 * mlp
  const ends = 4 * hidden
  const all = layers * block
  return ends + (checkpointing ? Math.min(all, layers * 2 * hidden + 2 * block) : all)
}
