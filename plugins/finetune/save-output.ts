/**
 * What a run leaves behind: an adapter in PEFT's files, or (adapter: none) a model folder that transformers loads.
 */
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { writeSharded } from '../../core/files/safetensors-write.ts'
import type { Model } from '../../core/mod.ts'
import { ggufTokenizer, openGguf } from '../gguf/mod.ts'
import { mergedSources, saveAdapter } from '../peft/mod.ts'
import type { Run } from './run.ts'

/** Files of a model folder that go along with the weights. */
const SIDE_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'generation_config.json',
  'vocab.json',
  'merges.txt',
]

export function saveOutput(
  run: Pick<Run, 'adapter' | 'config' | 'model' | 'modelPath'>,
  folder: string,
): void {
  if (run.adapter) saveAdapter(folder, run.adapter, { baseModel: run.config.base_model })
  else saveModel(run.model, run.modelPath, folder)
}

/** Writes the model with its adapters folded in, its config.json and its tokenizer. */
export function saveModel(
  model: Model,
  modelPath: string,
  folder: string,
  { maxShardBytes }: { readonly maxShardBytes?: number } = {},
): void {
  writeSharded(folder, mergedSources(model), maxShardBytes === undefined ? {} : { maxShardBytes })
  const dtype = [...model.weights.values()][0]?.dtype === 'bf16' ? 'bfloat16' : 'float32'
  const { dtype: _new, torch_dtype: _old, rope_freq_factors: _gguf, ...config } = model.info.config
  writeFileAtomic(
    join(folder, 'config.json'),
    `${JSON.stringify({ architectures: [model.info.architecture], ...config, torch_dtype: dtype }, null, 2)}\n`,
  )
  if (modelPath.endsWith('.gguf')) {
    const { tokenizer, tokenizerConfig } = ggufTokenizer(openGguf(modelPath))
    writeFileAtomic(join(folder, 'tokenizer.json'), `${JSON.stringify(tokenizer)}\n`)
    writeFileAtomic(join(folder, 'tokenizer_config.json'), `${JSON.stringify(tokenizerConfig, null, 2)}\n`)
    return
  }
  for (const name of SIDE_FILES)
    if (existsSync(join(modelPath, name))) copyFileSync(join(modelPath, name), join(folder, name))
}

/** Where in a checkpoint the trained weights are: a file, or the folder itself for a model, which may have several. */
export function trainedWeightsFile({ adapter }: Pick<Run, 'adapter'>): string {
  return adapter ? 'adapter_model.safetensors' : '.'
}

/** What stands before the parameter names in that file. */
export function weightsPrefix({ adapter }: Pick<Run, 'adapter'>): string {
  return adapter ? 'base_model.model.' : ''
}
