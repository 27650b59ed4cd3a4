/**
 * The safetensors format, written: one file streamed from descriptions, or shards with an index as transformers does.
 * The tensors are described first, so that the header is known before any byte of them exists; nothing holds more than
 * one chunk. Files appear by rename.
 * The layout is the reference implementation's: widest dtype first, then by name, header padded with spaces to 8 bytes.
 */

import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { discard, fileError, syncPath, temporaryName } from './files.ts'
import { writeFileAtomic, writeFileSynced, writeStreamAtomic } from './atomic.ts'
import type { DType } from '../tensor/dtype.ts'
import { DTYPES } from '../tensor/dtype.ts'
import { TrituneError } from '../errors.ts'
import { SAFETENSORS_BITS } from './safetensors.ts'
import { rename } from './rename.ts'

/** A tensor to be written; `chunks` is called once, when its turn comes, and gives its bytes in row-major order. */
export interface TensorSource {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  chunks(): Iterable<Uint8Array>
}

/**
 * Writes one safetensors file, atomically.
 * @throws E_SHAPE when a tensor gives more or fewer bytes than its shape says; E_DISK; E_FILE. Nothing is left behind.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<TensorSource>,
  metadata?: Readonly<Record<string, string>>,
  options: { readonly beforeRename?: () => void } = {},
): void {
  writeStreamAtomic(path, safetensorsChunks(path, [...tensors], metadata), options)
}

/**
 * Writes a model into a folder: `model.safetensors` when it fits into one shard, else
 * `model-00001-of-0000N.safetensors`… with `model.safetensors.index.json`. All shards are complete before the first
 * appears under its name; weights of an earlier save are removed.
 * @returns the names of the written files
 */
export function writeSharded(
  folder: string,
  tensors: Iterable<TensorSource>,
  {
    maxShardBytes = 50e9,
    metadata = { format: 'pt' },
  }: { maxShardBytes?: number; metadata?: Readonly<Record<string, string>> } = {},
): string[] {
  const all = [...tensors]
  const shards = splitShards(all, maxShardBytes)
  const names = shards.map((_, i) => shardName(i, shards.length))
  const files = names.map((name) => ({
    final: join(folder, name),
    temporary: temporaryName(join(folder, name)),
  }))
  try {
    mkdirSync(folder, { recursive: true })
    for (const [i, shard] of shards.entries()) {
      writeFileSynced(files[i].temporary, safetensorsChunks(files[i].final, shard, metadata))
    }
    if (shards.length === 1) rmSync(join(folder, INDEX_NAME), { force: true })
    for (const { temporary, final } of files) rename(temporary, final)
    if (shards.length > 1) {
      writeFileAtomic(join(folder, INDEX_NAME), indexJson(shards, names))
      names.push(INDEX_NAME)
    }
    for (const name of readdirSync(folder)) {
      if (WEIGHTS_NAME.test(name) && !names.includes(name)) rmSync(join(folder, name))
    }
    syncPath(folder)
  } catch (error) {
    for (const { temporary } of files) discard(temporary)
    throw fileError(error, folder, 'cannot write the model')
  }
  return names
}

/** Bytes that a tensor of this dtype and shape takes. */
export function tensorBytes(dtype: DType, shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, DTYPES[dtype].bytes)
}

const INDEX_NAME = 'model.safetensors.index.json'
const WEIGHTS_NAME = /^model(-\d{5}-of-\d{5})?\.safetensors$/
const DTYPE_ORDER: readonly string[] = Object.keys(SAFETENSORS_BITS)

function* safetensorsChunks(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> | undefined,
): Generator<Uint8Array> {
  const sorted = tensors.toSorted((a, b) => dtypeRank(b) - dtypeRank(a) || compareUtf8(a.name, b.name))
  yield encodeHeader(path, sorted, metadata)
  for (const tensor of sorted) {
    const expected = tensorBytes(tensor.dtype, tensor.shape)
    let got = 0
    for (const chunk of tensor.chunks()) {
      got += chunk.length
      if (got > expected) break
      yield chunk
    }
    if (got !== expected) {
      throw new TrituneError(
        'E_SHAPE',
        `it gave ${got > expected ? 'more than ' : ''}${Math.min(got, expected)} bytes`,
        {
          place: `${path}: tensor "${tensor.name}"`,
          remedy: `shape [${tensor.shape.join(', ')}] of ${tensor.dtype} needs exactly ${expected} bytes`,
        },
      )
    }
  }
}

/** Built by hand: a JavaScript object would reorder names that look like numbers. */
function encodeHeader(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> | undefined,
): Uint8Array {
  const fields: string[] = []
  const names = new Set<string>(['__metadata__'])
  if (metadata !== undefined) fields.push(`"__metadata__":${JSON.stringify(metadata)}`)
  let begin = 0
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name))
      throw new TrituneError('E_FORMAT', `the name "${name}" is used twice`, { place: path })
    names.add(name)
    const end = begin + tensorBytes(dtype, shape)
    const description = { dtype: DTYPES[dtype].safetensors, shape, data_offsets: [begin, end] }
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(description)}`)
    begin = end
  }
  const text = new TextEncoder().encode(`{${fields.join(',')}}`)
  const padded = Math.ceil(text.length / 8) * 8
  const header = new Uint8Array(8 + padded).fill(0x20)
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true)
  header.set(text, 8)
  return header
}

/** The split of huggingface_hub: in the given order, as much as fits; a tensor above the limit gets its own shard. */
function splitShards(tensors: readonly TensorSource[], maxShardBytes: number): TensorSource[][] {
  const shards: TensorSource[][] = []
  let current: TensorSource[] = []
  let used = 0
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor.dtype, tensor.shape)
    if (bytes > maxShardBytes) {
      shards.push([tensor])
      continue
    }
    if (used + bytes > maxShardBytes) {
      shards.push(current)
      current = []
      used = 0
    }
    current.push(tensor)
    used += bytes
  }
  if (current.length > 0 || shards.length === 0) shards.push(current)
  return shards
}

function shardName(index: number, count: number): string {
  if (count === 1) return 'model.safetensors'
  return `model-${String(index + 1).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.safetensors`
}

function indexJson(shards: readonly TensorSource[][], names: readonly string[]): string {
  const located = shards.flatMap((shard, i) => shard.map((tensor) => ({ tensor, file: names[i] })))
  const size = located.reduce((sum, { tensor }) => sum + tensorBytes(tensor.dtype, tensor.shape), 0)
  const parameters = located.reduce((sum, { tensor }) => sum + tensor.shape.reduce((a, b) => a * b, 1), 0)
  located.sort((a, b) => compareUtf8(a.tensor.name, b.tensor.name))
  const map = located.map(({ tensor, file }) => `    ${JSON.stringify(tensor.name)}: ${JSON.stringify(file)}`)
  return `{
  "metadata": {
    "total_parameters": ${parameters},
    "total_size": ${size}
  },
  "weight_map": {
${map.join(',\n')}
  }
}
`
}

function dtypeRank(tensor: TensorSource): number {
  return DTYPE_ORDER.indexOf(DTYPES[tensor.dtype].safetensors)
}

/** Code-point order, which is the order of the UTF-8 bytes (UTF-16 order differs above U+FFFF). */
function compareUtf8(a: string, b: string): number {
  const left = Array.from(a)
  const right = Array.from(b)
  for (let i = 0; i < left.length && i < right.length; i++) {
    if (left[i] !== right[i]) return (left[i].codePointAt(0) ?? 0) - (right[i].codePointAt(0) ?? 0)
  }
  return left.length - right.length
}
