/** Preferences in worker threads and from the cache of tokens: the same examples, notes and errors as without. */
import { afterAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExampleKind, TokenizedExample } from '../../../core/mod.ts'
import { loadDataset, type TokenizeProgress } from '../../../plugins/data/mod.ts'
import { packExtras, withExtras } from '../../../plugins/data/loading/packed-extras.ts'
import { finetuneConfig, openTokenizer } from '../../../plugins/finetune/mod.ts'
import { PREFERENCE_TYPES } from '../../../plugins/preference/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { failureOf } from '../data/_options.ts'

const temporary = temporaryFolder()
afterAll(() => temporary[Symbol.dispose]())
const model = join(temporary.path, 'model')
writeTinyModel(model)

const WORDS = 'the whale swam around the ship '.repeat(25)

/** JSON Lines of three blocks and more. */
function file(name: string, line: (i: number) => object): string {
  const path = join(temporary.path, name)
  writeFileSync(path, Array.from({ length: 700 }, (_, i) => `${JSON.stringify(line(i))}\n`).join(''))
  return path
}

const pairs = file('pairs.jsonl', (i) => ({
  prompt: `${WORDS}${i}`,
  chosen: `${WORDS}${i} `,
  rejected: i % 200 === 7 ? `${WORDS}${i} ` : `${WORDS}7`,
  ...(i % 3 === 0 ? { margin: i / 7 } : {}),
}))
const asked = file('asked.jsonl', (i) => ({
  question: `${WORDS}${i}`,
  chosen: i % 150 === 3 ? '' : `${WORDS}${i}`,
  rejected: WORDS,
}))
const answers = file('answers.jsonl', (i) => ({
  prompt: [{ role: 'user', content: `${WORDS}${i}` }],
  completion: [{ role: 'assistant', content: `${WORDS}${i}` }],
  label: i % 2 === 0,
}))

interface Asked {
  readonly path: string
  readonly type?: string | object
  readonly kind?: ExampleKind
}

interface Settings {
  readonly dataset_processes?: number
  readonly dataset_prepared_path?: string
  readonly progress?: TokenizeProgress[]
}

async function load(
  { path, type, kind = 'pair' }: Asked,
  { progress = [], ...settings }: Settings,
): Promise<{ readonly examples: readonly TokenizedExample[]; readonly report: unknown }> {
  const config = finetuneConfig.validate({
    base_model: model,
    rl: kind === 'pair' ? 'dpo' : 'kto',
    datasets: [{ path, ...(type === undefined ? {} : { type }) }],
    learning_rate: 1e-4,
    sequence_len: 4096,
    max_skipped_share: 1,
    ...settings,
  })
  using data = await loadDataset(config, openTokenizer(model, config), {
    types: PREFERENCE_TYPES,
    kind,
    onProgress: (one) => progress.push(one),
  })
  const examples = data.train.map(({ ids, labels, source, documents, values, untrained }) => ({
    ids,
    labels,
    source,
    documents,
    values,
    untrained,
  }))
  return { examples, report: data.report }
}

const own = {
  field_prompt: 'question',
  prompt_format: 'Q: {prompt}\nA:',
  chosen_format: ' {chosen}',
  rejected_format: ' {rejected}',
}

describe.each([
  ['plain pairs', { path: pairs }],
  ['chatml.intel', { path: asked, type: 'chatml.intel' }],
  ['a format of its own', { path: asked, type: own }],
  ['answers with labels', { path: answers, kind: 'labelled' }],
] as const)('%s', (name, entry) => {
  test('are the same from any number of threads', async () => {
    const alone = await load(entry, { dataset_processes: 0 })
    expect(alone.examples.length).toBeGreaterThan(600)
    expect(alone.examples.some(({ documents, values }) => documents ?? values)).toBe(true)
    for (const dataset_processes of [1, 3]) {
      const progress: TokenizeProgress[] = []
      const inWorkers = await load(entry, { dataset_processes, progress })
      expect(inWorkers).toEqual(alone)
      expect(progress.at(-1)).toMatchObject({ records: 700 })
    }
  }, 60_000)

  test('are the same from the cache', async () => {
    const dataset_prepared_path = join(temporary.path, `cache ${name}`)
    const first = await load(entry, { dataset_processes: 0, dataset_prepared_path })
    const [kept, ...more] = readdirSync(dataset_prepared_path)
    expect(more).toEqual([])
    const progress: TokenizeProgress[] = []
    const again = await load(entry, { dataset_processes: 0, dataset_prepared_path, progress })
    expect(again).toEqual(first)
    // Nothing was tokenised, and nothing written.
    expect(progress).toEqual([])
    expect(readdirSync(dataset_prepared_path)).toEqual([kept])
    const bytes = readFileSync(join(dataset_prepared_path, kept))
    bytes[bytes.length >> 1] ^= 1
    writeFileSync(join(dataset_prepared_path, kept), bytes)
    const anew = await load(entry, { dataset_processes: 0, dataset_prepared_path })
    expect(anew.examples).toEqual(first.examples)
    expect(JSON.stringify(anew.report)).toContain('was damaged and has been made anew')
  }, 60_000)
})

test('one file read as another kind of examples is another entry of the cache', async () => {
  const both = file('both.jsonl', (i) => ({
    prompt: `${i} `,
    chosen: '1',
    rejected: '2',
    completion: '1',
    label: true,
  }))
  const dataset_prepared_path = join(temporary.path, 'two kinds')
  const settings = { dataset_processes: 0, dataset_prepared_path }
  const pair = await load({ path: both, type: 'preference' }, settings)
  const labelled = await load({ path: both, type: 'preference', kind: 'labelled' }, settings)
  expect(readdirSync(dataset_prepared_path)).toHaveLength(2)
  expect(pair.examples[0].documents).toBeDefined()
  expect(labelled.examples[0].values).toEqual({ label: 1 })
}, 60_000)

test('a record that does not fit is named by its line, in threads too', async () => {
  const bad = file('bad.jsonl', (i) =>
    i === 650 ? { prompt: 'a', chosen: 'b' } : { prompt: WORDS, chosen: WORDS, rejected: 'c' },
  )
  const alone = await failureOf(() => load({ path: bad }, { dataset_processes: 0 }))
  expect(alone.message).toStartWith(`${bad}:651: there is no "rejected"`)
  const inWorkers = await failureOf(() => load({ path: bad }, { dataset_processes: 2 }))
  expect([inWorkers.code, inWorkers.message]).toEqual([alone.code, alone.message])
}, 60_000)

test('packed extras come back for each example', () => {
  const at = (line: number): TokenizedExample => ({
    ids: Int32Array.of(1, 2, 3),
    labels: Int32Array.of(-100, 2, 3),
    source: { file: 'f', line },
  })
  const examples: readonly TokenizedExample[] = [
    at(1),
    { ...at(2), documents: Int32Array.of(0, 1, 3), values: { margin: 0.1 } },
    { ...at(3), untrained: 'why' },
    { ...at(4), values: { label: 0 }, untrained: 'another' },
  ]
  const plain = examples.map(({ ids, labels, source }) => ({ ids, labels, source }))
  expect(withExtras(plain, packExtras(examples))).toEqual([...examples])
  expect(packExtras(plain)).toBeNull()
})
