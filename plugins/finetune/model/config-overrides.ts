/**
 * `overrides_of_model_config` of a model that has weights: fields that config.json of the base model is to have instead of its own.
 */
import { ConfigError, didYouMean } from '../../../core/mod.ts'
import { type LoadModelOptions, readConfig } from '../../models/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { LEFT_OUT_KEYS } from './new-model-files.ts'

/** Fields that say how a model is trained, which files may leave out. */
const OF_TRAINING: readonly string[] = ['output_router_logits', 'router_aux_loss_coef']

/** For `loadModel()`. Throws ConfigError for a field that the file has not, and for a GGUF file, which has none. */
export function configOverrides(
  {
    overrides_of_model_config: overrides,
    reinit_weights: isNew,
  }: Pick<FinetuneConfig, 'overrides_of_model_config' | 'reinit_weights'>,
  modelPath: string,
): Pick<LoadModelOptions, 'config'> {
  const keys = Object.keys(overrides)
  if (isNew || keys.length === 0) return {}
  if (modelPath.endsWith('.gguf'))
    throw new ConfigError([
      {
        path: ['overrides_of_model_config'],
        what: 'a GGUF file has no config.json',
        remedy: 'name the Hugging Face folder of the model',
      },
    ])
  const known = [...Object.keys(readConfig(modelPath)), ...LEFT_OUT_KEYS, ...OF_TRAINING]
  const unknown = keys.find((key) => !known.includes(key))
  if (unknown !== undefined)
    throw new ConfigError([
      {
        path: ['overrides_of_model_config', unknown],
        what: `config.json of the model has no "${unknown}"`,
        remedy: didYouMean(unknown, known),
      },
    ])
  return { config: overrides }
}
