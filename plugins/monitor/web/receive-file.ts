/**
 * A file of data that somebody gives to the page: it lies under `data/` beside the runs, whole or not at all, and never takes the place of another.
 */
import { closeSync, existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  createFolder,
  discard,
  fileError,
  openFile,
  temporaryName,
  writeAll,
} from '../../../core/files/files.ts'
import { expectSpace } from '../../../core/files/free-space.ts'
import { rename } from '../../../core/files/rename.ts'
import { TrituneError } from '../../../core/mod.ts'
import { type HttpBytes, HttpRefusal } from '../../http/mod.ts'

/** Of examples, more than a page is for. */
export const MOST_BYTES: number = 4 * 2 ** 30

/** Returns its path. Throws 400 for a name that is none of a file of data, E_FILE where there is one of that name, E_DISK. */
export async function receiveFile(root: string, name: string, body: HttpBytes): Promise<string> {
  if (!/^[A-Za-z0-9][\w .-]{0,99}\.(jsonl?|csv|parquet|arrow|txt)$/.test(name))
    throw new HttpRefusal(
      400,
      `expected the name of a .jsonl, .json, .csv, .parquet, .arrow or .txt file, got "${name.slice(0, 120)}"`,
      { remedy: 'rename it: letters, digits, blanks and . _ - , and the ending of what it is' },
    )
  const path = join(root, 'data', name)
  const taken = (): TrituneError =>
    new TrituneError('E_FILE', 'there is a file of this name', {
      place: path,
      remedy: 'use that one, or give it another name',
    })
  if (existsSync(path)) throw taken()
  expectSpace(dirname(path), body.length, {
    what: 'this file',
    remedy: 'make room, or name the file where it lies',
  })
  createFolder(dirname(path))
  const temporary = temporaryName(path)
  try {
    await write(temporary, body)
    if (existsSync(path)) throw taken()
    rename(temporary, path)
  } catch (error) {
    discard(temporary)
    throw fileError(error, path, 'cannot write')
  }
  return path
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function write(path: string, body: HttpBytes): Promise<void> {
  const fd = openFile(path, 'wx')
  try {
    for await (const chunk of body) writeAll(fd, chunk, path)
  } finally {
    closeSync(fd)
  }
}
