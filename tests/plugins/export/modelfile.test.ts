/**
 * Chat templates for Ollama: templates of common families become texts around messages; others are told to be more.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findChatWraps, modelfile, wrapChat } from '../../../plugins/export/mod.ts'
import { compileTemplate } from '../../../plugins/jinja/mod.ts'
import { readTokenizerFiles } from '../../../plugins/tokenizer/mod.ts'
import { GOLDEN } from '../../_golden.ts'

type Messages = readonly { readonly role: string; readonly content: string }[]

const CHATML =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
const LLAMA3 =
  "{% for m in messages %}{% set c = '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set c = bos_token + c %}{% endif %}{{ c }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
const MISTRAL =
  "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ m['content'] + eos_token }}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"

function render(
  source: string,
): (messages: Messages, options: { readonly addGenerationPrompt: boolean }) => string {
  const template = compileTemplate(source)
  return (messages, { addGenerationPrompt }) =>
    template.render({
      messages,
      add_generation_prompt: addGenerationPrompt,
      bos_token: '<s>',
      eos_token: '</s>',
    }).text
}

describe('findChatWraps()', () => {
  test('chatml', () => {
    expect(findChatWraps(render(CHATML), '<s>')).toEqual({
      start: '',
      system: { before: '<|im_start|>system\n', after: '<|im_end|>\n' },
      user: { before: '<|im_start|>user\n', after: '<|im_end|>\n' },
      assistant: { before: '<|im_start|>assistant\n', after: '<|im_end|>\n' },
      defaultSystem: null,
    })
  })

  test('llama 3; the token that the tokenizer adds is not written again', () => {
    const wraps = findChatWraps(render(LLAMA3), '<s>')
    expect(wraps).toMatchObject({
      start: '',
      user: { before: '<|start_header_id|>user<|end_header_id|>\n\n' },
    })
    expect(findChatWraps(render(LLAMA3), '')?.start).toBe('<s>')
  })

  test('mistral has no system messages', () => {
    expect(findChatWraps(render(MISTRAL), '<s>')).toMatchObject({
      start: '',
      system: null,
      user: { before: '[INST] ', after: ' [/INST]' },
      assistant: { before: '', after: '</s>' },
    })
  })

  test('a system message of the template’s own', () => {
    const source = `{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}${CHATML}`
    const wraps = findChatWraps(render(source), '')
    expect(wraps).toMatchObject({ start: '', defaultSystem: 'Be kind.' })
    const chat = [{ role: 'user', content: 'Hi' }]
    expect(wrapChat(wraps!, chat, true)).toBe(render(source)(chat, { addGenerationPrompt: true }))
  })

  const more: [string, string][] = [
    ['counts messages', CHATML.replace("m['content']", "m['content'] + (loop.index | string)")],
    [
      'writes the last message otherwise',
      CHATML.replace("'<|im_end|>'", "('' if loop.last else '<|im_end|>')"),
    ],
    ['leaves messages out', "{{ messages[-1]['content'] }}"],
    ['shows a message twice', CHATML.replace("m['content']", "m['content'] + m['content']")],
    ['changes the text', CHATML.replace("m['content']", "m['content'] | upper")],
    ['refuses everything', "{{ raise_exception('no') }}"],
  ]
  test.each(more)('a template that %s is more than that', (_name, source) => {
    expect(findChatWraps(render(source), '')).toBeNull()
  })
})

describe('modelfile()', () => {
  const files = readTokenizerFiles(join(GOLDEN, 'tokenizer/digits'))
  const withTemplate = (source: string): string =>
    modelfile({
      model: './model.gguf',
      adapter: './adapter.gguf',
      tokenizer: { ...files, chatTemplates: new Map([['default', source]]) },
    }).text

  test('writes the template in Go’s words, and where a reply ends', () => {
    const lines = withTemplate(CHATML).split('\n')
    expect(lines.slice(0, 2)).toEqual(['FROM ./model.gguf', 'ADAPTER ./adapter.gguf'])
    expect(withTemplate(CHATML)).toContain(
      'TEMPLATE """{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system\n{{ .Content }}<|im_end|>\n{{ else if eq .Role "user" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n{{ else if eq .Role "assistant" }}<|im_start|>assistant\n{{ .Content }}<|im_end|>\n{{ end }}{{ end }}<|im_start|>assistant\n"""\n',
    )
    expect(lines).toContain('PARAMETER stop "<|im_end|>"')
  })

  test('braces in a template are text', () => {
    expect(withTemplate(CHATML.replaceAll('<|im_start|>', '{{s}}'))).toContain(
      'TEMPLATE """{{ range .Messages }}{{ if eq .Role "system" }}{{ "{{" }}s}}system\n{{ .Content }}',
    )
  })

  test('says where a template is more than texts around messages', () => {
    const { text, notes } = modelfile({
      model: './model.gguf',
      adapter: null,
      tokenizer: { ...files, chatTemplates: new Map([['default', "{{ messages[-1]['content'] }}"]]) },
    })
    expect(notes).toHaveLength(1)
    expect(text).toContain('# the chat template is more than texts around messages')
    expect(text).not.toContain('TEMPLATE """')
  })

  test('a model without a tokenizer has a file and nothing else', () => {
    expect(modelfile({ model: './model.gguf', adapter: null, tokenizer: null })).toEqual({
      text: 'FROM ./model.gguf\n',
      notes: [],
    })
  })

  test('of the golden chat template', () => {
    expect(readFileSync(join(GOLDEN, 'tokenizer/digits/chat_template.jinja'), 'utf8').length).toBeGreaterThan(
      0,
    )
    expect(modelfile({ model: './m.gguf', adapter: null, tokenizer: files }).text).toMatch(
      /^FROM \.\/m\.gguf\n/,
    )
  })
})
