/**
 * A text that somebody wrote, read from a file: a folder, a binary, another encoding than UTF-8 are errors that say so.
 *
 * For small files such as configurations; records of datasets are read piece by piece elsewhere.
 */
import { readFileSync, statSync } from 'node:fs'
import { TrituneError } from '../errors.ts'

/** More than any text that somebody wrote. */
const LARGEST = 16 << 20

export interface TextFileOptions {
  /** What the text is, as in "cannot read the configuration". */
  readonly what: string
  readonly remedy: string
}

/** Throws E_FILE when there is no such text. */
export function readTextFile(path: string, { what, remedy }: TextFileOptions): string {
  const wrong = (reason: string, cause?: unknown): TrituneError =>
    new TrituneError('E_FILE', `cannot read ${what}: ${reason}`, { place: path, remedy, cause })
  let bytes: Buffer
  try {
    const stat = statSync(path)
    if (stat.isDirectory()) throw wrong('this is a folder')
    if (stat.size > LARGEST) throw wrong(`it has ${stat.size} bytes, which is no text that somebody wrote`)
    bytes = readFileSync(path)
  } catch (cause) {
    if (cause instanceof TrituneError) throw cause
    throw wrong(reasonOf(cause), cause)
  }
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw wrong('it is in UTF-16; save it as UTF-8')
  }
  const zero = bytes.indexOf(0)
  if (zero >= 0) throw wrong(`this is no text: byte ${zero} is 0`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw wrong(`line ${lineOfFault(bytes)} is not UTF-8; save it as UTF-8`, cause)
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return 'code' in cause && cause.code === 'ENOENT' ? 'there is no such file' : cause.message
}

/** The first line, from 1, that cannot be decoded. A line feed is one byte in UTF-8 and part of no other character. */
function lineOfFault(bytes: Buffer): number {
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start)
    const stop = end < 0 ? bytes.length : end
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(start, stop))
    } catch {
      return line
    }
    start = stop + 1
  }
  return line
}
