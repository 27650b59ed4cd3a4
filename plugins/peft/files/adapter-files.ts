/**
 * An adapter as files, without a model: its configuration in PEFT's words and its tensors under PEFT's names, whoever wrote it. Nothing
 * is checked against a model: loading does that.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../../core/files/checkpoint.ts'
import { listCheckpoints } from '../../../core/files/checkpoint-folders.ts'
import type { TensorEntry } from '../../../core/files/safetensors.ts'
import { TrituneError } from '../../../core/mod.ts'
import { isMlxConfig, MLX_WEIGHTS, openMlxWeights, mlxFields } from '../mlx/mod.ts'
import { CONFIG_FILE, WEIGHTS_FILE } from './save.ts'
import { plainNames } from './tensor-names.ts'

/** Who writes such a folder. */
export type AdapterFormat = 'peft' | 'mlx'

/** The files of one adapter. */
export interface AdapterFiles {
  readonly folder: string
  readonly format: AdapterFormat
  /** Fields of adapter_config.json as PEFT has them. */
  readonly config: Readonly<Record<string, unknown>>
  /** The file with the tensors. */
  readonly file: string
  readonly checkpoint: Checkpoint
  /** Entries of the checkpoint by PEFT's names, without the name of the adapter. */
  readonly entries: ReadonlyMap<string, TensorEntry>
}

/** Throws E_FILE, E_FORMAT, E_ADAPTER, or E_UNSUPPORTED. */
export function openAdapterFiles(folder: string): AdapterFiles {
  const given = readConfigJson(folder)
  const isMlx = isMlxConfig(given)
  const file = adapterWeights(folder, isMlx)
  const checkpoint = isMlx ? openMlxWeights(folder) : openCheckpoint(file)
  const entries = plainNames(checkpoint.entries, file)
  if (entries.size === 0)
    throw new TrituneError('E_ADAPTER', 'the adapter has no tensors', {
      place: file,
      remedy: 'it was not saved properly: train or save it again',
    })
  const config = isMlx ? mlxFields(folder, given) : given
  return { folder, format: isMlx ? 'mlx' : 'peft', config, file, checkpoint, entries }
}

/** Whether a folder is one of an adapter. */
export function isAdapterFolder(folder: string): boolean {
  return existsSync(join(folder, CONFIG_FILE))
}

/** E_FILE: that there is no adapter in a folder, and where one is: a run that was stopped has checkpoints alone. */
export function noAdapter(folder: string): TrituneError {
  const newest = listCheckpoints(folder).findLast((checkpoint) => isAdapterFolder(checkpoint.folder))
  return new TrituneError('E_FILE', `no adapter here: ${CONFIG_FILE} is missing`, {
    place: folder,
    remedy: newest
      ? `the run there has not ended: name its newest checkpoint, ${newest.folder}`
      : 'name a folder that PEFT, mlx-lm or tritune wrote, or a .gguf file of an adapter',
  })
}

/** adapter_config.json as it is: any object. */
export function readConfigJson(folder: string): Readonly<Record<string, unknown>> {
  const place = join(folder, CONFIG_FILE)
  if (!existsSync(place)) throw noAdapter(folder)
  let config: unknown
  let text = ''
  try {
    text = readFileSync(place, 'utf8')
    config = JSON.parse(text)
  } catch (cause) {
    // Python writes them, and no JSON has them.
    const [, key, number] = /"(\w+)"\s*:\s*(NaN|-?Infinity)\b/.exec(text) ?? []
    if (key !== undefined)
      throw new TrituneError('E_FORMAT', `${key} is ${number}, which is no number of JSON`, {
        place,
        remedy: `write the ${key} that the adapter was trained with`,
        cause,
      })
    throw new TrituneError(
      'E_FORMAT',
      `not valid JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      { place, remedy: 'the file is damaged: save or copy the adapter again', cause },
    )
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new TrituneError('E_FORMAT', 'expected a JSON object', { place })
  return Object.fromEntries(Object.entries(config))
}

/** The file with the tensors; E_FILE when there is none. */
export function adapterWeights(folder: string, isMlx: boolean): string {
  const name = isMlx ? MLX_WEIGHTS : WEIGHTS_FILE
  const file = join(folder, name)
  if (existsSync(file)) return file
  throw new TrituneError('E_FILE', `the folder has no ${name}`, {
    place: folder,
    remedy: isMlx
      ? 'copy all files of the adapter'
      : 'save the adapter again; adapter_model.bin is not supported',
  })
}
