import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  chatTemplateSource,
  colourTokens,
  CHATML,
  formatReport,
  loadDataset,
} from '../../../plugins/data/mod.ts'
import type { DataConfig, LoadedDataset } from '../../../plugins/data/mod.ts'
import { dataConfig, failureOf, options, plainExamples } from './_options.ts'
import { tinyTokenizer } from './_tokenizer.ts'
import type { TinyTokenizerOptions } from './_tokenizer.ts'

const folder = mkdtempSync(join(tmpdir(), 'tritune-data-'))
const cache = join(folder, 'cache')
afterAll(() => rmSync(folder, { recursive: true, force: true }))
beforeEach(() => rmSync(cache, { recursive: true, force: true }))

function file(name: string, records: readonly unknown[]): string {
  const path = join(folder, name)
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
  return path
}

function config(dataset: object, given: Partial<DataConfig> = {}): DataConfig {
  return dataConfig([dataset], given)
}

const texts = file(
  'texts.jsonl',
  Array.from({ length: 10 }, (_, i) => ({ text: 'x'.repeat(i + 1) })),
)
const segments = (...parts: [boolean, string][]): object => ({
  segments: parts.map(([label, text]) => ({ label, text })),
})
const mixed = file('mixed.jsonl', [
  segments([false, 'a'], [true, 'b']),
  segments([false, 'nothing to learn']),
  segments([false, 'a'.repeat(30)], [true, 'b'.repeat(30)]),
  segments([false, 'a'.repeat(60)], [true, 'b']),
  segments([true, 'c']),
  segments([true, 'only the first token'.slice(0, 1)], [false, 'd']),
])
const IO = { path: mixed, type: 'input_output' }

function load(given: DataConfig, tokenizer: TinyTokenizerOptions = {}): Promise<LoadedDataset> {
  return loadDataset(given, tinyTokenizer(tokenizer))
}

describe('(await loadDataset())', () => {
  test('counts examples, tokens and trained tokens', async () => {
    const { train, validation, report } = await load(
      config({ path: texts, type: 'completion' }, { val_set_size: 0.2 }),
    )
    expect([train.length, validation.length]).toEqual([8, 2])
    expect(report.train.tokens + report.validation.tokens).toBe(55 + 10)
    expect(report.train.trainedTokens).toBe(report.train.tokens - 8)
    expect(report.records).toBe(10)
  })

  test('shuffles by the seed only', async () => {
    const lines = async (seed: number, shuffle: boolean): Promise<number[]> =>
      (
        await load(config({ path: texts, type: 'completion' }, { seed, shuffle_merged_datasets: shuffle }))
      ).train.map(({ source }) => source.line)
    expect(await lines(1, true)).toEqual(await lines(1, true))
    expect(await lines(1, true)).not.toEqual(await lines(2, true))
    expect(await lines(1, false)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('drops what is too long, too short or untrained, and says where', async () => {
    const { train, report } = await load(config(IO, { sequence_len: 50 }))
    expect(train.map(({ source }) => source.line)).toEqual([1])
    expect(report).toMatchObject({ tooLong: 2, tooShort: 0, truncated: 0 })
    expect(report.untrained.map(({ line }) => line)).toEqual([2, 5, 6])
    expect(formatReport(report)).toContain(
      `nothing to learn in 3: no segment after the first token has label: true (${mixed}:2, ${mixed}:5, ${mixed}:6)`,
    )
  })

  test('drops what is shorter than min_sample_len', async () => {
    const { train, report } = await load(config({ path: texts, type: 'completion' }, { min_sample_len: 5 }))
    expect(report).toMatchObject({ tooShort: 3, untrained: [] })
    expect(train).toHaveLength(7)
  })

  test.each([{}, { addBos: true }])(
    'counts empty texts among the records with nothing to learn: %j',
    async (tokenizer) => {
      const path = file('empty.jsonl', [{ text: 'ab' }, { text: '' }, { text: 'cd' }, { text: '' }])
      const entry = { path, type: 'completion' }
      const { train, report } = await load(config(entry), tokenizer)
      expect(train.map(({ source }) => source.line).toSorted()).toEqual([1, 3])
      expect(report).toMatchObject({ tooShort: 0, tooLong: 0 })
      expect(formatReport(report)).toContain(
        `nothing to learn in 2: the text is empty or one token (${path}:2, ${path}:4)`,
      )
      expect(
        (await failureOf(() => load(config(entry, { max_skipped_share: 0.4 }), tokenizer))).message,
      ).toStartWith('datasets[0]: 2 of 4 records (50.0 %) have nothing to learn: ')
    },
  )

  test('truncates, and drops what has nothing left to learn', async () => {
    const { report } = await load(config(IO, { sequence_len: 50, excess_length_strategy: 'truncate' }))
    expect(report).toMatchObject({ tooLong: 0, truncated: 2 })
    expect(report.train).toMatchObject({ examples: 2, longest: 50, trainedTokens: 1 + 20 })
    expect(report.untrained.map(({ line }) => line)).toEqual([2, 4, 5, 6])
    expect(report.untrained[1].reason).toBe('what is trained lies beyond sequence_len')
  })

  test('raises with the place', async () => {
    const error = await failureOf(() =>
      load(config(IO, { sequence_len: 50, excess_length_strategy: 'raise' })),
    )
    expect(error.message).toStartWith(`${mixed}:3: the example has 60 tokens, more than sequence_len (50)`)
  })

  test('cuts long completions into pieces instead', async () => {
    const { report } = await load(config({ path: texts, type: 'completion' }, { sequence_len: 4 }))
    expect(report).toMatchObject({ tooLong: 0, cut: 7 })
    expect(report.train.longest).toBe(4)
    // 5 = 4 + 1 and 9 = 4 + 4 + 1 leave a single token each, which is too short.
    expect(report.tooShort).toBe(2)
    expect(report.train.tokens).toBe(65 - 2)
  })

  test('takes test_datasets for validation', async () => {
    const { train, validation } = await load(
      config({ path: texts, type: 'completion' }, { test_datasets: [options({ ...IO, path: mixed })] }),
    )
    expect([train.length, validation.length]).toEqual([10, 3])
    const none = file('none.jsonl', [segments([false, 'ab'])])
    const given = config(
      { path: texts, type: 'completion' },
      { test_datasets: [options({ ...IO, path: none })] },
    )
    expect((await failureOf(() => load(given))).message).toStartWith(
      'test_datasets: none of the 1 example can be evaluated',
    )
  })

  test('takes a part of the records', async () => {
    const { train } = await load(config({ path: texts, type: 'completion', split: 'train[:30%]' }))
    expect(train).toHaveLength(3)
  })

  test('takes validation from the end when nothing is shuffled', async () => {
    const given = config(
      { path: texts, type: 'completion' },
      { val_set_size: 4, shuffle_merged_datasets: false },
    )
    expect((await load(given)).validation.map(({ source }) => source.line)).toEqual([7, 8, 9, 10])
  })

  test('reads the splits of a folder', async () => {
    const path = join(folder, 'splits')
    mkdirSync(path)
    const split = (name: string, count: number): string =>
      file(
        `splits/${name}.jsonl`,
        Array.from({ length: count }, () => ({ text: 'some text' })),
      )
    split('train', 10)
    split('valid', 4)
    split('test', 3)
    split('readme', 2)
    const counts = async (train: object, test: object): Promise<number[]> => {
      const { train: a, validation: b } = await load(
        config(
          { path, type: 'completion', ...train },
          {
            test_datasets: [options({ path, type: 'completion', ...test })],
          },
        ),
      )
      return [a.length, b.length]
    }
    expect(await counts({}, { split: 'validation' })).toEqual([10, 4])
    expect(await counts({ split: 'train' }, { split: 'test' })).toEqual([10, 3])
    expect(await counts({ split: 'train[:50%]' }, { split: 'test[1:]' })).toEqual([5, 2])
    expect((await load(config({ path, type: 'completion' }))).report.notes.join()).toContain(
      '1 files are in no split and are left out (readme.jsonl)',
    )
    const error = await failureOf(() => counts({ split: 'dev' }, {}))
    expect(error.message).toContain('datasets[0].path: there is no split "dev"; by the names of its files')
    expect((await failureOf(() => counts({ split: 'train[50:]' }, {}))).message).toContain(
      'datasets[0].split: the split "train[50:]": it takes none of the 10 records',
    )
  })

  test('an empty output teaches nothing, and is counted with its reason', async () => {
    const path = file('outputs.jsonl', [
      { instruction: 'a', output: 'b' },
      { instruction: 'a', output: '' },
      { instruction: 'a', output: '' },
    ])
    const { report } = await load(config({ path, type: 'alpaca' }))
    expect(report.train.examples).toBe(1)
    expect(formatReport(report)).toContain(
      `nothing to learn in 2: the output is empty (${path}:2, ${path}:3)`,
    )
  })

  test('stops when too many records have nothing to learn, at the entry', async () => {
    const given = (limit: number): DataConfig => config(IO, { max_skipped_share: limit })
    const error = await failureOf(() => load(given(0.1)))
    expect(error.message).toStartWith('datasets[0]: 3 of 6 records (50.0 %) have nothing to learn: ')
    expect(error.remedy ?? error.message).toContain('max_skipped_share: 0.5')
    expect((await load(given(0.5))).train).toHaveLength(3)
    expect(error.code).toBe('E_DATA')
  })

  test('refuses pairs of answers where one is trained', async () => {
    const conversations = [{ from: 'human', value: 'a' }]
    const path = file('pairs.jsonl', [{ conversations, chosen: { value: 'b' }, rejected: { value: 'c' } }])
    const error = await failureOf(() => load(config({ path, type: 'sharegpt' })))
    expect(error.message).toContain('pairs.jsonl:1: the record is a pair of answers')
  })

  test('says why nothing is left', async () => {
    expect(
      (await failureOf(() => load(config({ path: file('no.jsonl', []), type: 'completion' })))).code,
    ).toBe('E_DATA')
    const error = await failureOf(() =>
      load(config({ path: file('n.jsonl', [segments([false, 'ab'])]), type: 'input_output' })),
    )
    expect(error.message).toContain('none of the 1 example can be trained: 1 have nothing to learn')
    expect(error.message).toContain('n.jsonl:1')
    expect((await failureOf(() => load(config(IO, { sequence_len: 1 })))).remedy).toContain(
      'raise sequence_len',
    )
  })
})

describe('the cache', () => {
  const given = config(IO, { dataset_prepared_path: cache })
  const files = (): string[] => readdirSync(cache)

  test('gives back what was tokenised, without asking the tokenizer', async () => {
    const fresh = await load(given)
    expect(files()).toHaveLength(1)
    const silent = { ...tinyTokenizer(), encode: () => [] }
    const again = await loadDataset(given, silent)
    expect(again.report).toEqual(fresh.report)
    expect(plainExamples(again.train)).toEqual(plainExamples(fresh.train))
  })

  test('changes its name with content, options and tokenizer, not with the place', async () => {
    await load(given)
    expect(files()).toHaveLength(1)
    const [first] = files()
    writeFileSync(join(folder, 'copy.jsonl'), readFileSync(mixed))
    const copy = await load(
      config({ ...IO, path: join(folder, 'copy.jsonl') }, { dataset_prepared_path: cache }),
    )
    expect(files()).toHaveLength(1)
    expect(copy.train[0].source.file).toEndWith('copy.jsonl')
    await load(given, { id: 'other' })
    expect(files()).toHaveLength(2)
    await load({ ...given, train_on_inputs: true })
    expect(files()).toHaveLength(3)
    await load(given, { eosToken: '<|im_end|>' })
    expect(files()).toHaveLength(4)
    rmSync(join(cache, files().find((name) => name !== first) ?? ''))
    await load({ ...given, sequence_len: 50 })
    expect(files()).toHaveLength(3)
    writeFileSync(join(folder, 'copy.jsonl'), `${JSON.stringify(segments([true, 'new']))}\n`)
    await load(config({ ...IO, path: join(folder, 'copy.jsonl') }, { dataset_prepared_path: cache }))
    expect(files()).toHaveLength(4)
  })

  test('is made anew when it is damaged', async () => {
    const fresh = await load(given)
    const [name] = files()
    const path = join(cache, name)
    const good = readFileSync(path)
    const flipped = Uint8Array.from(good)
    flipped[good.length - 50] ^= 1
    for (const bad of [flipped, good.subarray(0, good.length - 7), good.subarray(0, 3), new Uint8Array(0)]) {
      writeFileSync(path, bad)
      const again = await load(given)
      expect(plainExamples(again.train)).toEqual(plainExamples(fresh.train))
      expect(again.report.notes.join()).toContain('was damaged')
      expect(readFileSync(path).equals(good)).toBe(true)
    }
    expect(files()).toEqual([name])
  })

  test('remembers notes', async () => {
    const chat = file('chat.jsonl', [
      {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ],
      },
    ])
    const chatConfig = config({ path: chat, type: 'chat_template' }, { dataset_prepared_path: cache })
    const notes = (await load(chatConfig, { eosToken: '</s>' })).report.notes
    expect(notes.join()).toContain('eot_tokens')
    expect((await load(chatConfig, { eosToken: '</s>' })).report.notes).toEqual(notes)
  })

  test('says so when it cannot be written', async () => {
    writeFileSync(join(folder, 'a-file'), '')
    const error = await failureOf(() => load(config(IO, { dataset_prepared_path: join(folder, 'a-file') })))
    expect(['E_DISK', 'E_FILE']).toContain(error.code)
  })
})

test('`colourTokens()` shows what is trained', async () => {
  const { train } = await load(config(IO, { shuffle_merged_datasets: false }))
  expect(colourTokens(train[0], tinyTokenizer(), { colour: false })).toBe('a«b»')
  expect(colourTokens(train[0], tinyTokenizer(), { colour: true })).toBe(
    '\u001b[90ma\u001b[39m\u001b[32mb\u001b[39m',
  )
})

test('`chatTemplateSource()` picks the template', () => {
  expect(chatTemplateSource({ chat_template: null, chat_template_jinja: null }, false)).toBeNull()
  expect(
    chatTemplateSource({ chat_template: 'tokenizer_default', chat_template_jinja: null }, false),
  ).toBeNull()
  expect(chatTemplateSource({ chat_template: 'chatml', chat_template_jinja: null }, false)).toBe(CHATML)
  expect(chatTemplateSource({ chat_template: 'jinja', chat_template_jinja: '{{ x }}' }, false)).toBe(
    '{{ x }}',
  )
  const fallback = { chat_template: 'tokenizer_default_fallback_chatml', chat_template_jinja: null } as const
  expect([chatTemplateSource(fallback, true), chatTemplateSource(fallback, false)]).toEqual([null, CHATML])
  const path = join(folder, 'template.jinja')
  writeFileSync(path, '{{ y }}')
  expect(chatTemplateSource({ chat_template: 'jinja', chat_template_jinja: path }, false)).toBe('{{ y }}')
  const messages = [{ role: 'user', content: 'a' }]
  expect(tinyTokenizer({ template: CHATML }).renderChat(messages, { addGenerationPrompt: true })).toBe(
    '<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n',
  )
})
