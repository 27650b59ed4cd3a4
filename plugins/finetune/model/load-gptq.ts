/**
 * A model in 4 bits that are rounded by texts: it is loaded plain, rounded (plugins/qlora), and loaded again with the rounded weights.
 */
import {
  type Device,
  defaultDevice,
  type FloatDType,
  type Model,
  type ModelDefinition,
} from '../../../core/mod.ts'
import { loadModel } from '../../models/mod.ts'
import { expectRoundable, gptq, type GptqOptions, isSkipped } from '../../qlora/mod.ts'
import { shapeDevice } from '../memory/shape-device.ts'

/** Options of `loadGptq()`: those of `gptq()`, and how the model is loaded. */
export interface LoadGptqOptions extends Omit<GptqOptions, 'layers'> {
  readonly device?: Device
  /** Of the passes, and of what is not packed; default: as stored. */
  readonly dtype?: FloatDType
  /** Modules that stay as they are, as of `packLayers()`. */
  readonly skip?: readonly string[]
  /** More models than the built-in ones. */
  readonly models?: Readonly<Record<string, ModelDefinition>>
}

/**
 * The model of a folder or a .gguf file, its linear layers packed by `gptq()` with these texts (token ids). Throws as `loadModel()` and `gptq()`.
 *
 * @example
 * ```ts
 * import { calibrationTexts, loadGptq, saveQuantized } from 'tritune/plugins/finetune'
 *
 * const texts = await calibrationTexts('my-data.jsonl', 'my-model')
 * using model = loadGptq('my-model', texts, { block: 32 })
 * saveQuantized(model, 'my-model', 'my-model-gptq')
 * ```
 */
export function loadGptq(
  path: string,
  texts: readonly ArrayLike<number>[],
  { device = defaultDevice(), dtype, skip = [], models, ...form }: LoadGptqOptions = {},
): Model {
  const how = { device, ...(dtype ? { dtype } : {}), ...(models ? { models } : {}) }
  expectFit()
  using rounded = roundedWeights()
  return loadModel(path, { ...how, pack: rounded.pack })

  /** Before a weight is read. */
  function expectFit(): void {
    using hollow = loadModel(path, { ...how, device: shapeDevice({ kind: 'cpu', name: 'cpu' }) })
    const layers = new Set([...hollow.layers.keys()].filter((place) => !isSkipped(place, skip)))
    expectRoundable(hollow, texts, { layers })
  }

  /** The plain weights are gone before the model is loaded again. */
  function roundedWeights(): ReturnType<typeof gptq> {
    const layers = new Set<string>()
    using plain = loadModel(path, {
      ...how,
      pack(place) {
        if (!isSkipped(place, skip)) layers.add(place)
        return null
      },
    })
    return gptq(plain, texts, { ...form, layers })
  }
}
