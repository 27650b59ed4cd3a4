/**
 * Weights that no checkpoint has: a model before its training, each tensor drawn by the seed and its name.
 *
 * As transformers does it: tables and matrices are N(0, initializer_range²), norms scale by 1 (of a Gemma that is w = 0), biases are 0. GPT-2's projections back into the
 * stream are smaller by √(2·layers) (Radford et al. 2019).
 */
import {
  createRandom,
  type Device,
  type FloatDType,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
  TrituneError,
  type WeightSource,
} from '../../core/mod.ts'
import { type ConfigJson, integerField, numberField } from './_config.ts'

/** Options of `openInitialSource()`: where the weights go, in which dtype, and what decides them. */
export interface InitialOptions {
  readonly device: Device
  readonly dtype: FloatDType
  /** The same seed gives the same weights. */
  readonly seed: number
}

/**
 * A source for `MODELS[type].create(config, source)` that has every tensor. E_MODEL when `initializer_range` is not above 0.
 *
 * @example
 * ```ts
 * import { openCpu } from 'tritune/plugins/cpu'
 * import { MODELS, openInitialSource, TRITTER_PRESETS } from 'tritune/plugins/models'
 *
 * const config = TRITTER_PRESETS['tritter-test']
 * using model = MODELS.tritter.create(config, openInitialSource(config, { device: openCpu(), dtype: 'f32', seed: 1 }))
 * console.log(model.info.layerCount) // → 2
 * ```
 */
export function openInitialSource(config: ConfigJson, { device, dtype, seed }: InitialOptions): WeightSource {
  const range = numberField(config, 'initializer_range', 0.02)
  if (!(range > 0))
    throw new TrituneError(
      'E_MODEL',
      `config.json: initializer_range: expected a number above 0, got ${range}`,
    )
  const isGpt2 = config['model_type'] === 'gpt2'
  const scale = FROM_ONE.includes(String(config['model_type'])) ? 0 : 1
  const inner = isGpt2 ? range / Math.sqrt(2 * integerField(config, 'n_layer')) : range
  return {
    place: 'initial weights',
    has: () => true,
    names: () => [],
    load(name, shape): Tensor {
      if (shape.length === 1 || name.endsWith('_norm.weight'))
        return filled(shape, name.endsWith('.bias') ? 0 : scale)
      const random = createRandom(seed, `initial ${name}`)
      const deviation = isGpt2 && name.endsWith('c_proj.weight') ? inner : range
      const values = new Float32Array(sizeOf(shape))
      for (let i = 0; i < values.length; i++) values[i] = deviation * random.normal()
      return tensor(values, { shape, dtype, device })
    },
  }

  function filled(shape: Shape, value: number): Tensor {
    return tensor(new Float32Array(sizeOf(shape)).fill(value), { shape, dtype, device })
  }
}

/** Model types whose norms scale by 1 + w. */
const FROM_ONE: readonly string[] = ['gemma', 'gemma2', 'gemma3', 'gemma3_text']
