/**
 * The base model of a run as its file asks for it: loaded, or built of its headers or of its config.json alone to see that it can be.
 */
import { existsSync } from 'node:fs'
import { type Device, type FloatDType, type Host, type Model, TrituneError } from '../../../core/mod.ts'
import { IGNORE, type TokenizedExample } from '../../data/mod.ts'
import { loadModel, type LoadModelOptions, openHollowModel, storedDType } from '../../models/mod.ts'
import { packLayers } from '../../qlora/mod.ts'
import { atKey } from '../config/at-key.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { fitting } from '../memory/out-of-memory.ts'
import { shapeDevice } from '../memory/shape-device.ts'
import type { Parts } from '../training/parts.ts'
import { ofBaseModel } from './base-model-files.ts'
import { configOverrides } from './config-overrides.ts'
import { vocabularyOptions } from './new-rows.ts'
import type { RunTokenizer } from './run-tokenizer.ts'

/** What a base model is loaded with, besides the file of the run. */
export interface BaseInputs {
  /** Where config.json and the tokenizer are, or the GGUF file. */
  readonly modelPath: string
  readonly tokenizer: RunTokenizer
  readonly host: Host
  readonly parts: Pick<Parts, 'quantizer' | 'forms'>
}

interface LoadInputs extends BaseInputs {
  readonly weightsPath: string
  readonly device: Device
  /** Is told each layer as soon as it is loaded. */
  readonly onLayer?: LoadModelOptions['onLayer']
}

/** A base model, and the dtype in which it computes. Whoever asked disposes it. */
export interface LoadedBase {
  readonly model: Model
  readonly dtype: FloatDType
}

/** Throws as `loadModel()`, a `ConfigError` where a key of the file is at fault. */
export function loadBase(
  config: FinetuneConfig,
  { weightsPath, device, onLayer, ...inputs }: LoadInputs,
): LoadedBase {
  const { modelPath, tokenizer, host, parts } = inputs
  const dtype = computeDType(config, weightsPath)
  const quantizer = parts.quantizer()
  const forms = parts.forms()
  const skip = config.bnb_config_kwargs?.llm_int8_skip_modules ?? []
  const model = built(config, modelPath, () =>
    fitting('the model', () =>
      loadModel(weightsPath, {
        device,
        dtype,
        writable: config.adapter === null,
        ...scores(config),
        models: host.all('model'),
        ...(config.reinit_weights && { reinit: { seed: config.seed } }),
        ...configOverrides(config, modelPath),
        ...vocabularyOptions(config, tokenizer, host),
        pack: quantizer ? packLayers(quantizer, dtype, { skip }) : undefined,
        ...(forms ? { forms } : {}),
        ...(onLayer && { onLayer }),
      }),
    ),
  )
  return { model, dtype }
}

/**
 * The base model without its weights, on a device that computes nothing: of a file or folder on this machine from the headers of its weights, else
 * from config.json. null: a model of a plugin that is not here, which may look at its weights. Throws as `loadBase()`.
 */
export function hollowBase(config: FinetuneConfig, inputs: BaseInputs): Model | null {
  const { modelPath, tokenizer, host } = inputs
  const device = shapeDevice({ kind: 'cpu', name: 'cpu' })
  const isHere = modelPath.endsWith('.gguf') || existsSync(config.base_model)
  if (!config.reinit_weights && isHere)
    return loadBase(config, { ...inputs, weightsPath: modelPath, device }).model
  return built(config, modelPath, () =>
    openHollowModel(modelPath, {
      device,
      models: host.all('model'),
      ...scores(config),
      ...configOverrides(config, modelPath),
      ...vocabularyOptions(config, tokenizer, host),
    }),
  )
}

/** A tokenizer can have more tokens than the model, and tokenized data can come from any tokenizer. E_DATA. */
export function checkTokenIds(
  examples: readonly TokenizedExample[],
  { info: { vocabSize } }: Pick<Model, 'info'>,
): void {
  for (const { ids, labels, source } of examples) {
    const bad =
      ids.find((id) => id < 0 || id >= vocabSize) ??
      labels.find((id) => id !== IGNORE && (id < 0 || id >= vocabSize))
    if (bad === undefined) continue
    throw new TrituneError(
      'E_DATA',
      `token id ${bad} is not one of the model, which knows 0 to ${vocabSize - 1}`,
      {
        place: `${source.file}:${source.line}`,
        remedy: 'use the tokenizer that belongs to the model',
      },
    )
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function scores({ reward_model }: FinetuneConfig): Pick<LoadModelOptions, 'labels'> {
  return reward_model ? { labels: 1 } : {}
}

/** A family that cannot score texts is a fault of the line that asks for scores. */
function built<T>(config: FinetuneConfig, modelPath: string, run: () => T): T {
  return ofBaseModel(modelPath, () => {
    try {
      return run()
    } catch (error) {
      const isOfScores =
        config.reward_model === true &&
        error instanceof TrituneError &&
        error.code === 'E_UNSUPPORTED' &&
        error.message.includes('cannot score texts')
      if (!isOfScores) throw error
      return atKey(['reward_model'], () => {
        throw error
      })
    }
  })
}

/** `bf16: auto` computes as the checkpoint is stored (f16 and quantized ones in bf16 and f32); what starts anew in f32. */
function computeDType(config: FinetuneConfig, modelPath: string): FloatDType {
  if (config.bf16 === true) return 'bf16'
  if (config.reinit_weights) return 'f32'
  if (config.bf16 === false || modelPath.endsWith('.gguf')) return 'f32'
  return storedDType(modelPath) === 'f32' ? 'f32' : 'bf16'
}
