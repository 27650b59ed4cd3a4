/** Parts of messages: the tokens that axolotl trains, and what is refused. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { chatTemplate, type TokenizeContext } from '../../../plugins/data/mod.ts'
import { finetuneConfig, openTokenizer } from '../../../plugins/finetune/mod.ts'
import golden from '../../golden/data/train-details.json' with { type: 'json' }
import { GOLDEN } from '../../_golden.ts'
import { context, errorOf, SOURCE } from './_options.ts'
import { tinyTokenizer, trainedText } from './_tokenizer.ts'

const dataset = { message_field_training: 'train', message_field_training_detail: 'detail' }

function real(): TokenizeContext {
  const config = finetuneConfig.validate({
    base_model: 'm',
    learning_rate: 1e-4,
    datasets: [{ path: 'x.jsonl', type: 'chat_template' }],
    chat_template_jinja: golden.template,
  })
  return context(openTokenizer(join(GOLDEN, 'tokenizer', 'digits'), config), { dataset })
}

test("gives axolotl's masks, to the token", () => {
  const own = real()
  const ours = golden.cases.map(({ record }) => {
    const { ids, labels } = chatTemplate.tokenize({ value: record, source: SOURCE }, own)
    return { ids: [...ids], trained: [...labels.keys()].filter((i) => labels[i] !== -100) }
  })
  expect(ours).toHaveLength(31)
  expect(ours).toEqual(golden.cases.map(({ ids, trained }) => ({ ids, trained })))
})

/** The trained texts of one answer, a token a byte. */
function trained(answer: object, template?: string): string[] {
  const tokenizer = tinyTokenizer({ eosToken: '<|im_end|>', ...(template === undefined ? {} : { template }) })
  const value = {
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', ...answer },
    ],
  }
  return trainedText(
    chatTemplate.tokenize({ value, source: SOURCE }, context(tokenizer, { dataset })),
    tokenizer,
  )
}

const detail = (begin_offset: unknown, end_offset: unknown, train: unknown): object => ({
  begin_offset,
  end_offset,
  train,
})

test('characters count as code points, and white space that the template takes off does not move them', () => {
  expect(trained({ content: '🦀 yes no', detail: [detail(2, 4, true)] })).toEqual(['yes', '<|im_end|>'])
  const trimming = "{% for m in messages %}{{ m.role + ':' + m.content.strip() + '<|im_end|>' }}{% endfor %}"
  expect(trained({ content: '  yes no', detail: [detail(2, 4, true)] }, trimming)).toEqual([
    'yes',
    '<|im_end|>',
  ])
})

test.each([
  ['no list', { begin_offset: 0 }, 'to be a list of { begin_offset, end_offset, train }'],
  ['no flag', [{ begin_offset: 0, end_offset: 1 }], 'messages[1].detail[0] to be'],
  ['the other way round', [detail(3, 1, true)], 'of the characters 3 to 1'],
  ['behind the end', [detail(9, 12, true)], 'and the text has 0 to 3'],
  ['half a character', [detail(0.5, 1, true)], 'messages[1].detail[0] to be'],
])('%s is refused with the record', (_name, given, message) => {
  const error = errorOf(() => trained({ content: 'none', detail: given }))
  expect(error.code).toBe('E_DATA')
  expect(error.message).toStartWith('train.jsonl:17')
  expect(error.message).toContain(message)
})

test('parts with other flags than yes and no are refused', () => {
  const parts = (more: object): object => ({ content: [{ text: 'yes', ...more }] })
  expect(errorOf(() => trained(parts({ train: 'no' }))).message).toContain('content[0].train to be true')
  expect(errorOf(() => trained(parts({ weight: 'no' }))).message).toContain(
    'content[0].weight to be a number',
  )
})

test('a template that rewrites what has parts is refused', () => {
  const upper = "{% for m in messages %}{{ m.role + ':' + m.content | upper + '<|im_end|>' }}{% endfor %}"
  const error = errorOf(() => trained({ content: 'yes no', detail: [detail(0, 2, true)] }, upper))
  expect(error.message).toContain('the content of message 2 says which of its parts are trained')
})
