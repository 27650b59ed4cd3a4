/**
 * Reads what a 64-bit PE library (a DLL) gives and needs: the names it exports, the libraries it asks for, at once or late, the oldest
 * Windows. https://learn.microsoft.com/en-us/windows/win32/debug/pe-format
 */
import { TrituneError } from '../../core/errors.ts'

export interface PeLibrary {
  /** Sorted. */
  readonly exports: readonly string[]
  readonly needs: readonly string[]
  readonly system: string
}

const EXPORTS = 0
const IMPORTS = 1
const LATE_IMPORTS = 13

/** Throws E_FORMAT when the bytes are not such a library. */
export function readPe(file: Uint8Array, place: string): PeLibrary {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const pe = file.length < 64 ? 0 : view.getUint32(0x3c, true)
  const optional = pe + 24
  if (pe === 0 || view.getUint32(pe) !== 0x50450000 || view.getUint16(optional, true) !== 0x20b)
    throw new TrituneError('E_FORMAT', 'not a 64-bit PE file', { place })
  const sections = sectionsOf(view, pe)
  /** From where something lies in memory to where it lies in the file. */
  const toOffset = (address: number): number => {
    const section = sections.find(({ start, bytes }) => address >= start && address < start + bytes)
    if (!section) throw new TrituneError('E_FORMAT', `no section holds the address ${address}`, { place })
    return address - section.start + section.offset
  }
  const word = (address: number, add = 0): number => view.getUint32(toOffset(address) + add, true)
  const text = (address: number): string => {
    const start = toOffset(address)
    return new TextDecoder('latin1').decode(file.subarray(start, file.indexOf(0, start)))
  }
  const directory = (index: number): number =>
    index < view.getUint32(optional + 108, true) ? view.getUint32(optional + 112 + 8 * index, true) : 0
  /** Names of libraries in a table that ends with an entry without one. */
  const names = (index: number, entryBytes: number, nameAt: number): string[] => {
    const found: string[] = []
    for (let at = directory(index); at !== 0 && word(at, nameAt) !== 0; at += entryBytes)
      found.push(text(word(at, nameAt)))
    return found
  }
  const table = directory(EXPORTS)
  const count = table === 0 ? 0 : word(table, 24)
  const list = count === 0 ? 0 : word(table, 32)
  return {
    exports: Array.from({ length: count }, (_, i) => text(word(list + 4 * i))).toSorted(),
    needs: [...names(IMPORTS, 20, 12), ...names(LATE_IMPORTS, 32, 4)],
    system: `${view.getUint16(optional + 48, true)}.${view.getUint16(optional + 50, true)}`,
  }
}

interface Section {
  /** In memory, relative to where the library is. */
  readonly start: number
  readonly bytes: number
  readonly offset: number
}

function sectionsOf(view: DataView, pe: number): Section[] {
  const first = pe + 24 + view.getUint16(pe + 20, true)
  return Array.from({ length: view.getUint16(pe + 6, true) }, (_, i) => {
    const at = first + 40 * i
    return {
      start: view.getUint32(at + 12, true),
      // What is in memory may be less than what is in the file, which is rounded up; or more, which is zeros.
      bytes: Math.min(view.getUint32(at + 8, true), view.getUint32(at + 16, true)),
      offset: view.getUint32(at + 20, true),
    }
  })
}
