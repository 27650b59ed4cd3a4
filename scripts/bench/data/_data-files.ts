/** Data for `bench data`: records of real sentences, the same in JSON Lines and in Parquet. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { createRandom } from '../../../core/tensor/random.ts'
import { ownFile } from '../../init/own-file.ts'

/** What is made of how many records. */
export interface DataFiles {
  readonly instructions: { readonly jsonl: string; readonly parquet: string }
  readonly chats: string
}

/** Instructions with an input or without, and chats of two turns each. */
export function writeDataFiles(folder: string, records: number): DataFiles {
  const sentences = sentencesOfMobyDick()
  const random = createRandom(5, 'data files')
  const some = (most: number): string =>
    Array.from({ length: 1 + random.int(most) }, () => sentences[random.int(sentences.length)]).join(' ')
  const rows = Array.from({ length: records }, (_, i) => ({
    instruction: `${some(1)} (${i})`,
    input: i % 2 === 0 ? some(2) : '',
    output: some(3),
  }))
  const chats = Array.from({ length: records / 4 }, () => ({
    messages: [
      { role: 'user', content: some(1) },
      { role: 'assistant', content: some(2) },
      { role: 'user', content: some(1) },
      { role: 'assistant', content: some(2) },
    ],
  }))
  const files = {
    instructions: {
      jsonl: join(folder, 'instructions.jsonl'),
      parquet: join(folder, 'instructions.parquet'),
    },
    chats: join(folder, 'chats.jsonl'),
  }
  writeFileSync(files.instructions.jsonl, lines(rows))
  writeFileSync(files.chats, lines(chats))
  const columnData = (['instruction', 'input', 'output'] as const).map((name) => ({
    name,
    data: rows.map((row) => row[name]),
    type: 'STRING' as const,
  }))
  writeFileSync(
    files.instructions.parquet,
    Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 5000 })),
  )
  return files
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function lines(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('')
}

function sentencesOfMobyDick(): string[] {
  const text = readFileSync(ownFile('quickstart/moby-dick.train.jsonl'), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .flatMap((line): string[] => {
      const { text: passage }: { text: string } = JSON.parse(line)
      return passage.split(/(?<=[.!?]) /)
    })
}
