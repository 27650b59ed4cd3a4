/**
 * A file for what does not fit into memory: written and read at any place, and gone with whoever made it. It loses its name as soon as it is open, so
 * that even a kill leaves nothing. Windows keeps the name until it is closed; what a kill leaves there goes when one is made again.
 */
import { closeSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { TrituneError } from '../errors.ts'
import { readAhead } from '../native/read-ahead.ts'
import {
  createFolder,
  discard,
  fileError,
  readAll,
  removeStale,
  removeTree,
  temporaryName,
  writeAll,
} from './files.ts'

/** An open file without a name. */
export interface ScratchFile extends Disposable {
  readonly fd: number
  /** Throws E_DISK when the disk is full, with the remedy of who opened it. */
  write(bytes: Uint8Array, position: number): void
  read(target: Uint8Array, position: number): void
  /** Says that these bytes are read soon: the system fetches them meanwhile, where it can. */
  announce(position: number, bytes: number): void
}

/** `path`: what errors call it; the folder is made when it is not there. `remedy`: what to do when the disk is full. */
export function openScratchFile(path: string, remedy: string): ScratchFile {
  createFolder(dirname(path))
  const { name, fd } = create(path)
  const isNameless = removed(name)
  return {
    fd,
    write(bytes, position) {
      try {
        writeAll(fd, bytes, path, position)
      } catch (error) {
        if (error instanceof TrituneError && error.code === 'E_DISK')
          throw new TrituneError('E_DISK', error.what, { place: path, remedy, cause: error })
        throw error
      }
    },
    read: (target, position) => readAll(fd, target, position, path),
    announce: (position, bytes) => readAhead(fd, position, bytes),
    [Symbol.dispose]() {
      closeSync(fd)
      if (!isNameless) discard(name)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function create(path: string): { readonly name: string; readonly fd: number } {
  try {
    removeStale(path)
    const name = temporaryName(path)
    return { name, fd: openSync(name, 'wx+') }
  } catch (error) {
    throw fileError(error, path, 'cannot create')
  }
}

/** False where an open file keeps its name. */
function removed(name: string): boolean {
  if (process.platform === 'win32') return false
  try {
    removeTree(name)
    return true
  } catch {
    return false
  }
}
