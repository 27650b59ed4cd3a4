/**
 * The contract of a model: `modelContract(definition, { config })` gives its checks. The weights are random.
 */
import {
  backward,
  type Model,
  type ModelDefinition,
  referenceDevice,
  type Shape,
  useDevice,
} from '../core/mod.ts'
import { trainAllWeights } from '../plugins/peft/mod.ts'
import { lossOf } from './adapter-rig.ts'
import { check, type ContractCheck } from './check.ts'
import { type ContractDevice, NATIVE_DEVICES, onDevices, quickDevice } from './devices.ts'
import { expectClose } from './compare.ts'
import { layerChecks } from './model-layers.ts'
import type { ModelSettings } from './model-settings.ts'
import { sequenceChecks } from './model-sequences.ts'
import { createWideDevice } from './ops/wide-device.ts'
import { expectSlopes } from './slopes.ts'
import { logitsOf, tinyModel, type TinyOptions } from './tiny-model.ts'

/** Options of `modelContract()`: the model that is made, and what it does not promise. */
export interface ModelContractOptions {
  /** config.json of a small one: at least 31 ids, 64 positions; two blocks show more than one. */
  readonly config: Readonly<Record<string, unknown>>
  /** Values of a weight where random ones will not do. */
  weightOf?(name: string, shape: Shape): ArrayLike<number> | undefined
  /** Whether the checkpoint has a tensor, where the model asks; default: every one. */
  has?(name: string): boolean
  /** It takes adapters of the whole model (virtual tokens, keys and values before those of attention). Default: true. */
  readonly wholeModelAdapters?: boolean
  /** Where its results are compared with the reference; default: the CPU, emulated CUDA. */
  readonly devices?: readonly ContractDevice[]
}

/**
 * Checks of what a model promises. Nothing runs before a check is run.
 *
 * @example
 * ```ts
 * import { modelContract, runContract } from 'tritune/testing'
 * import { MODELS } from 'tritune/plugins/models'
 *
 * const config = {
 *   model_type: 'llama',
 *   vocab_size: 40,
 *   hidden_size: 16,
 *   intermediate_size: 24,
 *   num_hidden_layers: 2,
 *   num_attention_heads: 2,
 *   num_key_value_heads: 1,
 *   max_position_embeddings: 64,
 *   rms_norm_eps: 1e-5,
 * }
 * const { failed, text } = await runContract(modelContract(MODELS.llama, { config, devices: [] }))
 * console.log(failed.length === 0 ? 'kept' : text) // → kept
 * ```
 */
export function modelContract(definition: ModelDefinition, options: ModelContractOptions): ContractCheck[] {
  const { config, devices = NATIVE_DEVICES, wholeModelAdapters = true, weightOf, has } = options
  const { name } = definition
  const device = quickDevice(referenceDevice)
  const open = (more: Partial<TinyOptions> = {}): Model =>
    tinyModel({
      device,
      definition,
      config,
      ...(weightOf ? { weightOf } : {}),
      ...(has ? { has } : {}),
      ...more,
    })
  const settings: ModelSettings = { name, device, wholeModelAdapters, open }
  return [
    ...layerChecks(settings),
    ...sequenceChecks(settings),
    check(`${name}: the gradients of all weights are the slopes of the loss`, () => {
      const wide = createWideDevice()
      using _device = useDevice(wide)
      using model = open({ device: wide })
      const weights = trainAllWeights(model)
      expectSlopes(weights, {
        device: wide,
        loss: () => lossOf(model),
        backward,
        lookAt: `hidden() of ${name}: noGrad, toArray() or an op with its own backward on the way of this weight`,
      })
    }),
    ...onDevices(devices, `${name}: gives what the reference gives`, (other) => {
      using expected = open({ device: referenceDevice })
      using model = open({ device: other })
      expectClose('the logits of the reference', logitsOf(model), logitsOf(expected), {
        tolerance: 1e-3,
        lookAt: `hidden() of ${name}: tables that are made on another device, memory that the host reads`,
      })
    }),
  ]
}
