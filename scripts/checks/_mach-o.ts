/**
 * Reads what a Mach-O library of one machine gives and needs: the names it exports, the libraries it asks for, the oldest macOS.
 * <mach-o/loader.h>; the tree of exports is described in `EXPORT_SYMBOL_FLAGS` there.
 */
import { TrituneError } from '../../core/errors.ts'

export interface MachOLibrary {
  /** Without the underscore that C names have there, sorted. */
  readonly exports: readonly string[]
  readonly needs: readonly string[]
  readonly system: string | null
  readonly isSigned: boolean
}

const LC_CODE_SIGNATURE = 0x1d
const LC_DYLD_INFO = 0x22
const LC_VERSION_MIN_MACOSX = 0x24
const LC_BUILD_VERSION = 0x32
const LC_DYLD_EXPORTS_TRIE = 0x33
/** Loaded, loaded if it is there, handed on, loaded late, handed up. */
const LOADS: ReadonlySet<number> = new Set([0xc, 0x18, 0x1f, 0x20, 0x23])
/** Set where a loader that does not know a command must give up; not a part of its name here. */
const MUST_KNOW = 0x8000_0000

/** Throws E_FORMAT when the bytes are not such a library. */
export function readMachO(file: Uint8Array, place: string): MachOLibrary {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (file.length < 32 || view.getUint32(0) !== 0xcffaedfe)
    throw new TrituneError('E_FORMAT', 'not a 64-bit Mach-O file of one machine', { place })
  const needs: string[] = []
  let exports: string[] = []
  let system: string | null = null
  let isSigned = false
  for (let i = 0, at = 32; i < view.getUint32(16, true); i++, at += view.getUint32(at + 4, true)) {
    const command = (view.getUint32(at, true) & ~MUST_KNOW) >>> 0
    const word = (offset: number): number => view.getUint32(at + offset, true)
    if (LOADS.has(command)) needs.push(textAt(file, at + word(8)))
    if (command === LC_DYLD_INFO) exports = exportTree(file, word(40), word(44))
    if (command === LC_DYLD_EXPORTS_TRIE) exports = exportTree(file, word(8), word(12))
    if (command === LC_BUILD_VERSION) system = version(word(12))
    if (command === LC_VERSION_MIN_MACOSX) system = version(word(8))
    isSigned ||= command === LC_CODE_SIGNATURE
  }
  return { exports: exports.map((name) => name.replace(/^_/, '')).toSorted(), needs, system, isSigned }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** A tree of prefixes: each node says whether a name ends there, then lists what may follow. */
function exportTree(file: Uint8Array, start: number, bytes: number): string[] {
  const names: string[] = []
  if (bytes === 0) return names
  const nodes: { at: number; prefix: string }[] = [{ at: 0, prefix: '' }]
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    const size = uleb(file, start + node.at)
    if (size.value > 0) names.push(node.prefix)
    let at = size.end + size.value
    const children = file[at++]
    for (let i = 0; i < children; i++) {
      const edge = textAt(file, at)
      const child = uleb(file, at + edge.length + 1)
      nodes.push({ at: child.value, prefix: node.prefix + edge })
      at = child.end
    }
  }
  return names
}

/** A number in pieces of 7 bits, the low ones first. */
function uleb(file: Uint8Array, start: number): { value: number; end: number } {
  let value = 0
  for (let at = start, factor = 1; ; at++, factor *= 128) {
    value += (file[at] & 127) * factor
    if (file[at] < 128) return { value, end: at + 1 }
  }
}

function version(packed: number): string {
  return `${packed >>> 16}.${(packed >>> 8) & 255}`
}

/** Up to the next 0. Names are ASCII. */
function textAt(file: Uint8Array, start: number): string {
  return new TextDecoder('latin1').decode(file.subarray(start, file.indexOf(0, start)))
}
