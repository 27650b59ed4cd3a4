/**
 * A million records of JSON Lines as people have them (a byte order mark, CRLF, escaped NULs, a line of 1 MB): the peak of a process that loads
 * them in as many threads as it takes by itself.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, numberIn } from '../_child.ts'
import type { Row } from '../_topic.ts'

const RECORDS = 1_000_000

/** `name` of the row, for --only. */
export const MILLION: string = 'a million records: peak'

/** `child`: a fresh `data_ours.ts`. */
export async function millionRecords(child: Child, folder: string): Promise<Row> {
  const file = join(folder, 'million.jsonl')
  const bytes = writeRecords(file)
  const answer = await child.ask(JSON.stringify({ file, type: 'alpaca', processes: null }))
  return {
    name: MILLION,
    ours: numberIn(answer, 'peak') / 1e9,
    peer: null,
    unit: 'GB',
    ratio: null,
    floor: 1,
    goal: null,
    better: 'lower',
    note: `${Math.round(bytes / 1e6)} MB of text, ${numberIn(answer, 'tokens')} tokens, ${Math.round(numberIn(answer, 'seconds'))} s`,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Returns how many bytes it wrote. */
function writeRecords(file: string): number {
  const open = openSync(file, 'wx')
  try {
    let bytes = writeSync(open, '\ufeff')
    for (let start = 0; start < RECORDS; start += 10_000) {
      let text = ''
      for (let i = start; i < start + 10_000; i++) text += `${JSON.stringify(record(i))}\r\n`
      bytes += writeSync(open, text)
    }
    return bytes
  } finally {
    closeSync(open)
  }
}

function record(i: number): object {
  const instruction = `Which number comes after ${i}, and which one before it?`
  if (i === RECORDS / 2) return { instruction, output: 'one line of a million bytes '.repeat(36_000) }
  const output = `After ${i} comes ${i + 1}, and before it stands ${i - 1}${i % 1000 === 0 ? '\0' : '.'}`
  return { instruction, input: '', output }
}
