/**
 * The lines of a UTF-8 file, one after the other, without holding the file in memory.
 *
 * Lines end with LF or CRLF; a byte order mark is skipped. Bytes that are not UTF-8 are an error with their line.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { TrituneError } from '../../../core/errors.ts'

export interface Line {
  /** From 1. */
  readonly number: number
  /** Without its line ending. */
  readonly text: string
}

const CHUNK = 1 << 20
const LF = 10
const CR = 13

/** Bytes `[start, end)` of a file, which begin with the line `line`. */
export interface LineRange {
  readonly start: number
  readonly end: number
  readonly line: number
}

/** Throws E_FILE (cannot be read) or E_DATA (not UTF-8). */
export function* readLines(
  path: string,
  { start: from, end: to, line }: LineRange = { start: 0, end: Infinity, line: 1 },
): Generator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const file = open(path)
  let number = line - 1
  const toLine = (bytes: Uint8Array): Line => {
    number++
    const end = bytes.at(-1) === CR ? bytes.length - 1 : bytes.length
    try {
      const text = decoder.decode(bytes.subarray(0, end))
      return { number, text: number === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text }
    } catch (cause) {
      throw new TrituneError('E_DATA', 'not valid UTF-8', { place: `${path}:${number}`, cause })
    }
  }
  try {
    const chunk = new Uint8Array(CHUNK)
    let pending: Uint8Array[] = []
    let position = from
    const next = (): number => {
      const size = position < to ? read(file, chunk, path, position, to) : 0
      position += size
      return size
    }
    for (let size = next(); size > 0; size = next()) {
      let start = 0
      for (let end = chunk.indexOf(LF); end >= 0 && end < size; end = chunk.indexOf(LF, start)) {
        yield toLine(join(pending, chunk.subarray(start, end)))
        pending = []
        start = end + 1
      }
      // The rest is copied: the chunk is read into again.
      if (start < size) pending.push(chunk.slice(start, size))
    }
    if (pending.length > 0) yield toLine(join(pending, new Uint8Array(0)))
  } finally {
    closeSync(file)
  }
}

/** The file as ranges of whole lines of about `bytes` each, found without decoding anything. */
export function lineRanges(path: string, bytes: number): LineRange[] {
  const ranges: LineRange[] = []
  const file = open(path)
  try {
    const chunk = Buffer.allocUnsafe(CHUNK)
    let [position, start, line, lines] = [0, 0, 1, 0]
    for (let size = read(file, chunk, path, position, Infinity); size > 0;) {
      const part = chunk.subarray(0, size)
      for (let at = part.indexOf(LF); at >= 0; at = part.indexOf(LF, at + 1)) {
        lines++
        const end = position + at + 1
        if (end - start < bytes) continue
        ranges.push({ start, end, line })
        start = end
        line += lines
        lines = 0
      }
      position += size
      size = read(file, chunk, path, position, Infinity)
    }
    if (position > start) ranges.push({ start, end: position, line })
    return ranges
  } finally {
    closeSync(file)
  }
}

function join(pending: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  if (pending.length === 0) return last
  const parts = [...pending, last]
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}

function open(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw cannotRead(path, cause)
  }
}

function read(file: number, chunk: Uint8Array, path: string, position: number, end: number): number {
  try {
    return readSync(file, chunk, 0, Math.min(chunk.length, end - position), position)
  } catch (cause) {
    throw cannotRead(path, cause)
  }
}

function cannotRead(path: string, cause: unknown): TrituneError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new TrituneError('E_FILE', `cannot be read: ${reason}`, { place: path, cause })
}
