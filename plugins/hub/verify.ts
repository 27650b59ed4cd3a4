/**
 * Whether a blob of the cache is what its name says: sha256 of a large file, git's blob id of a small one. Other programs
 * check sizes only, and disks err. Each blob is read once; that it was right is remembered beside the blobs, until its
 * size or time changes.
 */
import { createHash, type Hash } from 'node:crypto'
import { lstatSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { errorCode, fileError } from '../../core/files/files.ts'
import { feedFile } from '../../core/files/hash-file.ts'
import { TrituneError } from '../../core/errors.ts'

export interface VerifyOptions {
  /** Told before a file is read that takes a while. */
  onNote?(text: string): void
}

/** False when the content is not that of the name. A name that is no hash says nothing, and passes. */
export function isRightBlob(blob: string, { onNote }: VerifyOptions = {}): boolean {
  const etag = basename(blob)
  try {
    const hash = hashOf(etag, statSync(blob).size)
    if (hash === undefined || isRemembered(blob)) return true
    if (statSync(blob).size >= WORTH_TELLING_BYTES)
      onNote?.(`checking the cached ${etag.slice(0, 12)} … (once)`)
    feedFile(blob, hash)
    if (hash.digest('hex') !== etag) return false
    remember(blob)
    return true
  } catch (error) {
    throw fileError(error, blob, 'cannot read')
  }
}

/** The blob that a file of a snapshot is a link to; undefined for a copy. */
export function blobOf(file: string): string | undefined {
  if (!lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink()) return undefined
  const target = join(dirname(file), readlinkSync(file))
  return basename(dirname(target)) === 'blobs' ? target : undefined
}

/** To be called when the content was hashed on its way to the disk. */
export function remember(blob: string): void {
  try {
    writeFileAtomic(memory(blob), stamp(blob))
  } catch (error) {
    // A cache that cannot be written (a shared one, a full disk) is checked again next time.
    if (!(error instanceof TrituneError)) throw error
  }
}

/** The hash that a name of the cache stands for. */
export function hashOf(etag: string, bytes: number): Hash | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return createHash('sha256')
  if (/^[0-9a-f]{40}$/.test(etag)) return createHash('sha1').update(`blob ${bytes}\0`)
  return undefined
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const WORTH_TELLING_BYTES = 1e9

function memory(blob: string): string {
  return join(dirname(dirname(blob)), '.verified', basename(blob))
}

function stamp(blob: string): string {
  const { size, mtimeMs, ino } = statSync(blob)
  return `${size} ${mtimeMs} ${ino}\n`
}

function isRemembered(blob: string): boolean {
  try {
    return readFileSync(memory(blob), 'utf8') === stamp(blob)
  } catch (error) {
    if (errorCode(error) === undefined) throw error
    return false
  }
}
