/** Datasets of the hub, from a hub on this machine: splits by names and by the card, configurations, patterns, the cache offline. */
import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { loadDataset, resolveHubDataset } from '../../../plugins/data/mod.ts'
import { splitsOfCard } from '../../../plugins/data/files/dataset-card.ts'
import { globbed } from '../../../plugins/data/files/glob.ts'
import type { HubOptions } from '../../../plugins/hub/mod.ts'
import { hubSpace } from '../hub/_space.ts'
import { COMMIT, type FakeFile, type FakeHub, fakeHub, text } from '../hub/_server.ts'
import { dataConfig, failureOf, options } from './_options.ts'
import { tinyTokenizer } from './_tokenizer.ts'

const space = hubSpace()
afterAll(() => space[Symbol.dispose]())

const REPO = 'org/talks'
const lines = (...all: string[]): FakeFile =>
  text(all.map((one) => `${JSON.stringify({ text: one })}\n`).join(''))
const NAMED: Record<string, FakeFile> = {
  'README.md': text('# Talks'),
  'data/train-00000-of-00002.jsonl': lines('a', 'b'),
  'data/train-00001-of-00002.jsonl': lines('c'),
  'data/test-00000-of-00001.jsonl': lines('t'),
}
const CARD = `---
configs:
- config_name: main
  default: true
  data_files:
  - split: train
    path: main/*.jsonl
  - split: held
    path: [held/a.jsonl, held/b.jsonl]
- config_name: other
  data_files: other/**
---
# Talks`
const CARDED: Record<string, FakeFile> = {
  'README.md': text(CARD),
  'main/1.jsonl': lines('one'),
  'main/2.jsonl': lines('two'),
  'held/a.jsonl': lines('ha'),
  'held/b.jsonl': lines('hb'),
  'other/deep/x.jsonl': lines('x'),
}

let cacheDir: string
beforeEach(() => (cacheDir = space.folder('cache')))

function from(hub: FakeHub, more: HubOptions = {}): HubOptions {
  return { endpoint: hub.endpoint, cacheDir, token: false, offline: false, retries: 0, ...more }
}

async function texts(entry: object, hub: HubOptions): Promise<string[]> {
  const local = await resolveHubDataset(options({ path: REPO, type: 'completion', ...entry }), hub)
  using data = await loadDataset(
    { ...dataConfig([]), datasets: [local], shuffle_merged_datasets: false },
    tinyTokenizer(),
  )
  return data.train.map(({ ids }) =>
    tinyTokenizer()
      .decode([...ids])
      .replace('</s>', ''),
  )
}

describe('a dataset of the hub', () => {
  test('has splits by the names of its files, and downloads only what is wanted', async () => {
    using hub = fakeHub(REPO, NAMED, { kind: 'datasets' })
    expect(await texts({ split: 'test' }, from(hub))).toEqual(['t'])
    expect(hub.log.filter((line) => line.includes('train'))).toEqual([])
    expect(await texts({}, from(hub))).toEqual(['a', 'b', 'c'])
    expect(await texts({ split: 'train[1:]' }, from(hub))).toEqual(['b', 'c'])
    expect(await texts({ revision: COMMIT }, from(hub))).toEqual(['a', 'b', 'c'])
    expect((await resolveHubDataset(options({ path: REPO }), from(hub))).data_files[0]).toStartWith(
      join(cacheDir, 'datasets--org--talks', 'snapshots', COMMIT),
    )
  })

  test('has the configurations and splits of its card', async () => {
    using hub = fakeHub(REPO, CARDED, { kind: 'datasets' })
    expect(await texts({}, from(hub))).toEqual(['one', 'two'])
    expect(await texts({ split: 'held' }, from(hub))).toEqual(['ha', 'hb'])
    expect(await texts({ name: 'other' }, from(hub))).toEqual(['x'])
    expect(await texts({ data_files: ['held/*.jsonl', 'main/1.jsonl'] }, from(hub))).toEqual([
      'ha',
      'hb',
      'one',
    ])
  })

  test('is taken from the cache offline, as far as it is there', async () => {
    using hub = fakeHub(REPO, NAMED, { kind: 'datasets' })
    await texts({ split: 'test' }, from(hub))
    const before = hub.log.length
    expect(await texts({ data_files: 'data/test-*' }, from(hub, { offline: true }))).toEqual(['t'])
    expect(hub.log).toHaveLength(before)
    const missing = await failureOf(() => texts({ revision: 'v2' }, from(hub, { offline: true })))
    expect(missing.message).toContain('the dataset is not in the cache, and the hub is switched off')
  })

  test.each<[object, Record<string, FakeFile>, string]>([
    [{ split: 'dev' }, NAMED, 'the dataset has no split "dev", only test, train'],
    [{ name: 'big' }, NAMED, 'the dataset has no configuration "big"'],
    [{ name: 'mian' }, CARDED, 'the dataset has no configuration "mian"; did you mean "main"?'],
    [{ data_files: 'x/*.jsonl' }, CARDED, 'the dataset has no file x/*.jsonl'],
    [{}, { 'README.md': text(''), 'talks.py': text('') }, 'the dataset has no file that can be read'],
  ])('%j that is not there says what is', async (entry, files, message) => {
    using hub = fakeHub(REPO, files, { kind: 'datasets' })
    const error = await failureOf(() => texts(entry, from(hub)))
    expect(error.message.toLowerCase()).toContain(message.toLowerCase())
  })

  test('that nobody has is an error of the hub', async () => {
    using hub = fakeHub(REPO, NAMED, { kind: 'datasets' })
    const error = await failureOf(() => texts({ path: 'org/nowhere' }, from(hub)))
    expect(error.code).toBe('E_HUB')
  })
})

test('patterns are those of datasets', () => {
  const paths = ['a.jsonl', 'b/c.jsonl', 'b/d/e.parquet', 'b/x1.csv', 'b/x2.csv']
  expect(globbed('*.jsonl', paths)).toEqual(['a.jsonl'])
  expect(globbed('**/*.jsonl', paths)).toEqual(['a.jsonl', 'b/c.jsonl'])
  expect(globbed('b/**', paths)).toEqual(paths.slice(1))
  expect(globbed('b/x[12].{csv,tsv}', paths)).toEqual(paths.slice(3))
  expect(globbed('b/x?.csv', paths)).toEqual(paths.slice(3))
  expect(globbed('a.jsonl', paths)).toEqual(['a.jsonl'])
})

test('a card that says nothing, or something else, leaves the names to say it', () => {
  for (const card of ['', 'no yaml', '---\nlicense: mit\n---', '---\n{ [\n---'])
    expect([...splitsOfCard(card, ['test.jsonl', 'train.jsonl'], null, 'x').keys()]).toEqual([
      'train',
      'test',
    ])
  const folder = '---\nconfigs:\n- config_name: default\n  data_dir: ./sub\n---'
  expect([...splitsOfCard(folder, ['other.jsonl', 'sub/train.csv'], null, 'x')]).toEqual([
    ['train', ['sub/train.csv']],
  ])
})
