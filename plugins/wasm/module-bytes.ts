/**
 * The bytes of a WebAssembly module before an engine sees them: whether they are all there, and whether its memory is
 * shared. https://webassembly.github.io/spec/core/binary/modules.html
 */
import { TrituneError } from '../../core/mod.ts'

/** E_LIBRARY for a file that is no module, or that was cut off; an engine says either in words that help nobody. */
export function expectWholeModule(bytes: Uint8Array, place: string, remedy: string): void {
  const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  if (magic.some((byte, i) => bytes[i] !== byte))
    throw new TrituneError('E_LIBRARY', 'this is no WebAssembly module', { place, remedy })
  for (const { end } of sectionsOf(bytes)) {
    if (end > bytes.length)
      throw new TrituneError(
        'E_LIBRARY',
        `the module was cut off: it has ${bytes.length} bytes of at least ${end}`,
        { place, remedy },
      )
  }
}

/**
 * A copy whose imported memory is shared or not. One build serves both: its atomic instructions work on either memory, and
 * one bit of the import says which is meant.
 */
export function withSharedMemory(bytes: Uint8Array, shared: boolean): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(bytes)
  const at = memoryFlags(bytes)
  if (at !== null) copy[at] = shared ? copy[at] | SHARED : copy[at] & ~SHARED
  return copy
}

/** Pages of 64 KiB that the imported memory has at first and at most; null: no memory is imported. */
export function importedPages(bytes: Uint8Array): { readonly first: number; readonly most: number } | null {
  const at = memoryFlags(bytes)
  if (at === null) return null
  const reader = readerAt(bytes, at)
  const hasMost = (reader.byte() & 1) === 1
  const first = reader.number()
  return { first, most: hasMost ? reader.number() : 65536 }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const SHARED = 2
const IMPORTS = 2
const KIND = { function: 0, table: 1, memory: 2, global: 3, tag: 4 } as const

interface Section {
  readonly id: number
  readonly start: number
  readonly end: number
}

function* sectionsOf(bytes: Uint8Array): Generator<Section> {
  const reader = readerAt(bytes, 8)
  while (reader.place < bytes.length) {
    const id = reader.byte()
    const size = reader.number()
    const start = reader.place
    yield { id, start, end: start + size }
    reader.place = start + size
  }
}

/** Where the byte with the flags of the imported memory is. */
function memoryFlags(bytes: Uint8Array): number | null {
  for (const { id, start } of sectionsOf(bytes)) {
    if (id !== IMPORTS) continue
    const reader = readerAt(bytes, start)
    for (let left = reader.number(); left > 0; left--) {
      for (let name = 0; name < 2; name++) {
        const length = reader.number()
        reader.place += length
      }
      const kind = reader.byte()
      if (kind === KIND.memory) return reader.place
      if (kind === KIND.function) reader.number()
      else if (kind === KIND.global) reader.place += 2
      else if (kind === KIND.tag) {
        reader.byte()
        reader.number()
      } else {
        reader.byte()
        const hasMost = (reader.byte() & 1) === 1
        reader.number()
        if (hasMost) reader.number()
      }
    }
  }
  return null
}

interface Reader {
  place: number
  byte(): number
  /** Unsigned LEB128. */
  number(): number
}

/** Bytes past the end read as 0. */
function readerAt(bytes: Uint8Array, place: number): Reader {
  return {
    place,
    byte() {
      return bytes[this.place++] ?? 0
    },
    number() {
      let value = 0
      for (let factor = 1; ; factor *= 128) {
        const byte = this.byte()
        value += (byte & 127) * factor
        if (byte < 128 || factor > 2 ** 35) return value
      }
    },
  }
}
