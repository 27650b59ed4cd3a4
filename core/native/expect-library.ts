/**
 * Looks at a native library before it is opened, and says what it means when the system does not open it.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { TrituneError } from '../errors.ts'
import { fileError } from '../files/files.ts'
import { HEADER_BYTES, readBinaryHeader } from './binary-header.ts'
import { libraryRemedy } from './library-remedy.ts'
import { PLATFORM, platformLabel } from './platforms.ts'

/** Throws E_LIBRARY when the file is no library for `platform`, or does not have all its bytes; E_FILE when it cannot be read. */
export function expectLibrary(path: string, platform: string = PLATFORM): void {
  const { head, size } = readHead(path)
  const refuse = (what: string, state: 'damaged' | 'other'): TrituneError =>
    new TrituneError('E_LIBRARY', what, { place: path, remedy: libraryRemedy(path, state) })
  const header = readBinaryHeader(head)
  if (size === 0) throw refuse('the library was cut off: it has no bytes', 'damaged')
  if (header === 'cut off') throw refuse(`the library was cut off: it has ${size} bytes`, 'damaged')
  if (header === undefined) throw refuse('this is no native library', 'damaged')
  const { format, platforms, isLibrary, bytes } = header
  if (!platforms.includes(platform)) {
    const found = platforms.map(platformLabel).join(' and ')
    throw refuse(`the library is for ${found} (${format}), not for ${platformLabel(platform)}`, 'other')
  }
  if (!isLibrary) throw refuse(`this ${format} file is no shared library`, 'damaged')
  if (size < bytes) throw refuse(`the library was cut off: it has ${size} bytes of ${bytes}`, 'damaged')
}

/** E_LIBRARY for a library that is right as far as its header says, and that the system refuses to open, with what to do. */
export function openFailure(path: string, cause: unknown, platform: string = PLATFORM): TrituneError {
  const message = cause instanceof Error ? cause.message : String(cause)
  const { what, remedy } = explain(message, path, platform) ?? {
    what: `the library cannot be opened: ${message}`,
    remedy: `it may be damaged or built for another system: ${libraryRemedy(path, 'damaged')}`,
  }
  return new TrituneError('E_LIBRARY', what, { place: path, remedy, cause })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Explanation {
  readonly what: string
  readonly remedy: string
}

/** What the loaders say for what people can mend. */
function explain(message: string, path: string, platform: string): Explanation | undefined {
  if (platform.startsWith('darwin-') && /quarantine|code sign|not valid for use|disallowed/i.test(message)) {
    const file = quoted(path)
    return {
      what: `macOS does not let the library be opened: ${reasonOf(message)}`,
      remedy: `xattr -d com.apple.quarantine ${file}; if that is not enough: codesign --force --sign - ${file}`,
    }
  }
  const glibc = /version [`'](GLIBC_[\d.]+)' not found/.exec(message)?.[1]
  if (glibc !== undefined)
    return {
      what: `the library needs a newer C library than this system has: ${glibc}`,
      remedy: 'a newer Linux (docs/platforms.md says which), or build the library there: bun run native',
    }
  if (/failed to map segment/.test(message))
    return {
      what: 'the library lies on a disk from which nothing may be run (mounted noexec)',
      remedy: 'put tritune on another disk, or mount that one without noexec',
    }
  if (platform.startsWith('win32-') && /module could not be found|\b126\b/i.test(message))
    return {
      what: 'Windows lacks something that the library needs, or cannot reach it by this path',
      remedy: `Windows 10 or newer is needed; a path of more than 259 characters needs long paths (docs/platforms.md); else ${libraryRemedy(path, 'damaged')}`,
    }
  return undefined
}

/** Of `tried: 'path' (code signature in <…> 'path' not valid …), …` what stands in the first brackets. */
function reasonOf(message: string): string {
  return /tried: '[^']*' \((.*?)\)(?:,|$)/s.exec(message)?.[1] ?? message.split('\n')[0]
}

/** For a POSIX shell. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}

function readHead(path: string): { head: Uint8Array; size: number } {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    throw fileError(error, path, 'cannot open the library')
  }
  try {
    const head = new Uint8Array(HEADER_BYTES)
    const { size } = fstatSync(file)
    return { head: head.subarray(0, readSync(file, head, 0, head.length, 0)), size }
  } catch (error) {
    throw fileError(error, path, 'cannot read the library')
  } finally {
    closeSync(file)
  }
}
