/**
 * The thinned curves of one metrics.jsonl as the index keeps them, with how far the file was read.
 */
import { closeSync, fstatSync } from 'node:fs'
import { openFile, readAll } from '../../../core/files/files.ts'
import { existsSync } from 'node:fs'
import { looseObject } from '../files/loose-object.ts'
import { parsedLines } from '../files/line-follower.ts'
import { lineOf } from '../read/line-of.ts'
import { addToCurve, emptyCurve, type ThinCurve } from './thin-curve.ts'

/** What is kept. */
export interface StoredCurves {
  /** Which file it is of. */
  readonly file: string
  /** Bytes of whole lines that are in the curves. */
  readonly bytes: number
  readonly series: Readonly<Record<string, ThinCurve>>
}

export function noCurves(): StoredCurves {
  return { file: '', bytes: 0, series: {} }
}

/** From the text that they were kept as. */
export function parseCurves(text: string): StoredCurves {
  const { text: field, number, object } = looseObject(JSON.parse(text))
  const { fields } = object('series')
  const series = Object.entries(fields).flatMap(([name, curve]) =>
    isCurve(curve) ? [[name, curve] as const] : [],
  )
  return { file: field('file', ''), bytes: number('bytes', 0), series: Object.fromEntries(series) }
}

/** With what was appended since; a file that is another one is read from its start. The same object when nothing is new. */
export function grownCurves(path: string, before: StoredCurves): StoredCurves {
  if (!existsSync(path)) return before.file === '' ? before : noCurves()
  const fd = openFile(path, 'r')
  try {
    const { dev, ino, size } = fstatSync(fd)
    const file = `${dev}:${ino}`
    const goesOn = file === before.file && size >= before.bytes
    if (goesOn && size === before.bytes) return before
    const start = goesOn ? before.bytes : 0
    const series = goesOn ? structuredClone(before.series) : {}
    return { file, bytes: addLines(fd, { path, start, size }, series), series }
  } finally {
    closeSync(fd)
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Read at once. */
const CHUNK = 4 * 1024 * 1024
const NEWLINE = 10
/** What no curve is drawn of. */
const NO_CURVE: ReadonlySet<string> = new Set(['step', 'epoch', 'seconds'])

/** Returns up to where the whole lines go. */
function addLines(
  fd: number,
  { path, start, size }: { readonly path: string; readonly start: number; readonly size: number },
  series: Record<string, ThinCurve>,
): number {
  let done = start
  for (let length = CHUNK; done < size;) {
    const bytes = new Uint8Array(Math.min(length, size - done))
    readAll(fd, bytes, done, path)
    const end = bytes.lastIndexOf(NEWLINE) + 1
    if (end === 0 && done + bytes.length >= size) break
    // A line that is longer than a chunk.
    if (end === 0) length *= 2
    for (const line of parsedLines(new TextDecoder().decode(bytes.subarray(0, end)))) addLine(series, line)
    done += end
  }
  return done
}

function addLine(series: Record<string, ThinCurve>, parsed: unknown): void {
  const line = lineOf('metrics', parsed)
  if (line === undefined || line.step < 1) return
  for (const [name, value] of Object.entries(line)) {
    if (NO_CURVE.has(name) || value === null) continue
    if (!Object.hasOwn(series, name)) series[name] = emptyCurve()
    addToCurve(series[name], line.step, value)
  }
}

function isCurve(value: unknown): value is ThinCurve {
  const { fields, number } = looseObject(value)
  return (
    number('stride', 0) >= 1 &&
    (['count', 'sum', 'min', 'max'] as const).every((name) => Array.isArray(fields[name]))
  )
}
