/**
 * Writes the data of the recipe to .cache/grpo-json (not in git): `bun scripts/recipes/grpo-json/make-data.ts`. The same bytes every time.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { chatRecords, promptRecords, warmUpRecords } from './sums.ts'

const FOLDER = join(import.meta.dirname, '../../../.cache/grpo-json')
const WARM_UP = 12_000
const ROUNDS = 40

function writeLines(name: string, records: readonly object[]): void {
  writeFileAtomic(join(FOLDER, name), records.map((record) => `${JSON.stringify(record)}\n`).join(''))
}

mkdirSync(FOLDER, { recursive: true })
writeLines('warm-up.jsonl', warmUpRecords(WARM_UP, 1))
writeLines('prompts.jsonl', promptRecords(ROUNDS))
writeLines('chats.jsonl', chatRecords(ROUNDS))
console.log(`${FOLDER}: warm-up.jsonl, prompts.jsonl, chats.jsonl`)
