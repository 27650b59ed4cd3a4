/**
 * Files and folders that appear whole or not at all: written under a temporary name in the same folder, flushed to the
 * disk, then renamed. Not a transaction over several paths: each call makes one file or one folder appear.
 */

import { closeSync, existsSync, fsyncSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import {
  createFolder,
  discard,
  fileError,
  openFile,
  removeStaleIn,
  removeTree,
  syncPath,
  syncTree,
  temporaryName,
  writeAll,
} from './files.ts'
import { rename } from './rename.ts'

/**
 * Writes a file atomically; its folder is created when missing. A string is written as UTF-8.
 * @throws E_DISK when the disk is full, E_FILE when the path cannot be written. The old file stays as it was.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array): void {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
  writeStreamAtomic(path, [bytes])
}

/** Copies a file of moderate size, whole or not at all. Throws E_FILE for what cannot be read or written, E_DISK. */
export function copyFileAtomic(from: string, to: string): void {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(from)
  } catch (error) {
    throw fileError(error, from, 'cannot read')
  }
  writeFileAtomic(to, bytes)
}

/**
 * As `writeFileAtomic`, from chunks; an error thrown by the iterable removes the temporary file. `beforeRename` runs
 * when all bytes are on the disk and the old file is still there.
 */
export function writeStreamAtomic(
  path: string,
  chunks: Iterable<Uint8Array>,
  { beforeRename = () => {} }: { readonly beforeRename?: () => void } = {},
): void {
  const target = resolve(path)
  const temporary = temporaryName(target)
  guard(
    target,
    () => {
      createFolder(dirname(target))
      writeFileSynced(temporary, chunks)
      beforeRename()
      rename(temporary, target)
      syncPath(dirname(target))
    },
    temporary,
  )
}

/** Fills a new file from chunks and flushes it; not atomic, the file must not exist. */
export function writeFileSynced(path: string, chunks: Iterable<Uint8Array>): void {
  const fd = openFile(path, 'wx')
  try {
    for (const chunk of chunks) writeAll(fd, chunk, path)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Fills a temporary folder beside `finalPath` and gives it that name when `fill` has returned. An existing folder is
 * moved aside first and removed last, so that the final name never shows a mixture or a half-written folder. When the
 * process is killed exactly between the two renames, `recoverFolder` puts the old one back.
 * @throws what `fill` throws (the temporary folder is removed), E_DISK, E_FILE
 */
export async function writeFolderAtomic(
  finalPath: string,
  fill: (temporaryPath: string) => void | Promise<void>,
): Promise<void> {
  const target = resolve(finalPath)
  const temporary = prepareFolder(target)
  try {
    await fill(temporary)
  } catch (error) {
    discard(temporary)
    throw fileError(error, target, 'cannot write the folder')
  }
  publishFolder(temporary, target)
}

/** As `writeFolderAtomic`, for a `fill` that does not wait. */
export function writeFolderAtomicSync(finalPath: string, fill: (temporaryPath: string) => void): void {
  const target = resolve(finalPath)
  const temporary = prepareFolder(target)
  guard(target, () => fill(temporary), temporary)
  publishFolder(temporary, target)
}

/** Puts back a folder that a killed `writeFolderAtomic` had moved aside; true when there was one to put back. */
export function recoverFolder(finalPath: string): boolean {
  const target = resolve(finalPath)
  const parent = dirname(target)
  if (existsSync(target) || !existsSync(parent)) return false
  const prefix = `.${basename(target)}.old-`
  // Of several the one that was moved last.
  const aside = readdirSync(parent)
    .filter((name) => name.startsWith(prefix))
    .map((name) => ({ path: join(parent, name), time: statSync(join(parent, name)).ctimeMs }))
    .toSorted((a, b) => b.time - a.time)
    .at(0)
  if (aside === undefined) return false
  guard(target, () => rename(aside.path, target))
  return true
}

/** Removes a folder so that its name never shows a part of it: renamed first (as a leftover of `as`), then deleted. */
export function removeFolderAtomic(path: string, as: string = path): void {
  const target = resolve(path)
  const aside = temporaryName(resolve(as))
  guard(target, () => {
    rename(target, aside)
    removeTree(aside)
  })
}

function prepareFolder(target: string): string {
  const temporary = temporaryName(target)
  guard(target, () => {
    createFolder(dirname(target))
    // Of folders with other names too: a command that is stopped while it writes may never write this one again.
    removeStaleIn(dirname(target))
    mkdirSync(temporary)
  })
  return temporary
}

function publishFolder(temporary: string, target: string): void {
  guard(
    target,
    () => {
      syncTree(temporary)
      if (!existsSync(target)) rename(temporary, target)
      else swapFolder(temporary, target)
      syncPath(dirname(target))
    },
    temporary,
  )
}

function swapFolder(temporary: string, target: string): void {
  const aside = temporaryName(target, 'old')
  rename(target, aside)
  try {
    rename(temporary, target)
  } catch (error) {
    rename(aside, target)
    throw error
  }
  // What is named old is whole, always: it is renamed before it is taken apart.
  removeFolderAtomic(aside, target)
}

/** Runs `work`; on failure removes `temporary` and rethrows operating-system errors as tritune's. */
function guard(target: string, work: () => void, temporary?: string): void {
  try {
    work()
  } catch (error) {
    if (temporary !== undefined) discard(temporary)
    throw fileError(error, target, 'cannot write')
  }
}
