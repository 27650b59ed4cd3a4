/**
 * Many files as one: an index in JSON and their bytes, compressed. What a binary carries.
 */
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, isAbsolute, join, normalize } from 'node:path'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { TrituneError } from '../../core/errors.ts'

/** A file of a payload; `path` has slashes and lies below the folder that it is unpacked into. */
export interface PayloadFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/** The bytes of all. `level` is that of zstd. */
export function packFiles(files: readonly PayloadFile[], level = 19): Uint8Array {
  const index = new TextEncoder().encode(JSON.stringify(files.map(({ path, bytes }) => [path, bytes.length])))
  const size = new Uint8Array(Uint32Array.of(index.length).buffer)
  const all = Buffer.concat([size, index, ...files.map(({ bytes }) => bytes)])
  return zstdCompressSync(all, {
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_enableLongDistanceMatching]: 1,
    },
  })
}

/** Writes them below `folder`. Throws E_FORMAT for bytes that no `packFiles()` made. */
export function unpackFiles(payload: Uint8Array, folder: string): void {
  const { all, entries } = opened(payload)
  for (const { path, start, bytes } of entries) {
    const place = join(folder, path)
    mkdirSync(dirname(place), { recursive: true })
    writeFileSync(place, all.subarray(start, start + bytes))
  }
}

/** Whether each of them is below `folder` with all its bytes. */
export function isUnpacked(payload: Uint8Array, folder: string): boolean {
  return opened(payload).entries.every(
    ({ path, bytes }) => statSync(join(folder, path), { throwIfNoEntry: false })?.size === bytes,
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Entry {
  readonly path: string
  readonly start: number
  readonly bytes: number
}

function opened(payload: Uint8Array): { readonly all: Buffer; readonly entries: readonly Entry[] } {
  const all = decompressed(payload)
  const length = all.length < 4 ? Infinity : all.readUInt32LE(0)
  if (4 + length > all.length) throw damaged('it is too short')
  let start = 4 + length
  const entries = indexOf(all.subarray(4, start)).map(([path, bytes]) => {
    const entry = { path: inside(path), start, bytes }
    start += bytes
    return entry
  })
  if (start !== all.length) throw damaged('it is not as long as it should be')
  return { all, entries }
}

function decompressed(payload: Uint8Array): Buffer {
  try {
    return zstdDecompressSync(payload)
  } catch (cause) {
    throw damaged(cause instanceof Error ? cause.message : String(cause))
  }
}

function indexOf(text: Uint8Array): [path: string, bytes: number][] {
  const index: unknown = JSON.parse(new TextDecoder().decode(text))
  if (!Array.isArray(index)) throw damaged('it has no index')
  return index.map((entry: unknown) => {
    const [path, bytes]: unknown[] = Array.isArray(entry) ? entry : []
    if (typeof path === 'string' && typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0)
      return [path, bytes]
    throw damaged('its index is none')
  })
}

function inside(path: string): string {
  const clean = normalize(path)
  if (isAbsolute(clean) || clean.startsWith('..')) throw damaged(`${path} lies outside`)
  return clean
}

function damaged(reason: string): TrituneError {
  return new TrituneError('E_FORMAT', `what this program carries is damaged: ${reason}`, {
    remedy: 'download it again',
  })
}
