/**
 * Follows a file of JSON lines while it is written: each look gives the whole lines that are new. A half line waits for its end.
 *
 * A file that is another one than before (replaced, or shorter: a resumed run cut it back) is read from its start, and that is told.
 */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { errorCode, fileError, readAll } from '../../../core/files/files.ts'

/** What a look found. */
export interface NewLines {
  /** Parsed; lines that are not JSON are left out. */
  readonly lines: readonly unknown[]
  /** These are all lines: those of looks before are not in the file any more. */
  readonly anew: boolean
}

/** Looks at one file. */
export interface LineFollower {
  look(): NewLines
}

/** Where to begin: with the lines that are there, or after them. */
export interface FollowOptions {
  readonly from?: 'start' | 'end'
}

const NOTHING: NewLines = { lines: [], anew: false }

/** The file need not be there yet. Throws E_FILE when it is there and cannot be read. */
export function followLines(path: string, { from = 'start' }: FollowOptions = {}): LineFollower {
  let file = ''
  let done = 0
  const look = (): NewLines => {
    const fd = opened(path)
    if (fd === null) {
      const anew = done > 0
      ;[file, done] = ['', 0]
      return anew ? { lines: [], anew } : NOTHING
    }
    try {
      const { dev, ino, size } = fstatSync(fd)
      const now = `${dev}:${ino}`
      const anew = done > 0 && (now !== file || size < done)
      if (now !== file || size < done) done = 0
      file = now
      if (size === done) return anew ? { lines: [], anew } : NOTHING
      const bytes = new Uint8Array(size - done)
      readAll(fd, bytes, done, path)
      const end = bytes.lastIndexOf(NEWLINE) + 1
      done += end
      return { lines: parsedLines(new TextDecoder().decode(bytes.subarray(0, end))), anew }
    } finally {
      closeSync(fd)
    }
  }
  if (from === 'end') look()
  return { look }
}

/** The whole lines of a text that are JSON. */
export function parsedLines(text: string): unknown[] {
  const parsed: unknown[] = []
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    try {
      parsed.push(JSON.parse(line))
    } catch {
      // Cut off when the run died, or written by somebody else.
    }
  }
  return parsed
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const NEWLINE = 10

function opened(path: string): number | null {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw fileError(error, path, 'cannot read')
  }
}
