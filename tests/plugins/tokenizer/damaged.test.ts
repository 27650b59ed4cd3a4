import { describe, expect, test } from 'bun:test'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import { loadTokenizer, type Tokenizer } from '../../../plugins/tokenizer/mod.ts'
import { GOLDEN, goldenJson, temporaryFolder } from '../../_golden.ts'

type Json = Record<string, unknown>

const PARTS = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder', 'model', 'added_tokens']
const WRONG: readonly unknown[] = [
  undefined,
  null,
  -1,
  1.5,
  1e300,
  '',
  'odd',
  '(',
  [],
  [[]],
  {},
  { type: 'Sequence' },
  true,
]
const FAMILIES = readdirSync(join(GOLDEN, 'tokenizer/families'))

function open(tokenizer: Json, config: Json = {}): Tokenizer {
  return loadTokenizer({ place: 'folder', tokenizer, config, chatTemplates: new Map(), stopIds: [] })
}

/** The tokenizer of tests with little in it. */
function small(changes: Json = {}): Json {
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: [['a', 'b']] },
    ...changes,
  }
}

function failure(work: () => unknown): TrituneError {
  try {
    work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** Paths of everything in `value`, but not of single tokens of a vocabulary. */
function pathsOf(value: unknown, path: readonly (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [[...path]]
  if (path.at(-1) === 'vocab' || path.at(-1) === 'merges') return [[...path]]
  const entries = Array.isArray(value) ? [...value.entries()].slice(0, 3) : Object.entries(value)
  return [[...path], ...entries.flatMap(([key, item]) => pathsOf(item, [...path, key]))]
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function put(value: unknown, [key, ...rest]: readonly (string | number)[], wrong: unknown): unknown {
  if (key === undefined) return wrong
  const copy: unknown = Array.isArray(value) ? [...value] : { ...(typeof value === 'object' ? value : {}) }
  if (typeof copy !== 'object' || copy === null) return wrong
  Reflect.set(copy, key, put(Reflect.get(copy, key), rest, wrong))
  if (rest.length === 0 && wrong === undefined) Reflect.deleteProperty(copy, key)
  return copy
}

describe('a damaged tokenizer.json', () => {
  test.each(FAMILIES)('of %s is one error with the place, wherever the damage is', (family) => {
    let refused = 0
    for (const { tokenizer } of goldenJson<{ tokenizer: Json }[]>('tokenizer/families', family).slice(-1)) {
      for (const part of PARTS) {
        for (const path of pathsOf(tokenizer[part], [part])) {
          for (const wrong of WRONG) {
            const damaged = put(tokenizer, path, wrong)
            let error: unknown
            try {
              open(isJson(damaged) ? damaged : small()).encode('word Whale\n', { addSpecialTokens: true })
            } catch (caught) {
              error = caught
            }
            if (error === undefined) continue
            refused++
            if (!(error instanceof TrituneError))
              throw new Error(`${path.join('.')} = ${JSON.stringify(wrong)}: ${error}`)
            expect(error.code).toBe('E_TOKENIZER')
          }
        }
      }
    }
    expect(refused).toBeGreaterThan(100)
  })

  test.each<[string, unknown, RegExp]>([
    ['normalizer', { type: 'Odd' }, /^folder\/tokenizer\.json: normalizer: the type "Odd" is not known/],
    [
      'pre_tokenizer',
      { type: 'Sequence', pretokenizers: [{ type: 'Digits' }] },
      /pre_tokenizer\.pretokenizers\[0\]: expected "individual_digits" to be true or false, got nothing/,
    ],
    [
      'pre_tokenizer',
      { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated', invert: false },
      /pre_tokenizer\.pattern: the regular expression cannot be used/,
    ],
    [
      'post_processor',
      {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: '<s>', type_id: 0 } }],
        pair: [],
        special_tokens: {},
      },
      /post_processor\.single\[0\]: the special token "<s>" is not in "special_tokens"/,
    ],
    [
      'post_processor',
      { type: 'BertProcessing', cls: '[CLS]', sep: ['[SEP]', 1] },
      /post_processor: expected "cls" to be a token and its id, got "\[CLS\]"/,
    ],
    ['decoder', { type: 'Sequence', decoders: 5 }, /decoder: expected "decoders" to be a list, got 5/],
    ['model', { type: 'BPE', vocab: { a: 0 }, merges: ['a b'] }, /model: "merges"\[0\] needs the token "ab"/],
    [
      'model',
      { type: 'BPE', vocab: { a: 0 }, merges: [], dropout: 0.1 },
      /model: "dropout" is 0\.1: the ids would be drawn at random/,
    ],
    [
      'model',
      { type: 'Unigram', vocab: [['a', 'b']] },
      /model: expected "vocab"\[0\] to be a token and its score/,
    ],
    ['added_tokens', [5], /added_tokens\[0\]: expected a mapping, got 5/],
  ])('%s names the place', (part, value, message) => {
    expect(failure(() => open(small({ [part]: value }))).message).toMatch(message)
  })

  test('is no stack overflow when it is nested deeply', () => {
    let nested: Json = { type: 'NFC' }
    for (let i = 0; i < 5000; i++) nested = { type: 'Sequence', normalizers: [nested] }
    expect(failure(() => open(small({ normalizer: nested }))).message).toMatch(/nested more than 32 deep/)
    using folder = temporaryFolder()
    const depth = 300_000
    writeFileSync(join(folder.path, 'tokenizer.json'), `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`)
    const error = failure(() => loadTokenizer(folder.path))
    expect(['E_FORMAT', 'E_TOKENIZER']).toContain(error.code)
    expect(error.message).toContain('tokenizer.json')
  })
})

describe('encode()', () => {
  test('refuses half a character, and takes NUL', () => {
    const error = failure(() => open(small()).encode('ab\uD800b'))
    expect(error.code).toBe('E_TOKENIZER')
    expect(error.message).toMatch(/half a character \(a lone surrogate, U\+D800\) at position 2/)
    const model = { type: 'BPE', vocab: { '\0': 0, a: 1 }, merges: [] }
    expect(open(small({ model })).encode('a\0a')).toEqual([1, 0, 1])
  })

  test('leaves out what a BPE without unknown token and byte fallback cannot write, as the Rust library does', () => {
    expect(open(small()).encode('axbab')).toEqual([2, 2])
    const model = { type: 'WordLevel', vocab: { a: 0 }, unk_token: '[UNK]' }
    expect(failure(() => open(small({ model })).encode('b')).message).toMatch(/cannot write "b"/)
  })

  test('does not truncate or pad', () => {
    const truncation = { direction: 'Right', max_length: 1, strategy: 'LongestFirst', stride: 0 }
    const padding = { strategy: { Fixed: 9 }, direction: 'Right', pad_id: 0, pad_type_id: 0, pad_token: 'a' }
    expect(open(small({ truncation, padding })).encode('aaa')).toEqual([0, 0, 0])
  })

  test('takes tokens named like members of objects', () => {
    const vocab: Json = JSON.parse('{"__proto__": 0, "constructor": 1, "a": 2}')
    const tokenizer = open(
      small({
        model: { type: 'WordLevel', vocab, unk_token: 'a' },
        pre_tokenizer: { type: 'WhitespaceSplit' },
        added_tokens: [{ content: 'toString', id: 3 }],
      }),
    )
    expect(tokenizer.encode('__proto__ constructor hasOwnProperty toString')).toEqual([0, 1, 2, 3])
    expect(tokenizer.idOf('valueOf')).toBeUndefined()
  })

  test('is linear in the length of one piece and of white space around added tokens', () => {
    const space = { content: '\n', lstrip: true, rstrip: true, id: 3 }
    const tokenizer = open(small({ added_tokens: [space] }))
    expect(tokenizer.encode('ab'.repeat(200_000))).toHaveLength(200_000)
    expect(tokenizer.encode('\n'.repeat(200_000))).toEqual([3])
  })
})

describe('tokenizer_config.json', () => {
  const model = { type: 'BPE', vocab: { '<': 0, s: 1, '>': 2, '<s>': 3, '</s>': 4 }, merges: [] }

  test('makes a special token of what it names, and its options win', () => {
    expect(open(small({ model })).encode('<s>')).toEqual([0, 1, 2])
    expect(open(small({ model }), { bos_token: '<s>' }).encode('s<s>')).toEqual([1, 3])
    const listed = { content: '<s>', id: 3, special: true, single_word: false }
    const decoder = { '3': { content: '<s>', special: true, single_word: true } }
    const both = open(small({ model, added_tokens: [listed] }), { added_tokens_decoder: decoder })
    expect(both.encode('s<s>')).toEqual([1, 0, 1, 2])
  })

  test('decides about BOS and EOS where it says something', () => {
    const single = [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }]
    const special_tokens = { '<s>': { id: '<s>', ids: [3], tokens: ['<s>'] } }
    const post_processor = { type: 'TemplateProcessing', single, pair: single, special_tokens }
    const names = { bos_token: '<s>', eos_token: '</s>' }
    const encode = (config: Json): number[] => open(small({ model, post_processor }), config).encode('s')
    expect(encode(names)).toEqual([3, 1])
    expect(encode({ ...names, add_bos_token: false })).toEqual([1])
    expect(encode({ ...names, add_bos_token: true, add_eos_token: true })).toEqual([3, 1, 4])
  })
})

describe('createDecodeStream()', () => {
  test('waits until a run of byte tokens has ended: a later byte can break all of it', () => {
    const vocab = { '<0xC3>': 0, '<0xA9>': 1, '<0xFF>': 2, a: 3 }
    const decoder = { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, { type: 'Fuse' }] }
    const tokenizer = open(small({ model: { type: 'BPE', vocab, merges: [] }, decoder }))
    for (const ids of [[0, 1, 3], [0, 1, 2, 3], [0], [3, 0, 1], [0, 1, 2]]) {
      const stream = tokenizer.createDecodeStream()
      expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(tokenizer.decode(ids))
    }
    const stream = tokenizer.createDecodeStream()
    expect([0, 1, 3].map((id) => stream.push(id))).toEqual(['', '', 'éa'])
  })

  test('gives everything at the end where a later token changes earlier ones', () => {
    const model = { type: 'BPE', vocab: { 'a</w>': 0, b: 1 }, merges: [] }
    const tokenizer = open(small({ model, decoder: { type: 'BPEDecoder', suffix: '</w>' } }))
    const stream = tokenizer.createDecodeStream()
    expect([0, 1, 0].map((id) => stream.push(id)).join('')).toBe('')
    expect(stream.end()).toBe('a ba')
    expect(stream.end()).toBe('')
  })
})
