/**
 * File helpers: complete writes and reads, syncing to the disk, temporary names, and operating-system errors
 * turned into tritune's. Not an abstraction over file systems; everything here is a thin layer over node:fs.
 */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { TrituneError } from '../errors.ts'

/** No single read or write is larger: some systems cut calls at 2 GiB. */
const CALL_BYTES = 64 * 1024 * 1024

/** Writes all bytes at the current position of `fd`, or from byte `position` on. */
export function writeAll(fd: number, bytes: Uint8Array, path: string, position?: number): void {
  let done = 0
  while (done < bytes.length) {
    try {
      const at = position === undefined ? null : position + done
      done += writeSync(fd, bytes, done, Math.min(CALL_BYTES, bytes.length - done), at)
    } catch (error) {
      throw fileError(error, path, 'cannot write')
    }
  }
}

/** Fills `target` from byte `position` of `fd`; a file that ends early is an E_FORMAT error. */
export function readAll(fd: number, target: Uint8Array, position: number, path: string): void {
  let done = 0
  while (done < target.length) {
    let got: number
    try {
      got = readSync(fd, target, done, Math.min(CALL_BYTES, target.length - done), position + done)
    } catch (error) {
      throw fileError(error, path, 'cannot read')
    }
    if (got === 0) {
      throw new TrituneError(
        'E_FORMAT',
        `the file ends at byte ${position + done}, ${target.length - done} bytes too early`,
        { place: path, remedy: 'the file is truncated or still being written: download or copy it again' },
      )
    }
    done += got
  }
}

/** Opens a file, with E_FILE when that fails. */
export function openFile(path: string, flags: 'r' | 'wx'): number {
  try {
    return openSync(path, flags)
  } catch (error) {
    throw fileError(error, path, flags === 'r' ? 'cannot open' : 'cannot create')
  }
}

/** Creates a file for writing, or gives undefined when something has that name already. */
export function openExclusive(path: string): number | undefined {
  try {
    return openSync(path, 'wx')
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return undefined
    throw fileError(error, path, 'cannot create')
  }
}

/** Creates a folder and those above it. E_FILE names the part that is a file, which the system calls "exists". */
export function createFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    const isFile = errorCode(error) === 'EEXIST' && !statSync(path, { throwIfNoEntry: false })?.isDirectory()
    const cause = isFile ? Object.assign(new Error('a file is in the way'), { code: 'ENOTDIR' }) : error
    throw fileError(cause, path, 'cannot create the folder')
  }
}

/**
 * Flushes a file or a folder to the disk. Windows cannot flush folders (its renames are durable anyway), and flushes what is open for
 * writing only: a file that is marked as read-only there was flushed when it was made, or not at all.
 */
export function syncPath(path: string): void {
  const isWindows = process.platform === 'win32'
  if (isWindows && !isWritableFile(path)) return
  const fd = openSync(path, isWindows ? 'r+' : 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function isWritableFile(path: string): boolean {
  const stat = statSync(path)
  return stat.isFile() && (stat.mode & 0o200) !== 0
}

/** Flushes every file and folder below `folder`, and the folder itself. */
export function syncTree(folder: string): void {
  for (const item of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, item.name)
    if (item.isDirectory()) syncTree(path)
    else if (item.isFile()) syncPath(path)
  }
  syncPath(folder)
}

/** A hidden name beside `path`, on the same disk, that tells who made it: `.name.tmp-host-pid-random`. */
export function temporaryName(path: string, kind: 'tmp' | 'old' = 'tmp'): string {
  const random = Math.random().toString(36).slice(2, 10)
  return join(dirname(path), `.${basename(path)}.${kind}-${hostname()}-${process.pid}-${random}`)
}

/** Removes what killed processes of this host left beside `path` under temporary names. */
export function removeStale(path: string): void {
  removeLeftovers(dirname(path), (name) => name.startsWith(`.${basename(path)}.tmp-`))
}

/** As `removeStale`, for everything directly in a folder. */
export function removeStaleIn(folder: string): void {
  removeLeftovers(folder, (name) => name.startsWith('.'))
}

function removeLeftovers(folder: string, isOurs: (name: string) => boolean): void {
  const mark = `.tmp-${hostname()}-`
  for (const name of readdirSync(folder)) {
    const at = name.indexOf(mark)
    if (at < 0 || !isOurs(name)) continue
    const pid = Number(name.slice(at + mark.length).split('-')[0])
    if (Number.isInteger(pid) && pid > 0 && !isAlive(pid)) {
      removeTree(join(folder, name))
    }
  }
}

/** Removes a file or a folder with all in it, if it is there; on Windows also one that somebody has just looked into. */
export function removeTree(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

/** Removes a temporary file or folder after a failure, which stays the error that is reported. */
export function discard(path: string): void {
  try {
    removeTree(path)
  } catch {
    // The first error says more; the leftover has a temporary name and `removeStale` gets it later.
  }
}

/** A path as people know it: without the temporary names of files and folders that are not there yet. */
export function publicPath(path: string): string {
  const shown = path.replaceAll(/\.([^/\\]+)\.(?:tmp|old)-[^/\\]*-\d+-[a-z0-9]+(?:\.gguf)?(?=[/\\]|$)/g, '$1')
  // A file that is written into one that has such a name itself.
  return shown === path ? path : publicPath(shown)
}

/**
 * An operating-system error as a TrituneError that says its true reason: E_DISK when the disk is full, else E_FILE. A
 * path that cannot be one is E_FILE, too. Others pass unchanged.
 */
export function fileError(
  error: unknown,
  path: string,
  doing: string,
  platform: string = process.platform,
): Error {
  if (error instanceof TrituneError) return error
  const code = errorCode(error)
  if (!(error instanceof Error) || code === undefined)
    return error instanceof Error ? error : new Error(String(error))
  const place = publicPath(path).replaceAll('\0', '\\0')
  if (code.startsWith('ERR_')) {
    if (!path.includes('\0')) return error
    const details = { place, remedy: 'name another path', cause: error }
    return new TrituneError('E_FILE', `${doing}: the path has a NUL character in it`, details)
  }
  const full = FULL[code]
  if (full !== undefined) {
    const remedy = 'free some space or choose another output folder; nothing half-written was left behind'
    return new TrituneError('E_DISK', `${doing}: ${full}`, { place, remedy, cause: error })
  }
  const { what, remedy } = (platform === 'win32' ? onWindows(code, path) : undefined) ??
    REASONS[code] ?? { what: systemReason(error, code) }
  return new TrituneError('E_FILE', `${doing}: ${what}`, { place, remedy, cause: error })
}

/** The `code` of a node:fs error (`ENOENT`…), or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

interface Reason {
  readonly what: string
  readonly remedy?: string
}

/** What Windows means by it, where that is something else. */
function onWindows(code: string, path: string): Reason | undefined {
  if (code === 'EPERM' || code === 'EACCES' || code === 'EBUSY')
    return {
      what: 'permission denied, or a program has it open',
      remedy: 'close what uses it (also a run or a model that is still open), or check its permissions',
    }
  if ((code === 'ENOENT' || code === 'ENAMETOOLONG') && resolve(path).length > LONGEST_WINDOWS_PATH)
    return {
      what: `the path has ${resolve(path).length} characters, more than the ${LONGEST_WINDOWS_PATH} that Windows takes`,
      remedy: 'use a shorter path, or switch long paths on (docs/platforms.md)',
    }
  return undefined
}

const LONGEST_WINDOWS_PATH = 259

const FULL: Readonly<Record<string, string | undefined>> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is too large for this disk',
}

const REASONS: Readonly<Record<string, Reason | undefined>> = {
  ENOENT: { what: 'no such file or folder', remedy: 'check the path' },
  EACCES: { what: 'permission denied', remedy: 'check who owns the path and its permissions' },
  EPERM: { what: 'permission denied', remedy: 'check who owns the path and its permissions' },
  EROFS: { what: 'the disk is read-only', remedy: 'choose another folder' },
  EISDIR: { what: 'it is a folder, not a file' },
  ENOTDIR: { what: 'a part of the path is a file, not a folder' },
  EEXIST: { what: 'something else has that name', remedy: 'remove it or choose another path' },
  ENOTEMPTY: { what: 'the folder is not empty' },
  ENAMETOOLONG: { what: 'the name is too long', remedy: 'choose a shorter one' },
  ELOOP: { what: 'its links go in a circle', remedy: 'check where the links point' },
  EMFILE: { what: 'too many open files', remedy: 'raise the limit with `ulimit -n`' },
  ENFILE: { what: 'too many open files on this machine', remedy: 'close other programs' },
  EBUSY: { what: 'something else uses it', remedy: 'check what is mounted or running there' },
  ETXTBSY: { what: 'it is a program that runs' },
  ESTALE: { what: 'the network folder went away', remedy: 'mount it again' },
  EIO: { what: 'the disk reported an input/output error', remedy: 'check the disk' },
}

/** What the system says: `EXDEV: cross-device link not permitted, rename 'a' -> 'b'` without the paths. */
function systemReason({ message }: Error, code: string): string {
  const reason = /^E[A-Z0-9]+: (.*?)(, \w+( '.*)?)?$/.exec(message)?.[1]
  return reason === undefined ? code : `${reason} (${code})`
}

/** Whether a process of this host is running. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) !== 'ESRCH'
  }
}
