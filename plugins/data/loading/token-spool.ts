/**
 * Tokens of documents in a file, where a dataset is too large for memory: written one after the other, read back a document at a time.
 *
 * The file has no name that lasts: it goes with the spool, and on most systems with the process, however that ends.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import { fileError } from '../../../core/files/files.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { isPlain, maskOf, StoredExample } from '../types/stored-example.ts'
import type { ExampleStore } from './token-store.ts'

/** Where documents go, and come from again. */
export interface TokenSpool extends ExampleStore, Disposable {
  /** An example whose tokens are read from the file when they are asked for. */
  add(example: TokenizedExample): TokenizedExample
  /** Bytes in the file. */
  readonly bytes: number
}

/** In `folder`; default: the one of the system for temporary files. E_FILE or E_DISK when it cannot be written. */
export function openTokenSpool(folder: string = tmpdir()): TokenSpool {
  const path = join(folder, `tritune-tokens-${randomBytes(6).toString('hex')}.tmp`)
  const file = open(folder, path)
  let bytes = 0
  let isOpen = true
  const read = (start: number, length: number): Int32Array => {
    if (!isOpen) throw new TrituneError('E_DATA', 'the streamed dataset is closed')
    const ids = new Int32Array(length)
    const target = new Uint8Array(ids.buffer)
    for (let done = 0; done < target.length;) {
      const got = readSync(file, target, done, target.length - done, 4 * start + done)
      if (got === 0) throw new TrituneError('E_DATA', 'the streamed dataset was cut short', { place: path })
      done += got
    }
    return ids
  }
  const area = { read }
  return {
    get bytes() {
      return bytes
    },
    add(example) {
      if (!isPlain(example)) return example
      const { ids, source } = example
      const start = bytes
      const content = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)
      try {
        for (let done = 0; done < content.length;)
          done += writeSync(file, content, done, content.length - done, start + done)
      } catch (error) {
        throw fileError(error, path, 'cannot write')
      }
      bytes += content.length
      return new StoredExample(area, start / 4, ids.length, maskOf(example), source)
    },
    [Symbol.dispose]() {
      if (!isOpen) return
      isOpen = false
      closeSync(file)
      rmSync(path, { force: true })
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function open(folder: string, path: string): number {
  try {
    mkdirSync(folder, { recursive: true })
    const file = openSync(path, 'wx+')
    // Elsewhere than on Windows an open file needs no name.
    if (process.platform !== 'win32') rmSync(path, { force: true })
    return file
  } catch (error) {
    throw fileError(error, path, 'cannot create')
  }
}
