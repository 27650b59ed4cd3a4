/** Tokenising in worker threads: the same examples for any number of them, and the same errors. */
import { afterAll, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadDataset, type TokenizeProgress } from '../../../plugins/data/mod.ts'
import { finetuneConfig, openTokenizer } from '../../../plugins/finetune/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { failureOf, plainExamples } from './_options.ts'

const temporary = temporaryFolder()
afterAll(() => temporary[Symbol.dispose]())
const model = join(temporary.path, 'model')
writeTinyModel(model)

/** JSON Lines of three blocks and more. */
const WORDS = 'the whale swam around the ship '.repeat(30)
function file(name: string, line: (i: number) => string): string {
  const path = join(temporary.path, name)
  writeFileSync(path, Array.from({ length: 1300 }, (_, i) => `${line(i)}\r\n`).join(''))
  return path
}

const good = file('good.jsonl', (i) => JSON.stringify({ instruction: `${i}`, output: `${WORDS}${i}` }))

async function load(
  path: string,
  dataset_processes: number,
  progress: TokenizeProgress[] = [],
): Promise<ReturnType<typeof loadDataset>> {
  const config = finetuneConfig.validate({
    base_model: model,
    datasets: [{ path, type: 'alpaca' }],
    learning_rate: 1e-4,
    sequence_len: 4096,
    dataset_processes,
  })
  return await loadDataset(config, openTokenizer(model, config), { onProgress: (one) => progress.push(one) })
}

describe('tokenising in worker threads', () => {
  test('gives the same examples and notes for any number of them', async () => {
    using alone = await load(good, 0)
    const told: TokenizeProgress[] = []
    for (const count of [1, 3]) {
      using data = await load(good, count, told)
      expect(data.report).toEqual(alone.report)
      expect(plainExamples(data.train)).toEqual(plainExamples(alone.train))
    }
    expect(alone.train).toHaveLength(1300)
    expect(told.at(-1)).toMatchObject({ dataset: good, records: 1300 })
    expect(told.every(({ done, total }) => done <= total && total > 2)).toBe(true)
  }, 30_000)

  test('names the line of a record that does not fit', async () => {
    const bad = file('bad.jsonl', (i) =>
      i === 1200 ? '{"output": 7}' : JSON.stringify({ instruction: WORDS, output: 'a' }),
    )
    const alone = await failureOf(() => load(bad, 0))
    expect(alone.message).toStartWith(`${bad}:1201: there is no "instruction"`)
    const inWorkers = await failureOf(() => load(bad, 2))
    expect([inWorkers.code, inWorkers.message]).toEqual([alone.code, alone.message])
  }, 30_000)
})
