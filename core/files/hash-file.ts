/**
 * Hashes of files, read in pieces: they may be larger than memory.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { fileError } from './files.ts'

const PIECE = 1 << 20

/** Feeds a file, or its first `bytes`, to a hash. Throws E_FILE. */
export function feedFile(path: string, hash: Hash, bytes: number = Infinity): void {
  try {
    const file = openSync(path, 'r')
    const piece = new Uint8Array(PIECE)
    try {
      for (let done = 0; done < bytes;) {
        const got = readSync(file, piece, 0, Math.min(PIECE, bytes - done), done)
        if (got === 0) break
        hash.update(piece.subarray(0, got))
        done += got
      }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw fileError(error, path, 'cannot read')
  }
}

/** SHA-256 as hexadecimal text. */
export function sha256OfFile(path: string): string {
  const hash = createHash('sha256')
  feedFile(path, hash)
  return hash.digest('hex')
}
