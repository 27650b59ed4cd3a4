/**
 * `gpu.jsonl`: what a run of the GPU benchmark found, one JSON object a line, written as it is found. A run that is killed
 * at any time leaves all that it had found; a line that was cut off in the middle is the last one and is left out.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { TrituneError } from '../../../core/errors.ts'
import type { GpuResult } from './result.ts'

/** The run. Its command names no folder of the machine. */
export interface Head {
  readonly kind: 'head'
  readonly command: string
  /** 2026-01-31 */
  readonly date: string
  readonly seed: number
  /** Not a GPU: sizes and times mean nothing. */
  readonly emulated: boolean
}

/** What a process of a section computed on, as its library says. */
export interface Computer {
  readonly kind: 'device'
  readonly section: string
  /** `cuda` or `cuda-emulated`. */
  readonly library: string
  readonly name: string
  /** Versions of CUDA, 13000 = 13.0. */
  readonly driver: number
  readonly runtime: number
  /** Hash of the sources of the library. */
  readonly sources: string
}

export interface Found extends GpuResult {
  readonly kind: 'result'
}

/** The section came to its end, with failures or without. */
export interface End {
  readonly kind: 'end'
  readonly section: string
  readonly seconds: number
}

export type Entry = Head | Computer | Found | End

export interface Journal {
  readonly head: Head
  readonly devices: readonly Computer[]
  readonly results: readonly GpuResult[]
  readonly ended: ReadonlySet<string>
}

export const JOURNAL = 'gpu.jsonl'

/** Starts a journal; what it returns adds a line. */
export function createJournal(path: string, head: Head): (entry: Entry) => void {
  const line = (entry: Entry): string => `${JSON.stringify(entry)}\n`
  writeFileSync(path, line(head))
  return (entry) => appendFileSync(path, line(entry))
}

/** Throws E_FILE when it is not there, E_FORMAT when it is something else. */
export function readJournal(path: string): Journal {
  return journalOf(readLines(path), path)
}

export function journalOf(entries: readonly Entry[], place: string): Journal {
  const [head] = entries
  if (head?.kind !== 'head')
    throw new TrituneError('E_FORMAT', 'the first line does not say which run this is', {
      place,
      remedy: 'give the folder that scripts/bench/gpu.ts wrote',
    })
  return {
    head,
    devices: entries.filter((entry) => entry.kind === 'device'),
    results: entries.filter((entry) => entry.kind === 'result'),
    ended: new Set(entries.filter((entry) => entry.kind === 'end').map(({ section }) => section)),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function readLines(path: string): Entry[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new TrituneError('E_FILE', 'cannot be read', {
      place: path,
      remedy: 'give the folder that scripts/bench/gpu.ts wrote',
      cause,
    })
  }
  // A whole line ends with its line break.
  return text
    .split('\n')
    .slice(0, -1)
    .map((line, i) => entryOf(line, `${path}:${i + 1}`))
}

const KINDS: ReadonlySet<unknown> = new Set<Entry['kind']>(['head', 'device', 'result', 'end'])

function entryOf(line: string, place: string): Entry {
  try {
    const entry: Entry = JSON.parse(line)
    if (KINDS.has(entry?.kind)) return entry
  } catch {
    // Said below, with the place.
  }
  throw new TrituneError('E_FORMAT', 'this line is not of a GPU benchmark', { place })
}
