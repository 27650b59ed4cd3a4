/**
 * One file into the cache: continued where an earlier attempt stopped, checked against size and hash, and given its name
 * only when both are right. Partial files are `<etag>.incomplete`, as huggingface_hub names them.
 */

import type { Hash } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { fileError, writeAll } from '../../core/files/files.ts'
import { rename } from '../../core/files/rename.ts'
import { feedFile } from '../../core/files/hash-file.ts'
import type { HubFile } from './api.ts'
import { RetryableError, hubGet, networkError, withRetries } from './request.ts'
import type { HubSettings } from './settings.ts'
import { hashOf, isRightBlob, remember } from './verify.ts'

/**
 * Downloads `url` to `blob` unless it is there.
 * @throws E_HUB for network failures, refusals and content that is not what the hub announced; E_DISK; E_FILE
 */
export async function downloadBlob(
  url: string,
  blob: string,
  file: HubFile,
  { settings, what }: { settings: HubSettings; what: string },
): Promise<void> {
  try {
    if (existsSync(blob)) {
      if (statSync(blob).size === file.bytes && isRightBlob(blob, settings)) return
      settings.onNote(`the cached ${what} is damaged: downloading it again`)
      rmSync(blob)
    }
    mkdirSync(dirname(blob), { recursive: true })
    const partial = `${blob}.incomplete`
    await withRetries(settings, () => attempt(url, partial, file, settings, what))
    rename(partial, blob)
    remember(blob)
  } catch (error) {
    throw fileError(error, blob, 'cannot write')
  }
}

async function attempt(
  url: string,
  partial: string,
  file: HubFile,
  settings: HubSettings,
  what: string,
): Promise<void> {
  let start = existsSync(partial) ? statSync(partial).size : 0
  if (start > file.bytes) {
    rmSync(partial)
    start = 0
  }
  const hash = hashOf(file.etag, file.bytes)
  if (hash === undefined)
    throw new TrituneError('E_HUB', 'the hub names no hash that tritune knows', { place: what })
  if (start < file.bytes || file.bytes === 0) {
    const range = start > 0 ? `bytes=${start}-` : undefined
    const { response, alive, close } = await hubGet(url, settings, { what, range })
    try {
      if (start > 0 && !continues(response, start)) start = 0
      if (response.status === 416)
        throw discardPartial(partial, what, 'the hub refused to continue the download')
      await receive(response, partial, { start, file, hash, alive, settings, what })
    } finally {
      close()
    }
  } else {
    feedFile(partial, hash, start)
  }
  if (hash.digest('hex') !== file.etag) {
    throw discardPartial(partial, what, 'the content does not have the announced hash')
  }
}

interface Transfer {
  readonly start: number
  readonly file: HubFile
  readonly hash: Hash
  readonly alive: () => void
  readonly settings: HubSettings
  readonly what: string
}

/** Appends the body after byte `start`; a body that ends early is a retryable error and keeps what came. */
async function receive(
  response: Response,
  partial: string,
  { start, file, hash, alive, settings, what }: Transfer,
): Promise<void> {
  if (start > 0) feedFile(partial, hash, start)
  const fd = openSync(partial, start > 0 ? 'a' : 'w')
  let received = start
  try {
    for await (const chunk of bodyChunks(response, what, settings)) {
      alive()
      received += chunk.length
      if (received > file.bytes)
        throw discardPartial(partial, what, `more than the announced ${file.bytes} bytes came`)
      writeAll(fd, chunk, partial)
      hash.update(chunk)
      settings.onProgress({ file: file.path, received, total: file.bytes })
    }
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  if (received < file.bytes) {
    const message = `the download was cut off after ${received} of ${file.bytes} bytes`
    const remedy = 'run it again: it continues where it stopped'
    throw new RetryableError(new TrituneError('E_HUB', message, { place: what, remedy }))
  }
}

/** The body, with network failures as retryable errors; cancelled when the reader stops early. */
async function* bodyChunks(
  response: Response,
  what: string,
  settings: HubSettings,
): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw new RetryableError(networkError(error, what, settings))
      })
      if (done) return
      yield value
    }
  } finally {
    // Of a body that failed or is at its end nothing is left to cancel.
    await reader.cancel().catch(() => {})
  }
}

/** Whether the answer holds the bytes from `start` on, rather than the whole file. */
function continues(response: Response, start: number): boolean {
  if (response.status !== 206) return false
  return new RegExp(`^bytes ${start}-`).test(response.headers.get('content-range') ?? '')
}

function discardPartial(partial: string, what: string, message: string): RetryableError {
  rmSync(partial, { force: true })
  const remedy = 'run it again; if it happens again, a proxy or mirror alters the file'
  return new RetryableError(new TrituneError('E_HUB', message, { place: what, remedy }))
}
