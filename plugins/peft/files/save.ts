/**
 * Writes an adapter as PEFT does: adapter_config.json and adapter_model.safetensors in a folder.
 */
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { writeSafetensors } from '../../../core/files/safetensors-write.ts'
import { openSafetensors } from '../../../core/files/safetensors.ts'
import { tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import { TrituneError } from '../../../core/mod.ts'
import type { AttachedAdapter } from '../attach/attached-adapter.ts'
import { storedTensors } from './stored.ts'
import { type PluginRecord, writePluginRecords } from '../attach/plugin-records.ts'

export const WEIGHTS_FILE = 'adapter_model.safetensors'
export const CONFIG_FILE = 'adapter_config.json'

/** Options of `saveAdapter()`: what the files say of where the adapter belongs. */
export interface SaveAdapterOptions {
  /** Path or hub id that `AutoPeftModel` will load; `base_model_name_or_path`. */
  readonly baseModel: string | null
  /** What whoever loads it must have: stands in tritune.json. */
  readonly plugins?: readonly PluginRecord[]
  /** Training goes on from these files: nothing is trimmed. */
  readonly unfinished?: boolean
}

/**
 * Writes both files, each whole or not at all, and reads the header of the weights back. adapter_config.json comes last
 * and an old one goes first: a folder that has it has the weights that belong to it.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadAdapter, saveAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using adapter = loadAdapter(model, 'my-adapter')
 * saveAdapter('a-copy', adapter, { baseModel: 'HuggingFaceTB/SmolLM2-135M-Instruct' })
 * ```
 */
export function saveAdapter(
  folder: string,
  adapter: Pick<AttachedAdapter, 'adapters' | 'config' | 'finished' | 'tensors'>,
  { baseModel, plugins = [], unfinished = false }: SaveAdapterOptions,
): void {
  const path = join(folder, WEIGHTS_FILE)
  const configPath = join(folder, CONFIG_FILE)
  const finished = unfinished ? null : adapter.finished()
  using stored = storedTensors(adapter, finished)
  const { tensors } = stored
  writeSafetensors(
    path,
    [...tensors].map(([name, tensor]) => ({
      name,
      dtype: tensor.dtype,
      shape: tensor.shape,
      chunks: () => tensorBytes(tensor),
    })),
    { format: 'pt' },
    { beforeRename: () => rmSync(configPath, { force: true }) },
  )
  writePluginRecords(folder, plugins)
  const config = { ...COMMON, base_model_name_or_path: baseModel, ...adapter.config, ...finished?.fields }
  writeFileAtomic(configPath, `${JSON.stringify(sorted(config), null, 2)}\n`)
  const written = openSafetensors(path).entries.size
  if (written !== tensors.size || !existsSync(configPath)) {
    throw new TrituneError('E_FILE', `the saved adapter has ${written} tensors, expected ${tensors.size}`, {
      place: path,
    })
  }
}

const COMMON = {
  auto_mapping: null,
  inference_mode: true,
  peft_version: '0.21.2',
  revision: null,
  task_type: 'CAUSAL_LM',
}

/** Keys in the order in which Python's `sort_keys` writes them, at every depth. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  )
}
