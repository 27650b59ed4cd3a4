/**
 * Types of preferences: prompts and answers as axolotl writes them, tokens as trl cuts them, and records that are wrong.
 */
import { describe, expect, test } from 'bun:test'
import {
  type ChatMessage,
  type ChatRenderOptions,
  type ExampleKind,
  type TokenizedExample,
  type TokenizerLike,
  TrituneError,
} from '../../../core/mod.ts'
import { datasetOptions, datasetTypeOf, documentsOf } from '../../../plugins/data/mod.ts'
import { PREFERENCE_TYPES } from '../../../plugins/preference/mod.ts'
import { byteTokenizer, decodeBytes } from '../../../testing/byte-tokenizer.ts'
import { parse } from 'valibot'
import { goldenJson } from '../../_golden.ts'

interface TypeCase {
  readonly type: string
  readonly options: Readonly<Record<string, unknown>>
  readonly record: Readonly<Record<string, unknown>>
  readonly prompt: string
  readonly chosen?: string
  readonly rejected?: string
  readonly completion?: string
  readonly label?: boolean
}

const { cases } = goldenJson<{ readonly cases: readonly TypeCase[] }>('preferences', 'types.json')

/** One token a byte, with ChatML as its template. */
const tokenizer: TokenizerLike = { ...byteTokenizer(), renderChat: chatml }

function chatml(messages: readonly ChatMessage[], { addGenerationPrompt }: ChatRenderOptions): string {
  const turns = messages.map(({ role, content }) => `<|im_start|>${role}\n${String(content)}<|im_end|>\n`)
  return turns.join('') + (addGenerationPrompt ? '<|im_start|>assistant\n' : '')
}

/** What a record becomes, by the type of an entry of `datasets`. */
function made(
  entry: Readonly<Record<string, unknown>>,
  record: Readonly<Record<string, unknown>>,
  kind: ExampleKind = 'pair',
): TokenizedExample {
  const options = parse(datasetOptions, { path: 'x', ...entry })
  const { type, typeOptions } = datasetTypeOf(options, PREFERENCE_TYPES, kind)
  const context = { tokenizer, options, typeOptions, trainOnInputs: false, eotTokens: null, kind, note() {} }
  return type.tokenize({ value: record, source: { file: 'prefs.jsonl', line: 7 } }, context)
}

/** Each document as text, the trained part between « and ». */
function shown(example: TokenizedExample): string[] {
  return documentsOf(example).map(({ ids, labels }) => {
    const start = labels.findIndex((label) => label >= 0)
    expect(labels.subarray(start)).toEqual(ids.subarray(start))
    return `${decodeBytes([...ids.subarray(0, start)])}«${decodeBytes([...ids.subarray(start)])}»`
  })
}

function refusal(work: () => unknown): TrituneError {
  try {
    work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('types of axolotl', () => {
  test.each(cases.map((one, i) => [`${one.type} ${i}`, one] as const))('%s', (_name, one) => {
    const { type, options, record, prompt, chosen, rejected, completion, label } = one
    const entry = { type, ...options }
    if (completion === undefined) {
      expect(shown(made(entry, record))).toEqual([
        `<s>${prompt}«${chosen}</s>»`,
        `<s>${prompt}«${rejected}</s>»`,
      ])
      return
    }
    const example = made(entry, record, 'labelled')
    expect(shown(example)).toEqual([`<s>${prompt}«${completion}</s>»`])
    expect(example.values).toEqual({ label: label ? 1 : 0 })
  })

  test('zephyr.nectar takes the two best answers, the best one first', () => {
    const answers = [
      { rank: 3, answer: 'Six.' },
      { rank: 1, answer: 'Four.' },
      { rank: 2, answer: 'Five.' },
    ]
    expect(shown(made({ type: 'zephyr.nectar' }, { prompt: '2 + 2?', answers }))).toEqual([
      '<s><|system|>\n</s>\n<|user|>\n2 + 2?</s>\n<|assistant|>\n«Four.</s>»',
      '<s><|system|>\n</s>\n<|user|>\n2 + 2?</s>\n<|assistant|>\n«Five.</s>»',
    ])
  })

  test('bradley_terry.chat_template scores whole conversations', () => {
    const record = { system: 'Be brief.', input: '2 + 2?', chosen: 'Four.', rejected: 'Five.' }
    const opening =
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n'
    expect(shown(made({ type: 'bradley_terry.chat_template' }, record))).toEqual([
      `${opening}«Four.<|im_end|>\n»`,
      `${opening}«Five.<|im_end|>\n»`,
    ])
  })
})

describe('plain records', () => {
  const user = { role: 'user', content: '2 + 2?' }
  const four = { role: 'assistant', content: 'Four.' }
  const five = { role: 'assistant', content: 'Five.' }
  const opening = '<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n'

  test('of texts get BOS and EOS, and need no type', () => {
    const record = { prompt: '2 + 2 = ', chosen: '4', rejected: '5', margin: 0.5 }
    const example = made({}, record)
    expect(shown(example)).toEqual(['<s>2 + 2 = «4</s>»', '<s>2 + 2 = «5</s>»'])
    expect(example.values).toEqual({ margin: 0.5 })
    expect(shown(made({ type: 'passthrough.default' }, record))).toEqual(shown(example))
  })

  test('of messages go through the chat template, which writes what ends a turn', () => {
    const pair = [`${opening}«Four.<|im_end|>\n»`, `${opening}«Five.<|im_end|>\n»`]
    expect(shown(made({}, { prompt: [user], chosen: [four], rejected: [five] }))).toEqual(pair)
    expect(shown(made({}, { prompt: '2 + 2?', chosen: [four], rejected: [five] }))).toEqual(pair)
    expect(shown(made({}, { chosen: [user, four], rejected: [user, five] }))).toEqual(pair)
  })

  test('without a prompt have the one that both answers begin with', () => {
    expect(shown(made({}, { chosen: '2 + 2 = 4', rejected: '2 + 2 = 5' }))).toEqual([
      '<s>2 + 2 =« 4</s>»',
      '<s>2 + 2 =« 5</s>»',
    ])
  })

  test('with labels', () => {
    const texts = made({}, { prompt: '2 + 2 = ', completion: '4', label: true }, 'labelled')
    expect([shown(texts), texts.values]).toEqual([['<s>2 + 2 = «4</s>»'], { label: 1 }])
    const messages = made({}, { prompt: [user], completion: [five], label: false }, 'labelled')
    expect([shown(messages), messages.values]).toEqual([[`${opening}«Five.<|im_end|>\n»`], { label: 0 }])
  })

  test('say why they have nothing to learn', () => {
    const untrained = (chosen: string, rejected: string): string | undefined =>
      made({}, { prompt: '2 + 2 = ', chosen, rejected }).untrained
    expect(untrained('4', '4')).toBe('both answers are the same')
    expect(untrained('4', '')).toBe('an answer is empty')
    expect(untrained('4', '5')).toBeUndefined()
    const empty = made({ type: 'chatml.intel' }, { question: '2 + 2?', chosen: '', rejected: '5' })
    expect(empty.untrained).toBe('an answer is empty')
  })

  test.each([
    ['no rejected answer', { prompt: 'a', chosen: 'b' }, 'there is no "rejected"'],
    ['a rejected answer that is null', { prompt: 'a', chosen: 'b', rejected: null }, 'it is null'],
    ['an empty prompt', { prompt: '', chosen: 'b', rejected: 'c' }, 'the prompt is empty'],
    ['no common prompt', { chosen: 'Yes.', rejected: 'No.' }, 'they answer no common prompt'],
    [
      'conversations of different prompts',
      { chosen: [{ role: 'user', content: 'a' }, four], rejected: [{ role: 'user', content: 'b' }, five] },
      'they answer no common prompt',
    ],
    [
      'a number for an answer',
      { prompt: 'a', chosen: 4, rejected: 5 },
      'expected "chosen" to be a list of messages',
    ],
    [
      'a margin that is no number',
      { prompt: 'a', chosen: 'b', rejected: 'c', margin: 'big' },
      'expected "margin" to be a number, got "big"',
    ],
    [
      'a message without a role',
      { prompt: 'a', chosen: [{ content: 'b' }], rejected: [five] },
      'with a role',
    ],
  ])('with %s are refused with their line', (_name, record, says) => {
    const { code, place, message } = refusal(() => made({}, record))
    expect([code, place]).toEqual(['E_DATA', 'prefs.jsonl:7'])
    expect(message).toContain(says)
  })

  test.each([
    ['no label', { prompt: 'a', completion: 'b' }, 'there is no label'],
    ['a label that is a word', { prompt: 'a', completion: 'b', label: 'good' }, 'true or false'],
    [
      'a pair where an answer is wanted',
      { prompt: 'a', chosen: 'b', rejected: 'c' },
      'takes answers with labels',
    ],
  ])('of KTO with %s are refused with their line', (_name, record, says) => {
    const { code, place, message } = refusal(() => made({}, record, 'labelled'))
    expect([code, place]).toEqual(['E_DATA', 'prefs.jsonl:7'])
    expect(message).toContain(says)
  })

  test.each([
    ['chatml.argilla_chat', [{ ...user, content: 'other' }, five], 'answer different prompts'],
    ['chat_template.argilla_chat', [{ ...user, content: 'other' }, five], 'answer different prompts'],
  ])('of %s that begin differently are refused', (type, rejected, says) => {
    expect(refusal(() => made({ type }, { chosen: [user, four], rejected })).message).toContain(says)
  })
})

describe('a type that makes other examples than the objective takes', () => {
  test.each([
    ['alpaca', 'pair', 'type: alpaca makes single documents, and the objective takes pairs of answers'],
    ['chatml.icr', 'labelled', 'makes pairs of answers, and the objective takes answers with labels'],
    [
      'chatml.intel',
      'document',
      'makes pairs of answers or answers with labels, and the objective takes single',
    ],
  ] as const)('%s for %s is refused', (type, kind, says) => {
    const { code, message } = refusal(() => made({ type }, {}, kind))
    expect(code).toBe('E_CONFIG')
    expect(message).toContain(says)
  })

  test('a mapping, too', () => {
    expect(refusal(() => made({ type: { format: '{instruction}' } }, {})).message).toContain('prompt_format')
    expect(refusal(() => made({ type: { prompt_format: '{prompt}' } }, {}, 'document')).message).toContain(
      'rl',
    )
    expect(refusal(() => made({ type: { prompt_format: '{question}' } }, {})).message).toContain('{question}')
  })
})
