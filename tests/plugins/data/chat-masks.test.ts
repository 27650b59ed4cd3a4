import { describe, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chatTemplate, readRecords, sharegpt } from '../../../plugins/data/mod.ts'
import golden from '../../golden/data/chat-masks.json' with { type: 'json' }
import { context, errorOf, options, SOURCE } from './_options.ts'
import type { ContextOptions } from './_options.ts'
import { tinyTokenizer, trainedText } from './_tokenizer.ts'

const EOS = '<|im_end|>'
const { thinking, tools } = golden.templates

function read(
  value: Record<string, unknown>,
  template: string,
  options: ContextOptions = {},
  type: typeof chatTemplate = chatTemplate,
): { readonly text: string; readonly trained: string[] } {
  const tokenizer = tinyTokenizer({ eosToken: EOS, template })
  const example = type.tokenize({ value, source: SOURCE }, context(tokenizer, options))
  return { text: tokenizer.decode([...example.ids]), trained: trainedText(example, tokenizer) }
}

const user = { role: 'user', content: 'Hi' }
const call = { type: 'function', function: { name: 'f', arguments: { a: 1 } } }

describe('chatTemplate', () => {
  test("gives axolotl's masks: reasoning, tools, rewritten turns, JSON texts", () => {
    expect(golden.cases).toHaveLength(16)
    const templates: Readonly<Record<string, string>> = golden.templates
    const ours = golden.cases.map(({ template, record }) => read(record, templates[template]))
    expect(ours).toEqual(golden.cases.map(({ text, trained }) => ({ text, trained })))
  })

  test('says once what the template does not use of a message', () => {
    const notes: string[] = []
    const messages = [user, { role: 'assistant', content: 'Yes', reasoning_content: 'hm', id: 3 }]
    const plain = "{% for m in messages %}{{ m.role + ':' + m.content + '<|im_end|>' }}{% endfor %}"
    expect(read({ messages }, plain, { notes }).trained).toEqual(['Yes<|im_end|>'])
    expect(notes).toEqual([
      'the chat template does not use "reasoning_content" of the messages, so nothing of it is learned',
      'the chat template does not use "id" of the messages, so nothing of it is learned',
    ])
  })

  test('says when only some of the reasoning is written', () => {
    const notes: string[] = []
    const turn = { role: 'assistant', content: 'Yes', reasoning_content: 'hm' }
    read({ messages: [user, turn, user, turn] }, thinking, { notes })
    expect(notes).toEqual([
      'the chat template leaves out the reasoning of some trained turns; it is not learned there',
    ])
  })

  test('takes reasoning from the field that is named, and out of the content when asked to', () => {
    const named = { messages: [user, { role: 'assistant', content: 'Yes', cot: 'hm' }] }
    const wanted = ['hm\n</think>\n\nYes<|im_end|>']
    expect(read(named, thinking, { dataset: { field_thinking: 'cot' } }).trained).toEqual(wanted)
    const inside = { messages: [user, { role: 'assistant', content: '<reasoning>hm</reasoning> Yes' }] }
    expect(read(inside, thinking, { dataset: { split_thinking: true } }).trained).toEqual(wanted)
    const other = thinking.replaceAll('reasoning_content', 'thought')
    const options = { split_thinking: true, template_thinking_key: 'thought' }
    expect(read(inside, other, { dataset: options }).trained).toEqual(wanted)
  })

  test('an empty turn teaches nothing, and that is said', () => {
    const notes: string[] = []
    expect(read({ messages: [user, { role: 'assistant', content: '' }] }, tools, { notes }).trained).toEqual(
      [],
    )
    expect(notes.join()).toContain('some of the turns to train are empty')
  })

  test('refuses turns and tool calls that the template leaves out, with role and record', () => {
    const known =
      "{% for m in messages %}{% if m.role in ['user', 'assistant'] %}{{ m.role + ':' + m.content + '<|im_end|>' }}" +
      '{% endif %}{% endfor %}'
    const pirate = {
      messages: [user, { role: 'pirate', content: 'Arr' }, { role: 'assistant', content: 'Yes' }],
    }
    const error = errorOf(() => read(pirate, known))
    expect(error.code).toBe('E_DATA')
    expect(error.message).toContain(
      'train.jsonl:17: the chat template leaves out message 2, whose role is "pirate"',
    )
    const calling = { messages: [user, { role: 'assistant', content: '', tool_calls: [call] }] }
    expect(errorOf(() => read(calling, known)).message).toContain('leaves out the tool calls of message 2')
  })

  test('keeps to the turn where results of tools are written elsewhere without its calls', () => {
    const template =
      "{% set ns = namespace(called=false) %}{% for m in messages %}{% if m.role == 'tool' %}" +
      "{{ ('[' if ns.called else '(') + m.content + ('] ' if ns.called else ') ') }}{% else %}{{ m.role + ':' + (m.content or '') }}" +
      "{% if m.tool_calls %}{% set ns.called = true %}{{ m.tool_calls | tojson }}{% endif %}{{ '<|im_end|>' }}{% endif %}{% endfor %}"
    const messages = [
      user,
      { role: 'assistant', content: 'See', tool_calls: [call] },
      { role: 'tool', content: '42' },
      { role: 'assistant', content: 'It is 42' },
    ]
    expect(read({ messages }, template).trained).toEqual([
      'See[{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]<|im_end|>',
      'It is 42<|im_end|>',
    ])
  })

  test('trains a turn around the result that stands in the middle of it', () => {
    const template =
      "{% for m in messages %}{% if m.role != 'tool' %}{{ m.role + ':' }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}" +
      "{% set next = messages[loop.index0 + 1] %}{% if next is defined %}{{ '<' + next.content + '>' }}{% endif %}{% endif %}" +
      "{{ (m.content or '') + '<|im_end|>' }}{% endif %}{% endfor %}"
    const messages = [
      user,
      { role: 'assistant', content: 'So 42', tool_calls: [{ name: 'f' }] },
      { role: 'tool', content: 'result' },
    ]
    expect(read({ messages }, template).trained).toEqual(['[{"name": "f"}]', 'So 42<|im_end|>'])
  })

  test('trains what the template marks as generated', () => {
    const template =
      "{% for m in messages %}{{ m.role + ':' }}{% if m.role == 'assistant' %}{% generation %}{{ '<a>' + m.content + '</a>' }}" +
      "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{{ '<|im_end|>' }}{% endfor %}"
    const turn = { role: 'assistant', content: 'Yes' }
    const value = { messages: [user, turn, user, { ...turn, learn: false }] }
    const dataset = { message_field_training: 'learn', train_on_eos: 'none' }
    expect(read(value, template, { dataset }).trained).toEqual(['<a>Yes</a>'])
  })
})

test('numbers are written as they stand in the file', async () => {
  const args = '{"x": 1.0, "y": 1, "e": 1e3, "big": 12345678901234567890, "half": 0.5, "s": "1.0"}'
  const turn = `{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": ${args}}}]}`
  const json = `{"messages": [{"role": "user", "content": "Hi"}, ${turn}]}`
  const wanted = `\n<tool_call>{"name": "f", "arguments": ${args.replace('1e3', '1000.0')}}</tool_call><|im_end|>`
  const tokenizer = tinyTokenizer({ eosToken: EOS, template: tools })
  const path = join(tmpdir(), `tritune-numbers-${process.pid}.jsonl`)
  const asText = {
    messages: [user, { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: args } }] }],
  }
  writeFileSync(path, `${json}\n${JSON.stringify(asText)}\n`)
  const records = await Array.fromAsync(readRecords(path, options({})))
  rmSync(path)
  const texts = records.map((record) =>
    trainedText(chatTemplate.tokenize(record, context(tokenizer)), tokenizer),
  )
  expect(texts).toEqual([[wanted], [wanted]])
})

test("`sharegpt` knows LLaMA-Factory's roles for tools", () => {
  const value = {
    conversations: [
      { from: 'human', value: 'Hi' },
      { from: 'function_call', value: '{"name": "f", "arguments": {"a": 1}}' },
      { from: 'observation', value: '42' },
      { from: 'gpt', value: 'It is 42' },
    ],
    tools: '[{"name": "f"}]',
  }
  const { text, trained } = read(value, tools, {}, sharegpt)
  expect(trained).toEqual([
    '\n<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call><|im_end|>',
    'It is 42<|im_end|>',
  ])
  expect(text).toContain('# Tools\n{"name": "f"}\n<|im_end|>')
  expect(text).toContain('<|im_start|>tool\n42<|im_end|>')
  const broken = { conversations: [{ from: 'function_call', value: 'f(1)' }] }
  expect(errorOf(() => read(broken, tools, {}, sharegpt)).message).toContain(
    'train.jsonl:17: conversations[0].value is a text that is not valid JSON',
  )
})
