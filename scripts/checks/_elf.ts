/**
 * Reads what a 64-bit little-endian ELF library gives and needs: the names it exports, the libraries it asks for and the
 * symbol versions of those. Nothing else of ELF.
 * https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.symtab.html, https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
 */
import { TrituneError } from '../../core/errors.ts'

const DYNAMIC = 6
const DYNSYM = 11
const VERNEED = 0x6ffffffe
const DT_NEEDED = 1

export interface ElfLibrary {
  /** Defined dynamic symbols, sorted. */
  readonly exports: readonly string[]
  /** `libc.so.6`, … */
  readonly needs: readonly string[]
  /** `GLIBC_2.34`, …, sorted as text. */
  readonly versions: readonly string[]
}

interface Section {
  readonly type: number
  readonly offset: number
  readonly bytes: number
  readonly link: number
  readonly info: number
}

/** Throws E_FORMAT when the bytes are not such a library. */
export function readElf(file: Uint8Array, place: string): ElfLibrary {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (file.byteLength < 64 || view.getUint32(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) {
    throw new TrituneError('E_FORMAT', 'not a 64-bit little-endian ELF file', { place })
  }
  const sections = readSections(view)
  const symbols = sections.find(({ type }) => type === DYNSYM)
  if (!symbols) throw new TrituneError('E_FORMAT', 'the library has no dynamic symbols', { place })
  const strings = sections[symbols.link].offset
  const text = (offset: number): string => {
    const start = strings + offset
    return new TextDecoder().decode(file.subarray(start, file.indexOf(0, start)))
  }
  return {
    exports: exportedNames(view, symbols).map(text).toSorted(),
    needs: neededNames(view, sections).map(text),
    versions: [...new Set(neededVersions(view, sections).map(text))].toSorted(),
  }
}

// ---- helpers: offsets into the table of strings -----------------------------------------------------------------

function readSections(view: DataView): Section[] {
  const table = Number(view.getBigUint64(40, true))
  const entryBytes = view.getUint16(58, true)
  return Array.from({ length: view.getUint16(60, true) }, (_, index) => {
    const at = table + index * entryBytes
    return {
      type: view.getUint32(at + 4, true),
      offset: Number(view.getBigUint64(at + 24, true)),
      bytes: Number(view.getBigUint64(at + 32, true)),
      link: view.getUint32(at + 40, true),
      info: view.getUint32(at + 44, true),
    }
  })
}

function exportedNames(view: DataView, { offset, bytes }: Section): number[] {
  const names: number[] = []
  for (let at = offset; at < offset + bytes; at += 24) {
    const isDefined = view.getUint16(at + 6, true) !== 0
    if (isDefined) names.push(view.getUint32(at, true))
  }
  return names
}

function neededNames(view: DataView, sections: readonly Section[]): number[] {
  const dynamic = sections.find(({ type }) => type === DYNAMIC)
  const names: number[] = []
  if (!dynamic) return names
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.bytes; at += 16) {
    if (Number(view.getBigInt64(at, true)) === DT_NEEDED) names.push(Number(view.getBigUint64(at + 8, true)))
  }
  return names
}

function neededVersions(view: DataView, sections: readonly Section[]): number[] {
  const section = sections.find(({ type }) => type === VERNEED)
  const names: number[] = []
  if (!section) return names
  let library = section.offset
  for (let i = 0; i < section.info; i++) {
    let version = library + view.getUint32(library + 8, true)
    for (let k = 0; k < view.getUint16(library + 2, true); k++) {
      names.push(view.getUint32(version + 8, true))
      version += view.getUint32(version + 12, true)
    }
    library += view.getUint32(library + 12, true)
  }
  return names
}
