/** Weighted mixtures, and examples that are there more than once. */
import { afterAll, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatReport, loadDataset } from '../../../plugins/data/mod.ts'
import { deduplicate } from '../../../plugins/data/loading/deduplicate.ts'
import { mixEntries, sharesOf } from '../../../plugins/data/loading/mix-entries.ts'
import { createRandom } from '../../../core/tensor/random.ts'
import { temporaryFolder } from '../../_golden.ts'
import { dataConfig, failureOf } from './_options.ts'
import { tinyTokenizer } from './_tokenizer.ts'

const temporary = temporaryFolder()
afterAll(() => temporary[Symbol.dispose]())

function texts(name: string, all: readonly string[]): { path: string; type: string } {
  const path = join(temporary.path, name)
  writeFileSync(path, all.map((text) => `${JSON.stringify({ text })}\n`).join(''))
  return { path, type: 'completion' }
}

const numbered = (letter: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${letter}${i}`)

describe('a weighted mixture', () => {
  const a = texts('a.jsonl', numbered('a', 30))
  const b = texts('b.jsonl', numbered('b', 10))

  const load = async (
    weights: readonly (number | null)[],
    given: object = {},
  ): Promise<Map<string, number>> => {
    const entries = [a, b].map((entry, i) => ({ ...entry, weight: weights[i] }))
    using data = await loadDataset(dataConfig(entries, given), tinyTokenizer())
    const counts = new Map<string, number>()
    const tokenizer = tinyTokenizer()
    for (const { ids } of data.train) {
      const text = tokenizer.decode([...ids]).replace('</s>', '')
      counts.set(text, (counts.get(text) ?? 0) + 1)
    }
    return counts
  }
  const shares = (counts: ReadonlyMap<string, number>): number[] =>
    ['a', 'b'].map((letter) =>
      [...counts].reduce((sum, [text, count]) => sum + (text.startsWith(letter) ? count : 0), 0),
    )

  test('has as many examples as before, in the shares of the weights', async () => {
    expect(shares(await load([null, null]))).toEqual([30, 10])
    expect(shares(await load([1, 1]))).toEqual([20, 20])
    expect(shares(await load([null, 3]))).toEqual([10, 30])
    const counts = await load([1, 1])
    // An entry that is too small comes again as a whole; of one that is too large each example comes once at most.
    expect(numbered('b', 10).map((text) => counts.get(text))).toEqual(Array.from({ length: 10 }, () => 2))
    expect([...counts.values()].every((count) => count <= 2)).toBe(true)
    expect([...(await load([1, 1]))]).toEqual([...counts])
    expect([...(await load([1, 1], { seed: 7 }))]).not.toEqual([...counts])
  })

  test('takes no example twice that is held back for evaluation', async () => {
    const entries = [a, b].map((entry, i) => ({ ...entry, weight: i + 1 }))
    using data = await loadDataset(dataConfig(entries, { val_set_size: 8 }), tinyTokenizer())
    const key = ({ ids }: { ids: Int32Array }): string => ids.join()
    const held = new Set(data.validation.map(key))
    expect(held.size).toBe(8)
    expect(data.train.map(key).filter((one) => held.has(one))).toEqual([])
    expect(data.train).toHaveLength(32)
  })

  test('of an entry that is all duplicates says so', async () => {
    const config = dataConfig(
      [
        { ...a, weight: 1 },
        { ...texts('again.jsonl', numbered('a', 3)), weight: 1 },
      ],
      { dataset_exact_deduplication: true },
    )
    expect((await failureOf(() => loadDataset(config, tinyTokenizer()))).message).toContain(
      '3 records, and all of its examples are like others',
    )
  })

  test('of an entry with nothing to train says which', async () => {
    const long = texts('long.jsonl', ['x'.repeat(40)])
    const config = dataConfig([
      { ...a, weight: 1 },
      { ...long, type: 'alpaca_chat', weight: 1 },
    ])
    expect((await failureOf(() => loadDataset(config, tinyTokenizer()))).message).toContain(
      'there is no "instruction"',
    )
    const short = dataConfig(
      [
        { ...a, weight: 1 },
        { ...texts('short.jsonl', ['x']), weight: 1 },
      ],
      { min_sample_len: 3 },
    )
    expect((await failureOf(() => loadDataset(short, tinyTokenizer()))).message).toContain(
      'datasets[1]: nothing of',
    )
    const empty = texts('empty.jsonl', [])
    expect(
      (await failureOf(() => loadDataset(dataConfig([a, { ...empty, weight: 2 }]), tinyTokenizer()))).message,
    ).toContain('datasets[1].path: there are no records in')
  })

  test('shares are the nearest whole numbers', () => {
    expect(sharesOf(10, [1, 1, 1])).toEqual([4, 3, 3])
    expect(sharesOf(7, [0.5, 2])).toEqual([1, 6])
    expect(mixEntries([{ examples: [1, 2, 3], weight: 1 }], 0).toSorted()).toEqual([1, 2, 3])
  })
})

describe('duplicates', () => {
  test('that are equal are left out and counted', async () => {
    const twice = texts('twice.jsonl', ['one', 'two', 'one', 'one', 'three'])
    const load = (dataset_exact_deduplication: boolean): ReturnType<typeof loadDataset> =>
      loadDataset(
        dataConfig([twice], { dataset_exact_deduplication, shuffle_merged_datasets: false }),
        tinyTokenizer(),
      )
    using data = await load(true)
    expect(data.train.map(({ source }) => source.line)).toEqual([1, 2, 5])
    expect(formatReport(data.report)).toContain('dropped: 2 equal to an earlier one')
    using all = await load(false)
    expect(all.train).toHaveLength(5)
  })

  test('that are alike are found, and nothing else is', () => {
    const random = createRandom(3, 'texts')
    const source = { file: 'x', line: 1 }
    const prompt = Array.from({ length: 40 }, (_, i) => 1000 + i)
    const originals = Array.from({ length: 200 }, () => Array.from({ length: 60 }, () => random.int(500)))
    // Two of sixty tokens differ: 10 of 56 runs are others, so 0.70 of all runs are common.
    const changed = originals.slice(0, 50).map((ids) => ids.map((id, i) => (i === 10 || i === 40 ? 501 : id)))
    const examples = [...originals, ...changed].map((own) => {
      const ids = Int32Array.from([...prompt, ...own])
      return { ids, labels: ids, source }
    })
    const loose = deduplicate(examples, { exact: false, near: 0.6 })
    expect(loose.alike).toBeGreaterThanOrEqual(48)
    expect(loose.examples.slice(0, 200).every((example, i) => example === examples[i])).toBe(true)
    expect(deduplicate(examples, { exact: false, near: 0.95 })).toMatchObject({ equal: 0, alike: 0 })
    expect(deduplicate([...examples, ...examples], { exact: false, near: 0.95 }).equal).toBe(250)
  })
})
