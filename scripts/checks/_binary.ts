/**
 * What a native library of any system gives and needs, read from the file and without opening it.
 */
import { TrituneError } from '../../core/errors.ts'
import { HEADER_BYTES, readBinaryHeader } from '../../core/native/binary-header.ts'
import { readElf } from './_elf.ts'
import { readMachO } from './_mach-o.ts'
import { readPe } from './_pe.ts'

export interface NativeFile {
  /** Names that it exports, as in C, sorted. */
  readonly exports: readonly string[]
  /** Libraries that it asks for: `libc.so.6`, `/usr/lib/libSystem.B.dylib`, `KERNEL32.dll`. */
  readonly needs: readonly string[]
  /** ELF: `GLIBC_2.34`, …, sorted as text. */
  readonly versions: readonly string[]
  /** Mach-O: the oldest macOS, as `12.0`; PE: the oldest Windows, as `6.0`; null: the file does not say. */
  readonly system: string | null
  /** Mach-O: it has a signature, without which Apple silicon opens nothing. */
  readonly isSigned: boolean
}

/** Throws E_FORMAT when the bytes are no library of 64 bits that is known here. */
export function readNativeFile(file: Uint8Array, place: string): NativeFile {
  const header = readBinaryHeader(file.subarray(0, HEADER_BYTES))
  if (header === undefined || header === 'cut off' || header.bytes > file.length)
    throw new TrituneError('E_FORMAT', 'this is no whole native library', { place })
  const read = { ELF: readElf, 'Mach-O': readMachO, PE: readPe }[header.format]
  return { versions: [], system: null, isSigned: false, ...read(file, place) }
}
