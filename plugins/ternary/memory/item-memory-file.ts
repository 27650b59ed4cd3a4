/**
 * The file of an item memory: safetensors with one tensor `planes`, I32 (items, 2, words), and what it is in the metadata: `format`,
 * `version`, `dims`, and `names` as a list in JSON. Nothing of it is trusted when it is read.
 */
import { TrituneError } from '../../../core/mod.ts'
import { openSafetensors, readEntry } from '../../../core/files/safetensors.ts'
import { writeSafetensors } from '../../../core/files/safetensors-write.ts'
import { vectorAt } from '../vectors/plane-tensor.ts'
import { expectPlanes, wordsOf } from '../vectors/planes.ts'
import { expectDims } from '../vectors/trit-vec.ts'

/** What a file holds. */
export interface ItemMemoryContent {
  readonly dims: number
  readonly names: readonly string[]
  /** Rows of plus before minus, one after the other. */
  readonly words: Uint32Array
}

const FORMAT = 'tritune item memory'
const VERSION = '1'

export function writeItemMemory(path: string, { dims, names, words }: ItemMemoryContent): void {
  const metadata = { format: FORMAT, version: VERSION, dims: String(dims), names: JSON.stringify(names) }
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
  const shape = [names.length, 2, wordsOf(dims)]
  writeSafetensors(path, [{ name: 'planes', dtype: 'i32', shape, chunks: () => [bytes] }], metadata)
}

/** Throws E_FILE for what cannot be read, E_FORMAT for what is no item memory. */
export function readItemMemory(path: string): ItemMemoryContent {
  const { metadata, entries } = openSafetensors(path)
  if (metadata.format !== FORMAT) throw broken(path, 'it is no item memory', 'give a file that save() wrote')
  if (metadata.version !== VERSION)
    throw broken(path, `it is of version ${String(metadata.version)}, known is ${VERSION}`)
  const dims = dimsOf(path, metadata.dims)
  const names = namesOf(path, metadata.names)
  const entry = entries.get('planes')
  if (entry === undefined || entries.size !== 1) throw broken(path, 'it must hold one tensor, "planes"')
  const shape = [names.length, 2, wordsOf(dims)]
  if (entry.storedDType !== 'I32' || entry.shape.join() !== shape.join())
    throw broken(
      `${path}: tensor "planes"`,
      `it is ${entry.storedDType} [${entry.shape.join(', ')}], ${names.length} names and ${dims} dimensions make it I32 [${shape.join(', ')}]`,
    )
  const words = new Uint32Array(readEntry(entry).slice().buffer)
  for (const [row, name] of names.entries()) {
    const { plus, minus } = vectorAt(words, row, dims)
    try {
      expectPlanes(`item "${name}"`, dims, plus, minus)
    } catch (cause) {
      if (!(cause instanceof TrituneError)) throw cause
      throw broken(path, cause.what, cause.remedy)
    }
  }
  return { dims, names, words }
}

function dimsOf(path: string, text: string | undefined): number {
  const dims = Number(text)
  try {
    expectDims('the file', dims)
    return dims
  } catch {
    throw broken(path, `dims is ${JSON.stringify(text) ?? 'missing'}, no whole number from 1`)
  }
}

function namesOf(path: string, text: string | undefined): string[] {
  let names: unknown
  try {
    names = JSON.parse(text ?? '')
  } catch {
    throw broken(path, 'names is no JSON')
  }
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
    throw broken(path, 'names must be a list of texts')
  const seen = new Set<string>()
  const twice = names.find((name) => seen.size === seen.add(name).size)
  if (twice !== undefined) throw broken(path, `the name "${twice}" is there twice`)
  return names
}

function broken(place: string, what: string, remedy = 'the file is damaged: save it again'): TrituneError {
  return new TrituneError('E_FORMAT', what, { place, remedy })
}
