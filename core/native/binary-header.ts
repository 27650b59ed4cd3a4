/**
 * What the first bytes of a native library say: ELF, Mach-O or PE, for which machines, and how long the file has to be. So that
 * a library of another system, or one that was half copied, is one clear error: the loaders' own messages mislead, and some
 * end the process. Says nothing about what is inside.
 *
 * https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html, <mach-o/loader.h> and <mach-o/fat.h> of macOS,
 * https://learn.microsoft.com/en-us/windows/win32/debug/pe-format
 */

export interface BinaryHeader {
  readonly format: 'ELF' | 'Mach-O' | 'PE'
  /** `linux-x64`, `darwin-arm64`, …; `linux-riscv64`. A universal Mach-O file has several. */
  readonly platforms: readonly string[]
  /** It is a shared library, no program and no object file. */
  readonly isLibrary: boolean
  /** What the file has at least: where its last part ends. */
  readonly bytes: number
}

/** More than the headers of any library take. */
export const HEADER_BYTES: number = 1 << 16

/**
 * `head` is the beginning of a file, at most HEADER_BYTES of it. Undefined: none of the three formats. `cut off`: it begins like
 * one, and ends before its headers do.
 */
export function readBinaryHeader(head: Uint8Array): BinaryHeader | 'cut off' | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const read = readerOf(view)
  if (read === undefined) return undefined
  try {
    return read(view)
  } catch (error) {
    // What is read lies behind the end.
    if (error instanceof RangeError) return 'cut off'
    throw error
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Reader = (view: DataView) => BinaryHeader | undefined

function readerOf(view: DataView): Reader | undefined {
  if (view.byteLength < 4) return undefined
  const magic = view.getUint32(0)
  if (magic === 0x7f454c46) return readElf
  if (magic === 0xcffaedfe) return readMachO
  if (magic === 0xcafebabe) return readUniversal
  return magic >>> 16 === 0x4d5a ? readPe : undefined
}

const ELF_MACHINES: Readonly<Record<number, string | undefined>> = {
  3: 'ia32',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
}
const MACH_O_MACHINES: Readonly<Record<number, string | undefined>> = {
  7: 'ia32',
  0x0100_0007: 'x64',
  0x0100_000c: 'arm64',
}
const PE_MACHINES: Readonly<Record<number, string | undefined>> = {
  0x14c: 'ia32',
  0x8664: 'x64',
  0xaa64: 'arm64',
}

function named(
  system: string,
  machines: Readonly<Record<number, string | undefined>>,
  machine: number,
): string {
  return `${system}-${machines[machine] ?? `machine${machine}`}`
}

function readElf(view: DataView): BinaryHeader {
  const isLittle = view.getUint8(5) === 1
  const platforms = [named('linux', ELF_MACHINES, view.getUint16(18, isLittle))]
  const isLibrary = view.getUint16(16, isLittle) === 3 // ET_DYN
  // 32 bits: of no machine that there is a library for.
  if (view.getUint8(4) !== 2) return { format: 'ELF', platforms, isLibrary, bytes: 52 }
  const table = (at: number, size: number, count: number): number =>
    Number(view.getBigUint64(at, isLittle)) + view.getUint16(size, isLittle) * view.getUint16(count, isLittle)
  // The table of sections is the last thing in the file; segments are for files that have none.
  let bytes = Math.max(64, table(40, 58, 60))
  const first = Number(view.getBigUint64(32, isLittle))
  for (let i = 0; i < view.getUint16(56, isLittle); i++) {
    const segment = first + i * view.getUint16(54, isLittle)
    const offset = Number(view.getBigUint64(segment + 8, isLittle))
    bytes = Math.max(bytes, offset + Number(view.getBigUint64(segment + 32, isLittle)))
  }
  return { format: 'ELF', platforms, isLibrary, bytes }
}

const LC_SEGMENT_64 = 0x19

function readMachO(view: DataView): BinaryHeader {
  const [machine, kind, count] = [4, 12, 16].map((at) => view.getUint32(at, true))
  const first = 32
  let bytes = first + view.getUint32(20, true)
  for (let i = 0, at = first; i < count; i++) {
    if (view.getUint32(at, true) === LC_SEGMENT_64) {
      const end = view.getBigUint64(at + 40, true) + view.getBigUint64(at + 48, true)
      bytes = Math.max(bytes, Number(end))
    }
    // A size of 0 would not get on; what is damaged ends with the view.
    at += Math.max(8, view.getUint32(at + 4, true))
  }
  return {
    format: 'Mach-O',
    platforms: [named('darwin', MACH_O_MACHINES, machine)],
    isLibrary: kind === 6 || kind === 8, // MH_DYLIB, MH_BUNDLE
    bytes,
  }
}

/** Several Mach-O files in one. Classes of Java begin the same way, with a version of 45 and more in place of the count. */
function readUniversal(view: DataView): BinaryHeader | undefined {
  const count = view.getUint32(4)
  if (count > 40) return undefined
  const parts = Array.from({ length: count }, (_, i) => 8 + 20 * i)
  return {
    format: 'Mach-O',
    platforms: parts.map((at) => named('darwin', MACH_O_MACHINES, view.getUint32(at))),
    isLibrary: true,
    bytes: Math.max(8, ...parts.map((at) => view.getUint32(at + 8) + view.getUint32(at + 12))),
  }
}

function readPe(view: DataView): BinaryHeader | undefined {
  const pe = view.getUint32(0x3c, true)
  if (view.getUint32(pe) !== 0x50450000) return undefined
  const optional = pe + 24
  const sections = optional + view.getUint16(pe + 20, true)
  let bytes = sections
  for (let i = 0; i < view.getUint16(pe + 6, true); i++) {
    const at = sections + 40 * i
    bytes = Math.max(bytes, view.getUint32(at + 16, true) + view.getUint32(at + 20, true))
  }
  // Of a signed file the signature is behind the sections, named in the fifth directory.
  if (view.getUint16(optional, true) === 0x20b && view.getUint32(optional + 108, true) > 4)
    bytes = Math.max(bytes, view.getUint32(optional + 144, true) + view.getUint32(optional + 148, true))
  return {
    format: 'PE',
    platforms: [named('win32', PE_MACHINES, view.getUint16(pe + 4, true))],
    isLibrary: (view.getUint16(pe + 22, true) & 0x2000) !== 0,
    bytes,
  }
}
