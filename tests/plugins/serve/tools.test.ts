/**
 * Calls of tools as models write them, whole and token by token, and the texts that only look like calls.
 */
import { describe, expect, test } from 'bun:test'
import { hermes } from '../../../plugins/serve/tools/hermes.ts'
import { llama } from '../../../plugins/serve/tools/llama.ts'
import { mistral } from '../../../plugins/serve/tools/mistral.ts'
import type { Tool, ToolFormat } from '../../../plugins/serve/tools/tool-format.ts'
import { toolFormatOf, watchForTools } from '../../../plugins/serve/tools/tool-watch.ts'

const TOOLS: readonly Tool[] = [
  {
    name: 'weather',
    description: null,
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' }, parts: { type: 'array' } },
    },
  },
  { name: 'now', description: null, parameters: null },
]

const WEATHER = { name: 'weather', arguments: { city: 'Bern', days: 2 } }
const NOW = { name: 'now', arguments: {} }

interface Case {
  readonly format: ToolFormat
  readonly text: string
  readonly said: string
  readonly calls: readonly object[]
}

const CASES: readonly Case[] = [
  {
    format: hermes,
    text: 'Let me see.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Bern", "days": 2}}\n</tool_call>',
    said: 'Let me see.\n',
    calls: [WEATHER],
  },
  {
    format: hermes,
    text: '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern", "days": 2}}\n</tool_call>\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
    said: '',
    calls: [WEATHER, NOW],
  },
  {
    format: hermes,
    text: '<tool_call>\n<function=weather>\n<parameter=city>\n12\n</parameter>\n<parameter=days>\n2\n</parameter>\n<parameter=parts>\n["a"]\n</parameter>\n</function>\n</tool_call>',
    said: '',
    // A text stays a text, whatever it looks like.
    calls: [{ name: 'weather', arguments: { city: '12', days: 2, parts: ['a'] } }],
  },
  { format: hermes, text: 'a < b and <tool_c is no call', said: 'a < b and <tool_c is no call', calls: [] },
  {
    format: hermes,
    text: 'x <tool_call>\n{"name": "weather", "argum',
    said: 'x <tool_call>\n{"name": "weather", "argum',
    calls: [],
  },
  {
    format: mistral,
    text: '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Bern", "days": 2}}, {"name": "now", "arguments": {}}]',
    said: '',
    calls: [WEATHER, NOW],
  },
  {
    format: mistral,
    text: 'Yes.[TOOL_CALLS]weather[ARGS]{"city": "Bern", "days": 2}[TOOL_CALLS]now{}',
    said: 'Yes.',
    calls: [WEATHER, NOW],
  },
  { format: mistral, text: '[TOOL_CALLS] nothing', said: '[TOOL_CALLS] nothing', calls: [] },
  {
    format: llama,
    text: '\n{"name": "weather", "parameters": {"city": "Bern", "days": 2}}',
    said: '',
    calls: [WEATHER],
  },
  {
    format: llama,
    text: '<|python_tag|>{"name": "weather", "parameters": {"city": "Bern", "days": 2}}; {"name": "now", "parameters": {}}',
    said: '',
    calls: [WEATHER, NOW],
  },
  { format: llama, text: '{ is how a block begins', said: '{ is how a block begins', calls: [] },
  { format: llama, text: ' {"a": 1}', said: ' {"a": 1}', calls: [] },
  { format: llama, text: 'no call', said: 'no call', calls: [] },
]

describe('a text that grows is parted into words and calls, however it is cut', () => {
  test.each(CASES.map((one, i) => [`${i}: ${one.format.name}`, one] as const))('%s', (_, one) => {
    for (const size of [1, 2, 3, 7, 1000]) {
      const watch = watchForTools(one.format, TOOLS)
      let said = ''
      for (let at = 0; at < one.text.length; at += size) said += watch.push(one.text.slice(at, at + size))
      const { text, calls } = watch.end()
      expect([said + text, calls]).toEqual([one.said, [...one.calls]] as never)
    }
  })
})

test('words before a call are given as they come', () => {
  const watch = watchForTools(hermes, TOOLS)
  expect(watch.push('Let me see. <')).toBe('Let me see. ')
  expect(watch.push('b and so on')).toBe('<b and so on')
})

test('the template tells the way; ids are as it takes them', () => {
  expect(toolFormatOf('{{ "<tool_call>" }}')?.name).toBe('hermes')
  expect(toolFormatOf('{{ "[TOOL_CALLS]" }}')?.name).toBe('mistral')
  expect(toolFormatOf('{{ "<|python_tag|>" }}')?.name).toBe('llama')
  expect(toolFormatOf('{{ messages }}')).toBeNull()
  expect(toolFormatOf(undefined)).toBeNull()
  expect(mistral.newId()).toMatch(/^[a-zA-Z0-9]{9}$/)
  expect(hermes.newId()).not.toBe(hermes.newId())
})
