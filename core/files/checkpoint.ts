/**
 * The weights of a model on disk as one set of tensors: a single safetensors file, or shards under an index as
 * transformers writes them. Only descriptions and bytes; config and tokenizer of the folder are not looked at.
 */

import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileError } from './files.ts'
import { TrituneError } from '../errors.ts'
import type { TensorEntry } from './safetensors.ts'
import { openSafetensors, readEntry } from './safetensors.ts'

export interface Checkpoint {
  /** The file or folder that was opened. */
  readonly path: string
  readonly entries: ReadonlyMap<string, TensorEntry>
  /** The `__metadata__` of the file, or of all shards together. */
  readonly metadata: Readonly<Record<string, string>>
  /** Bytes of all tensors. */
  readonly bytes: number
  /** Reads a part of a tensor, by default all of it; see `readEntry`. */
  read(entry: TensorEntry, offset?: number, bytes?: number): Uint8Array
}

const SINGLE = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'

/**
 * Opens a checkpoint: a `.safetensors` file, an index file, or a folder with `model.safetensors` or
 * `model.safetensors.index.json`.
 * @throws E_FILE when there is none, or a shard is missing; E_FORMAT when index and shards contradict each other
 */
export function openCheckpoint(path: string): Checkpoint {
  const file = locate(path)
  const { entries, metadata } = file.endsWith('.json') ? openShards(file) : openSafetensors(file)
  let bytes = 0
  for (const entry of entries.values()) bytes += entry.bytes
  return {
    path,
    entries,
    metadata,
    bytes,
    read: (entry, offset = 0, length = entry.bytes - offset) => readEntry(entry, { offset, bytes: length }),
  }
}

function locate(path: string): string {
  if (!existsSync(path))
    throw new TrituneError('E_FILE', 'no such file or folder', { place: path, remedy: 'check the path' })
  if (!statSync(path).isDirectory()) return path
  for (const name of [SINGLE, INDEX]) {
    if (existsSync(join(path, name))) return join(path, name)
  }
  const pickled =
    existsSync(join(path, 'pytorch_model.bin')) || existsSync(join(path, 'pytorch_model.bin.index.json'))
  throw new TrituneError('E_FILE', `the folder has neither ${SINGLE} nor ${INDEX}`, {
    place: path,
    remedy: pickled
      ? 'its weights are pickled (pytorch_model.bin): save the model again with safe_serialization=True'
      : 'name the folder of a model, or one .safetensors file',
  })
}

function openShards(indexPath: string): {
  entries: Map<string, TensorEntry>
  metadata: Record<string, string>
} {
  const weightMap = readWeightMap(indexPath)
  const folder = join(indexPath, '..')
  const metadata: Record<string, string> = {}
  const shards = new Map<string, ReadonlyMap<string, TensorEntry>>()
  const entries = new Map<string, TensorEntry>()
  for (const [name, shard] of weightMap) {
    if (!shards.has(shard)) {
      const opened = openSafetensors(shardPath(indexPath, folder, shard))
      Object.assign(metadata, opened.metadata)
      shards.set(shard, opened.entries)
    }
    const entry = shards.get(shard)?.get(name)
    if (entry === undefined) {
      throw new TrituneError('E_FORMAT', `the index says tensor "${name}" is in ${shard}, but it is not`, {
        place: indexPath,
        remedy: 'the shards and the index are of different saves: download them again',
      })
    }
    entries.set(name, entry)
  }
  for (const [shard, tensors] of shards) {
    for (const name of tensors.keys()) {
      if (weightMap.get(name) === shard) continue
      throw new TrituneError('E_FORMAT', `tensor "${name}" of ${shard} is not in the index`, {
        place: indexPath,
        remedy: 'the shards and the index are of different saves: download them again',
      })
    }
  }
  return { entries, metadata }
}

function readWeightMap(indexPath: string): Map<string, string> {
  let index: unknown
  try {
    index = JSON.parse(readFileSync(indexPath, 'utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw fileError(error, indexPath, 'cannot read')
    throw new TrituneError('E_FORMAT', `not valid JSON (${error.message})`, {
      place: indexPath,
      cause: error,
    })
  }
  const map =
    typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : undefined
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new TrituneError('E_FORMAT', 'there is no "weight_map" object', { place: indexPath })
  }
  const weightMap = new Map<string, string>()
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string') {
      throw new TrituneError('E_FORMAT', `the shard of tensor "${name}" is not a file name`, {
        place: indexPath,
      })
    }
    weightMap.set(name, shard)
  }
  return weightMap
}

/** A shard lies beside its index: names that lead elsewhere are refused. */
function shardPath(indexPath: string, folder: string, shard: string): string {
  if (shard !== basename(shard) || shard.includes('\\') || shard === '' || shard === '.' || shard === '..') {
    throw new TrituneError('E_FORMAT', `"${shard}" is not a plain file name`, {
      place: indexPath,
      remedy: 'shards must lie beside their index; do not use this checkpoint if you do not know who made it',
    })
  }
  const path = join(folder, shard)
  if (!existsSync(path)) {
    throw new TrituneError('E_FILE', `the shard ${shard} is missing`, {
      place: indexPath,
      remedy: 'the download is incomplete: get the missing file',
    })
  }
  return path
}
