/**
 * Reads the names that a 64-bit little-endian ELF library exports: its defined dynamic symbols. Nothing else of ELF.
 * https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.symtab.html
 */
import { TrituneError } from '../../core/errors.ts'

const DYNSYM = 11

/** Throws E_FORMAT when the bytes are not such a library. */
export function exportedSymbols(file: Uint8Array, place: string): string[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (file.byteLength < 64 || view.getUint32(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) {
    throw new TrituneError('E_FORMAT', 'not a 64-bit little-endian ELF file', { place })
  }
  const sections = Number(view.getBigUint64(40, true))
  const entryBytes = view.getUint16(58, true)
  const count = view.getUint16(60, true)
  const section = (index: number): { type: number; offset: number; bytes: number; link: number } => {
    const at = sections + index * entryBytes
    return {
      type: view.getUint32(at + 4, true),
      offset: Number(view.getBigUint64(at + 24, true)),
      bytes: Number(view.getBigUint64(at + 32, true)),
      link: view.getUint32(at + 40, true),
    }
  }
  const table = Array.from({ length: count }, (_, i) => section(i)).find(({ type }) => type === DYNSYM)
  if (!table) throw new TrituneError('E_FORMAT', 'the library has no dynamic symbols', { place })
  const strings = section(table.link)
  const names: string[] = []
  for (let at = table.offset; at < table.offset + table.bytes; at += 24) {
    const defined = view.getUint16(at + 6, true) !== 0
    if (!defined) continue
    const start = strings.offset + view.getUint32(at, true)
    names.push(new TextDecoder().decode(file.subarray(start, file.indexOf(0, start))))
  }
  return names.toSorted()
}
