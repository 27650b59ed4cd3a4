/**
 * What a run leaves behind: an adapter in PEFT's files, or (adapter: none) a model folder that transformers loads.
 */
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { writeSharded } from '../../../core/files/safetensors-write.ts'
import type { Model, Parameters } from '../../../core/mod.ts'
import { formConfig, mergedConfig, mergedSources, saveAdapter, storedTensors } from '../../peft/mod.ts'
import { recordsToUse } from '../plugins/plugin-notes.ts'
import type { Run } from '../run.ts'
import { vocabularyChanges } from '../model/run-tokenizer.ts'
import { configText } from './config-text.ts'
import { fillWeights } from './fill-weights.ts'
import { copyIfThere, saveTokenizer, type TokenizerChanges } from './save-tokenizer.ts'

type Saved = Pick<Run, 'adapter' | 'config' | 'model' | 'modelPath' | 'plugins' | 'tokenizer'>

/** Adapter or model, with the tokenizer and the chat template that were trained with. `unfinished`: of a checkpoint. */
export function saveOutput(
  { adapter, config, model, modelPath, plugins, tokenizer }: Saved,
  folder: string,
  { unfinished = false }: { readonly unfinished?: boolean } = {},
): void {
  const changes = {
    chatTemplate: tokenizer.chatTemplate,
    specialTokens: config.special_tokens,
    vocabulary: vocabularyChanges(config),
  }
  if (!adapter) return saveModel(model, modelPath, folder, { tokenizer: changes })
  const made = { adapter: config.adapter, modelType: model.info.type }
  saveAdapter(folder, adapter, {
    baseModel: config.base_model,
    plugins: recordsToUse(plugins, made),
    unfinished,
  })
  saveTokenizer(folder, modelPath, changes)
}

/** Options of `saveModel()`: how large a file may be, and the tokenizer that goes beside the weights. */
export interface SaveModelOptions {
  readonly maxShardBytes?: number
  /** Where the tokenizer is, if not with the model. */
  readonly tokenizerPath?: string
  readonly tokenizer?: TokenizerChanges
}

/**
 * Writes the model with its adapters folded in, its config.json and its tokenizer. BitLinear layers without adapters stay what they are,
 * with the weights that are trained.
 *
 * @example
 * ```ts
 * import { saveModel } from 'tritune/plugins/finetune'
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using _adapter = loadAdapter(model, 'my-adapter')
 * saveModel(model, 'my-model', 'my-merged-model') // with the adapter folded in
 * ```
 */
export function saveModel(
  model: Model,
  modelPath: string,
  folder: string,
  { maxShardBytes, tokenizerPath = modelPath, tokenizer }: SaveModelOptions = {},
): void {
  const trained = formConfig(model)
  const sources = mergedSources(model, { trained: true })
  writeSharded(folder, sources, maxShardBytes === undefined ? {} : { maxShardBytes })
  const dtype = [...model.weights.values()][0]?.dtype === 'bf16' ? 'bfloat16' : 'float32'
  const {
    dtype: _new,
    torch_dtype: _old,
    rope_freq_factors: _gguf,
    quantization_config: _packed,
    ...config
  } = mergedConfig(model)
  writeFileAtomic(
    join(folder, 'config.json'),
    configText({
      architectures: [model.info.architecture],
      ...config,
      torch_dtype: dtype,
      // A form that is only for training says nothing of itself.
      ...(trained && Object.keys(trained).length > 0 ? { quantization_config: trained } : {}),
    }),
  )
  saveTokenizer(folder, tokenizerPath, tokenizer)
  if (!modelPath.endsWith('.gguf')) copyIfThere(modelPath, folder, 'generation_config.json')
}

/** Where in a checkpoint the trained weights are: a file, or the folder itself for a model, which may have several. */
export function trainedWeightsFile({ adapter }: Pick<Run, 'adapter'>): string {
  return adapter ? 'adapter_model.safetensors' : '.'
}

/** Has `fill` put a file into what is in it, by the names that it has there. */
export function fillTrained(
  { adapter, parameters, model }: Pick<Run, 'adapter' | 'parameters' | 'model'>,
  fill: (tensors: Parameters) => void,
): void {
  if (!adapter) {
    const { written } = model.info
    return fillWeights(model, parameters, (tensors) =>
      fill(written ? new Map([...tensors].map(([name, one]) => [written.nameOf(name), one])) : tensors),
    )
  }
  using stored = storedTensors(adapter)
  fill(stored.tensors)
  stored.take()
}
