/**
 * A training step without files: a model of random weights with LoRA on all its layers, and random tokens.
 */
import { Disposables } from '../../core/disposables.ts'
import {
  adamw,
  chain,
  clipByGlobalNorm,
  createRandom,
  type Device,
  type Model,
  type ModelDefinition,
  tensor,
  type WeightSource,
} from '../../core/mod.ts'
import type { Batch } from '../../plugins/data/mod.ts'
import { trainStep } from '../../plugins/finetune/training/train-step.ts'
import { MODELS } from '../../plugins/models/mod.ts'
import { attachLora } from '../../plugins/peft/mod.ts'

/** Sizes of a model, as its config.json has them. */
export type ModelShape = Readonly<Record<string, unknown>> & { readonly vocab_size: number }

/** Those of a llama. */
export type LlamaShape = ModelShape

/** The shape of SmolLM2-135M. */
export const SMOLLM2_SHAPE: LlamaShape = {
  model_type: 'llama',
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  vocab_size: 49152,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
}

/** A fifth of it: layers and vocabulary cut alike, so that the parts of a step keep their shares. */
export const FIFTH_SHAPE: LlamaShape = { ...SMOLLM2_SHAPE, num_hidden_layers: 6, vocab_size: 9830 }

/** A model of this shape with random weights; a llama unless it says its type. */
export function createRandomModel(
  shape: Readonly<Record<string, unknown>>,
  device: Device,
  dtype: 'f32' | 'bf16',
): Model {
  const models: Readonly<Record<string, ModelDefinition>> = MODELS
  return models[String(shape['model_type'] ?? 'llama')].create(shape, randomWeights(device, dtype))
}

/** `batch` documents of `length` random tokens; every token but the last of each is trained. */
export function randomBatch(
  vocabSize: number,
  { batch, length, seed }: { readonly batch: number; readonly length: number; readonly seed: number },
): Batch {
  const random = createRandom(seed, 'bench/tokens')
  const ids = Int32Array.from({ length: batch * length }, () => random.int(vocabSize))
  const positions = ids.map((_, i) => i % length)
  const targets = ids.map((_, i) => (positions[i] === length - 1 ? -100 : ids[i + 1]))
  const offsets = Int32Array.from({ length: batch + 1 }, (_, i) => i * length)
  return { ids, positions, targets, offsets, trainedTokens: batch * (length - 1), rows: batch, examples: [] }
}

export interface RandomStep extends Disposable {
  /** One whole step of 4 × 512 tokens. */
  step(): void
}

export function createRandomStep(device: Device, dtype: 'f32' | 'bf16'): RandomStep {
  const open = new Disposables()
  const model = open.use(createRandomModel(FIFTH_SHAPE, device, dtype))
  const { parameters } = open.use(attachLora(model, { rank: 16, alpha: 32, targetModules: 'all-linear' }))
  const optimizer = open.use(chain(clipByGlobalNorm(1), adamw()).init(parameters))
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
  const batch = randomBatch(FIFTH_SHAPE.vocab_size, { batch: 4, length: 512, seed: 0 })
  let step = 0
  return {
    step: () => void trainStep(context, [batch], { step: step++, learningRate: 1e-4 }),
    [Symbol.dispose]: () => open.dispose(),
  }
}

function randomWeights(device: Device, dtype: 'f32' | 'bf16'): WeightSource {
  return {
    place: 'random weights',
    has: (name) => !name.endsWith('.bias'),
    names: () => [],
    load(name, shape) {
      const random = createRandom(0, name)
      const values = Float32Array.from(
        { length: shape.reduce((a, b) => a * b, 1) },
        () => (random.float() - 0.5) / 12,
      )
      return tensor(values, { shape, dtype, device })
    },
  }
}
