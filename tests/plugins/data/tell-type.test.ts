/** The type of a dataset by its first record. */
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tellDatasetType } from '../../../plugins/data/mod.ts'
import { temporaryFolder } from '../../_golden.ts'

const told = async (first: string): Promise<string> => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'data.jsonl')
  writeFileSync(file, first)
  return await tellDatasetType(file)
}

test.each([
  ['{"messages":[]}', 'chat_template'],
  ['{"conversations":[]}', 'sharegpt'],
  ['{"instruction":"a","output":"b","text":"both"}', 'alpaca'],
  ['{"segments":[]}', 'input_output'],
  ['{"input_ids":[1]}', 'tokenized'],
  ['{"text":"a"}\n{"instruction":"b"}', 'completion'],
])('%s is %s', async (first, type) => {
  expect(await told(`${first}\n`)).toBe(type)
})

test.each([
  ['{"a":1,"b":2}', 'the first record has a, b', 'name it: '],
  ['{"chosen":"a","rejected":"b"}', 'the first record has chosen, rejected', 'rl: dpo'],
  ['{"completion":"a","label":true}', 'the first record has completion, label', 'rl: dpo'],
  ['', 'there is no record', 'name it: '],
])('%s is none', async (first, what, remedy) => {
  await expect(told(first)).rejects.toMatchObject({
    code: 'E_DATA',
    what: expect.stringContaining(what),
    remedy: expect.stringContaining(remedy),
  })
})
