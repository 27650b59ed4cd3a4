/**
 * The GGUF format (versions 2 and 3, little-endian), read: metadata and the places of the tensors. Reads no weights and
 * decodes nothing; see tensor.ts for that.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */

import { closeSync, fstatSync } from 'node:fs'
import { TrituneError } from '../../core/errors.ts'
import { fileError, openFile, readAll } from '../../core/files/files.ts'
import type { GgmlType } from './types.ts'
import { GGML_TYPES } from './types.ts'

/** One value of a GGUF file's metadata; whole numbers that JavaScript's do not hold are bigints. */
export type GgufScalar = number | bigint | boolean | string

/** A value of a GGUF file's metadata, or a list of them. */
export type GgufValue = GgufScalar | readonly GgufScalar[]

/** Where a tensor lies in a GGUF file, and how it is stored. */
export interface GgufTensor {
  readonly name: string
  readonly type: GgmlType
  /** Row-major, as everywhere in tritune: the reverse of the order in the file. */
  readonly shape: readonly number[]
  /** Position of the first byte in the file. */
  readonly offset: number
  readonly bytes: number
}

/** The metadata of a GGUF file and the places of its tensors; no weight has been read. */
export interface GgufFile {
  readonly path: string
  readonly version: number
  /** Numbers of 64 bits are numbers when they are exact as such, else bigints. */
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

/**
 * Opens a GGUF file: reads its metadata and where its tensors lie, and no weights.
 *
 * @throws E_FILE when it cannot be read; E_FORMAT when it is truncated or contradicts itself; E_UNSUPPORTED for version 1,
 * big-endian files and unknown tensor types
 * @example
 * ```ts
 * import { ggufString, openGguf } from 'tritune/plugins/gguf'
 *
 * const file = openGguf('my-model.gguf')
 * console.log(ggufString(file, 'general.architecture'), file.tensors.size > 0) // → llama true
 * ```
 */
export function openGguf(path: string): GgufFile {
  const fd = openFile(path, 'r')
  try {
    return parse(path, createCursor(path, fd, fstatSync(fd).size))
  } catch (error) {
    throw fileError(error, path, 'cannot read')
  } finally {
    closeSync(fd)
  }
}

/**
 * A metadata value that must be a number; `fallback` where the key is missing. Throws E_FORMAT.
 *
 * @throws E_FORMAT when it is missing (and there is no `fallback`) or something else
 */
export function ggufNumber(file: GgufFile, key: string, fallback?: number): number {
  const value = file.metadata.get(key) ?? fallback
  if (typeof value !== 'number') throw wrongValue(file, key, 'a number', value)
  return value
}

/** A metadata value that must be a text; `fallback` where the key is missing. Throws E_FORMAT. */
export function ggufString(file: GgufFile, key: string, fallback?: string): string {
  const value = file.metadata.get(key) ?? fallback
  if (typeof value !== 'string') throw wrongValue(file, key, 'a string', value)
  return value
}

/** A metadata value that must be true or false; `fallback` where the key is missing. Throws E_FORMAT. */
export function ggufBoolean(file: GgufFile, key: string, fallback?: boolean): boolean {
  const value = file.metadata.get(key) ?? fallback
  if (typeof value !== 'boolean') throw wrongValue(file, key, 'a boolean', value)
  return value
}

/** A metadata value that must be a list of texts; `fallback` where the key is missing. Throws E_FORMAT. */
export function ggufStrings(file: GgufFile, key: string, fallback?: readonly string[]): readonly string[] {
  const value = file.metadata.get(key) ?? fallback
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string')) {
    throw wrongValue(file, key, 'an array of strings', value)
  }
  return value
}

/** A metadata value that must be a list of numbers; `fallback` where the key is missing. Throws E_FORMAT. */
export function ggufNumbers(file: GgufFile, key: string, fallback?: readonly number[]): readonly number[] {
  const value = file.metadata.get(key) ?? fallback
  if (!Array.isArray(value) || !value.every((item): item is number => typeof item === 'number')) {
    throw wrongValue(file, key, 'an array of numbers', value)
  }
  return value
}

interface Cursor {
  readonly size: number
  position(): number
  u32(): number
  /** A 64-bit count or offset that must be exact as a number. */
  size64(what: string): number
  string(): string
  /** Reads `bytes` bytes and gives the view and the position of the first in it. */
  take(bytes: number): { view: DataView; at: number }
}

const MAGIC = 0x46554747
const CHUNK_BYTES = 1 << 20
const MAX_TENSORS = 1 << 24
const MAX_DIMS = 4

/** Readers of the metadata types by number; 8 (string) and 9 (array) are apart. */
const SCALARS: readonly ({ bytes: number; read: (view: DataView, at: number) => GgufScalar } | undefined)[] =
  [
    { bytes: 1, read: (view, at) => view.getUint8(at) },
    { bytes: 1, read: (view, at) => view.getInt8(at) },
    { bytes: 2, read: (view, at) => view.getUint16(at, true) },
    { bytes: 2, read: (view, at) => view.getInt16(at, true) },
    { bytes: 4, read: (view, at) => view.getUint32(at, true) },
    { bytes: 4, read: (view, at) => view.getInt32(at, true) },
    { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
    { bytes: 1, read: (view, at) => view.getUint8(at) !== 0 },
    undefined,
    undefined,
    { bytes: 8, read: (view, at) => exact(view.getBigUint64(at, true)) },
    { bytes: 8, read: (view, at) => exact(view.getBigInt64(at, true)) },
    { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  ]
const STRING = 8
const ARRAY = 9

function parse(path: string, cursor: Cursor): GgufFile {
  if (cursor.size < 24 || cursor.u32() !== MAGIC) throw malformed(path, 'it does not begin with "GGUF"')
  const version = cursor.u32()
  if (version !== 2 && version !== 3) {
    const what = version > 0xffff ? 'it is a big-endian file' : `it has GGUF version ${version}`
    throw new TrituneError('E_UNSUPPORTED', what, {
      place: path,
      remedy: 'use a little-endian file of version 2 or 3',
    })
  }
  const tensorCount = cursor.size64('tensor count')
  const keyCount = cursor.size64('key count')
  if (tensorCount > MAX_TENSORS) throw malformed(path, `it claims ${tensorCount} tensors`)
  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.string()
    if (metadata.has(key)) throw malformed(path, `the key "${key}" is there twice`)
    metadata.set(key, readValue(path, cursor, key, cursor.u32()))
  }
  const infos = Array.from({ length: tensorCount }, () => readInfo(path, cursor))
  const alignment = metadata.get('general.alignment') ?? 32
  if (typeof alignment !== 'number' || alignment < 1 || !Number.isInteger(alignment)) {
    throw malformed(path, `general.alignment is ${String(alignment)}`)
  }
  const dataStart = Math.ceil(cursor.position() / alignment) * alignment
  return {
    path,
    version,
    metadata,
    tensors: placeTensors(path, infos, { dataStart, alignment, size: cursor.size }),
  }
}

function readValue(path: string, cursor: Cursor, key: string, type: number): GgufValue {
  if (type === STRING) return cursor.string()
  if (type !== ARRAY) return readScalars(path, cursor, key, type, 1)[0]
  const elementType = cursor.u32()
  const count = cursor.size64(`length of "${key}"`)
  if (elementType !== STRING) return readScalars(path, cursor, key, elementType, count)
  if (count * 8 > cursor.size - cursor.position())
    throw truncated(path, `the array "${key}" of ${count} strings`)
  return Array.from({ length: count }, () => cursor.string())
}

function readScalars(path: string, cursor: Cursor, key: string, type: number, count: number): GgufScalar[] {
  const scalar = SCALARS[type]
  if (scalar === undefined) throw malformed(path, `the key "${key}" has the unknown type ${type}`)
  const { view, at } = cursor.take(scalar.bytes * count)
  const values: GgufScalar[] = []
  for (let i = 0; i < count; i++) values.push(scalar.read(view, at + i * scalar.bytes))
  return values
}

function readInfo(path: string, cursor: Cursor): GgufTensor {
  const name = cursor.string()
  const place = `${path}: tensor "${name}"`
  const dims = cursor.u32()
  if (dims > MAX_DIMS) throw malformed(place, `it has ${dims} dimensions`)
  const shape = Array.from({ length: dims }, () => cursor.size64(`shape of tensor "${name}"`)).toReversed()
  const typeId = cursor.u32()
  const type = GGML_TYPES.get(typeId)
  if (type === undefined)
    throw new TrituneError('E_UNSUPPORTED', `it has the unknown ggml type ${typeId}`, {
      place,
      remedy: 'take a file of another type, such as Q8_0 or F16',
    })
  const elements = shape.reduce((product, size) => product * size, 1)
  if (dims > 0 && shape[dims - 1] % type.blockElements !== 0) {
    throw malformed(
      place,
      `rows of ${shape[dims - 1]} are not whole blocks of ${type.blockElements} (${type.name})`,
    )
  }
  const bytes = (elements / type.blockElements) * type.blockBytes
  return { name, type, shape, offset: cursor.size64(`offset of tensor "${name}"`), bytes }
}

function placeTensors(
  path: string,
  infos: readonly GgufTensor[],
  { dataStart, alignment, size }: { dataStart: number; alignment: number; size: number },
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>()
  for (const info of infos) {
    const place = `${path}: tensor "${info.name}"`
    const offset = dataStart + info.offset
    if (tensors.has(info.name)) throw malformed(place, 'it is there twice')
    if (info.offset % alignment !== 0)
      throw malformed(place, `offset ${info.offset} is no multiple of ${alignment}`)
    if (offset + info.bytes > size)
      throw truncated(place, `it ends at byte ${offset + info.bytes} of ${size}`)
    tensors.set(info.name, { ...info, offset })
  }
  let previous: GgufTensor | undefined
  for (const tensor of [...tensors.values()].toSorted((a, b) => a.offset - b.offset)) {
    if (previous !== undefined && previous.offset + previous.bytes > tensor.offset) {
      throw malformed(`${path}: tensor "${tensor.name}"`, `it overlaps tensor "${previous.name}"`)
    }
    previous = tensor
  }
  return tensors
}

/** Reads forward through the file by large chunks. */
function createCursor(path: string, fd: number, size: number): Cursor {
  const decoder = new TextDecoder()
  let buffer = new Uint8Array(0)
  let view = new DataView(buffer.buffer)
  let start = 0
  let at = 0
  function take(bytes: number): { view: DataView; at: number } {
    const position = start + at
    if (bytes > size - position)
      throw truncated(path, `${bytes} bytes were expected at byte ${position} of ${size}`)
    if (at + bytes > buffer.length) {
      buffer = new Uint8Array(Math.min(size - position, Math.max(bytes, CHUNK_BYTES)))
      view = new DataView(buffer.buffer)
      start = position
      at = 0
      readAll(fd, buffer, start, path)
    }
    at += bytes
    return { view, at: at - bytes }
  }
  function u32(): number {
    const taken = take(4)
    return taken.view.getUint32(taken.at, true)
  }
  function size64(what: string): number {
    const taken = take(8)
    const value = taken.view.getBigUint64(taken.at, true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(path, `the ${what} is ${value}`)
    return Number(value)
  }
  function string(): string {
    const length = size64('length of a string')
    const taken = take(length)
    return decoder.decode(buffer.subarray(taken.at, taken.at + length))
  }
  return { size, position: () => start + at, u32, size64, string, take }
}

function exact(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function malformed(place: string, what: string): TrituneError {
  return new TrituneError('E_FORMAT', what, {
    place,
    remedy: 'the file is damaged or no GGUF file: download it again',
  })
}

function truncated(place: string, what: string): TrituneError {
  return new TrituneError('E_FORMAT', `the file is truncated (${what})`, {
    place,
    remedy: 'download it again',
  })
}

function wrongValue(file: GgufFile, key: string, expected: string, value: unknown): TrituneError {
  const got =
    value === undefined
      ? 'is missing'
      : `is ${Array.isArray(value) ? 'an array' : JSON.stringify(String(value))}`
  return new TrituneError('E_FORMAT', `the key "${key}" ${got}, expected ${expected}`, { place: file.path })
}
