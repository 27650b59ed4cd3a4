import { describe, expect, test } from 'bun:test'
import {
  alpaca,
  alpacaPrompt,
  completion,
  datasetTypeOf,
  inputOutput,
  tokenized,
} from '../../../plugins/data/mod.ts'
import golden from '../../golden/data/alpaca.json' with { type: 'json' }
import { context, errorOf, options, SOURCE } from './_options.ts'
import { tinyTokenizer, trainedText } from './_tokenizer.ts'

describe('alpaca', () => {
  test('gives the ids and labels of transformers', () => {
    expect(golden).toHaveLength(4)
    for (const { bos, record, ids, labels } of golden) {
      const example = alpaca.tokenize(
        { value: record, source: SOURCE },
        context(tinyTokenizer({ addBos: bos })),
      )
      expect([...example.ids]).toEqual(ids)
      expect([...example.labels]).toEqual(labels)
    }
  })

  test('trains the response and EOS, or everything with train_on_inputs', () => {
    const tokenizer = tinyTokenizer({ addBos: true })
    const record = { value: { instruction: 'Add.', input: null, output: '3' }, source: SOURCE }
    expect(trainedText(alpaca.tokenize(record, context(tokenizer)), tokenizer)).toEqual(['3</s>'])
    expect(
      trainedText(alpaca.tokenize(record, context(tokenizer, { trainOnInputs: true })), tokenizer),
    ).toEqual([`<s>${alpacaPrompt('Add.')}3</s>`])
  })

  test('puts EOS only at the end when the tokenizer closes every text with it', () => {
    const record = { value: { instruction: 'a', output: 'b' }, source: SOURCE }
    const plain = alpaca.tokenize(record, context(tinyTokenizer({ addBos: true })))
    const closing = alpaca.tokenize(record, context(tinyTokenizer({ addBos: true, addEos: true })))
    expect(closing.ids).toEqual(plain.ids)
  })

  test('keeps BOS when BOS and EOS are the same token', () => {
    const record = { value: { instruction: 'a', output: 'b' }, source: SOURCE }
    const { ids } = alpaca.tokenize(record, context(tinyTokenizer({ addBos: true, eosToken: '<s>' })))
    expect([ids[0], ids.at(-1)]).toEqual([0, 0])
  })

  test('names record and field when a field is missing or no text', () => {
    const run = (value: Record<string, unknown>) => (): unknown =>
      alpaca.tokenize({ value, source: SOURCE }, context(tinyTokenizer()))
    expect(errorOf(run({ instruction: 'a', outputs: 'b' })).message).toBe(
      'train.jsonl:17: there is no "output"; did you mean "outputs"?',
    )
    expect(errorOf(run({ instruction: 3, output: 'b' })).message).toBe(
      'train.jsonl:17: expected "instruction" to be a text, got 3',
    )
  })

  test('refuses a tokenizer without EOS', () => {
    const record = { value: { instruction: 'a', output: 'b' }, source: SOURCE }
    expect(errorOf(() => alpaca.tokenize(record, context(tinyTokenizer({ eosToken: null })))).code).toBe(
      'E_TOKENIZER',
    )
  })
})

describe('completion', () => {
  test('trains everything and ends with EOS', () => {
    const tokenizer = tinyTokenizer({ addBos: true })
    const example = completion.tokenize({ value: { text: 'héy' }, source: SOURCE }, context(tokenizer))
    expect(trainedText(example, tokenizer)).toEqual(['<s>héy</s>'])
  })

  test('does not double EOS and reads another field', () => {
    const tokenizer = tinyTokenizer()
    const example = completion.tokenize(
      { value: { body: 'x</s>' }, source: SOURCE },
      context(tokenizer, { dataset: { type: 'completion', field: 'body' } }),
    )
    expect(tokenizer.decode([...example.ids])).toBe('x</s>')
  })
})

describe('input_output', () => {
  const segments = [
    { label: false, text: '<s>Q: ' },
    { label: true, text: 'A</s>' },
    { label: false, text: ' more' },
  ]

  test('joins the segments verbatim and trains the labelled ones', () => {
    const tokenizer = tinyTokenizer({ addBos: true })
    const example = inputOutput.tokenize({ value: { segments }, source: SOURCE }, context(tokenizer))
    expect(tokenizer.decode([...example.ids])).toBe('<s>Q: A</s> more')
    expect(trainedText(example, tokenizer)).toEqual(['A</s>'])
  })

  test('refuses malformed segments', () => {
    const value = { segments: [{ label: 'yes', text: 'a' }] }
    expect(
      errorOf(() => inputOutput.tokenize({ value, source: SOURCE }, context(tinyTokenizer()))).message,
    ).toContain('train.jsonl:17: expected segments[0] to be {label: true or false, text}')
  })
})

describe('tokenized', () => {
  test('takes ids and labels as they are', () => {
    const value = { input_ids: [1, 2, 3], labels: [-100, 2, 3] }
    const example = tokenized.tokenize({ value, source: SOURCE }, context(tinyTokenizer()))
    expect([...example.ids]).toEqual([1, 2, 3])
    expect([...example.labels]).toEqual([-100, 2, 3])
  })

  test('asks for a type when the records are no tokens', () => {
    const run = (value: Record<string, unknown>) => (): unknown =>
      tokenized.tokenize({ value, source: SOURCE }, context(tinyTokenizer()))
    expect(errorOf(run({ instruction: 'a' })).remedy).toContain('type: alpaca')
    expect(errorOf(run({ input_ids: [1, 2], labels: [1] })).message).toContain('as many labels')
    expect(errorOf(run({ input_ids: [1, 'x'] })).message).toContain('a list of integers')
  })
})

test('a user-defined type fills its formats, once', () => {
  const tokenizer = tinyTokenizer()
  const type = {
    system_prompt: 'Be {input}.',
    system_format: '<<{system}>>',
    format: '{instruction}|{input}|',
    no_input_format: '{instruction}!',
    field_output: 'reply',
  }
  const run = (value: Record<string, unknown>): string => {
    const example = datasetTypeOf(options({ type })).type.tokenize(
      { value, source: SOURCE },
      context(tokenizer),
    )
    expect(trainedText(example, tokenizer)).toEqual(['ok</s>'])
    return tokenizer.decode([...example.ids])
  }
  expect(run({ instruction: '{input}', input: 'x', reply: 'ok' })).toBe('<<Be {input}.>>{input}|x|ok</s>')
  expect(run({ instruction: 'do', reply: 'ok' })).toBe('<<Be {input}.>>do!ok</s>')
})
