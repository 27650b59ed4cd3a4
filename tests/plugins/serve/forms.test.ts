/**
 * Answers that have a form: JSON of a schema, and calls of tools that have to be made, by both clients. A random model would never do so by itself.
 */
import Anthropic from '@anthropic-ai/sdk'
import { expect, test } from 'bun:test'
import OpenAI from 'openai'
import { type ServedTiny, serveTiny } from './_served.ts'

/** Shows tools in the way of Hermes. */
const TEMPLATE =
  "{% if tools %}<|start|>tools\n{% for tool in tools %}{{ tool | tojson }}{% endfor %}Call with <tool_call><|end|>\n{% endif %}{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content or '' }}{% for call in m.tool_calls or [] %}<tool_call>{{ call.function.arguments.city }}</tool_call>{% endfor %}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"

const MESSAGES = [{ role: 'user' as const, content: 'What is the weather?' }]
const CITY = { enum: ['Bern', 'Basel', 'Zug'] }
const PARAMETERS = {
  type: 'object' as const,
  properties: { city: { $ref: '#/$defs/city' }, days: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['city', 'days'],
  additionalProperties: false,
  $defs: { city: CITY },
}
const WEATHER = { type: 'function' as const, function: { name: 'weather', parameters: PARAMETERS } }
const NOW = { type: 'function' as const, function: { name: 'now' } }

function openai({ server }: ServedTiny): OpenAI {
  return new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
}

function anthropic({ server }: ServedTiny): Anthropic {
  return new Anthropic({ baseURL: server.url, apiKey: 'none', maxRetries: 0 })
}

function expectWeather(call: { readonly city?: unknown; readonly days?: unknown }): void {
  expect(CITY.enum).toContain(String(call.city))
  expect([1, 2, 3, 4, 5, 6, 7, 8, 9]).toContain(Number(call.days))
}

test('response_format: JSON that fits the schema, whole and as a stream, at any temperature', async () => {
  await using tiny = await serveTiny()
  const schema = {
    type: 'object',
    properties: { city: CITY, tags: { type: 'array', items: { enum: ['hot', 'wet'] }, maxItems: 3 } },
    required: ['city', 'tags'],
  }
  const request = {
    model: 'tiny',
    messages: MESSAGES,
    temperature: 2,
    max_tokens: 200,
    response_format: { type: 'json_schema' as const, json_schema: { name: 'answer', schema } },
  }
  const { choices } = await openai(tiny).chat.completions.create({ ...request, n: 8, seed: 1 })
  const values = choices.map(({ message, finish_reason }) => {
    expect(finish_reason).toBe('stop')
    return JSON.parse(message.content ?? '')
  })
  for (const { city, tags } of values) {
    expect(CITY.enum).toContain(city)
    expect(tags.length).toBeLessThanOrEqual(3)
  }
  expect(new Set(values.map((value) => JSON.stringify(value))).size).toBeGreaterThan(2)
  const stream = await openai(tiny).chat.completions.create({ ...request, seed: 1, stream: true })
  const pieces = (await Array.fromAsync(stream)).map(({ choices }) => choices[0].delta.content ?? '')
  expect(JSON.parse(pieces.join(''))).toEqual(values[0])
  const message = await anthropic(tiny).messages.create({
    model: 'german',
    messages: MESSAGES,
    max_tokens: 200,
    output_config: { format: { type: 'json_schema', schema } },
  })
  const [block] = message.content
  expect(CITY.enum).toContain(JSON.parse(block.type === 'text' ? block.text : '').city)
  expect(tiny.bugs).toEqual([])
})

test('tool_choice: a call that has to be made fits the schema of its tool', async () => {
  await using tiny = await serveTiny({}, { template: TEMPLATE })
  const { completions } = openai(tiny).chat
  const request = { model: 'tiny', messages: MESSAGES, tools: [NOW, WEATHER], max_tokens: 300 }
  const named = { type: 'function' as const, function: { name: 'weather' } }
  const { choices } = await completions.create({ ...request, tool_choice: named, seed: 3 })
  const { message, finish_reason } = choices[0]
  expect(finish_reason).toBe('tool_calls')
  expect(message.content).toBeNull()
  const [call] = message.tool_calls ?? []
  if (call.type !== 'function') throw new Error(call.type)
  expect(call.function.name).toBe('weather')
  expectWeather(JSON.parse(call.function.arguments))
  const stream = await completions.create({ ...request, tool_choice: named, seed: 3, stream: true })
  const deltas = (await Array.fromAsync(stream)).flatMap(({ choices }) => choices[0].delta.tool_calls ?? [])
  expect(deltas.map(({ function: made }) => made?.arguments)).toEqual([call.function.arguments])
  const either = await completions.create({ ...request, tool_choice: 'required', n: 8, seed: 1 })
  const names = either.choices.map(({ message: { tool_calls } }) =>
    tool_calls?.map((one) => (one.type === 'function' ? one.function.name : '')).join(),
  )
  expect(new Set(names)).toEqual(new Set(['now', 'weather']))
  // The answer of the tool goes back, and the template reads the arguments as an object.
  const next = await completions.create({
    ...request,
    messages: [...MESSAGES, message, { role: 'tool', tool_call_id: call.id, content: 'It rains.' }],
    tool_choice: 'none',
    max_tokens: 4,
  })
  expect(next.choices[0].finish_reason).toBe('length')
  expect(tiny.bugs).toEqual([])
})

test('the same by Anthropic: blocks, a stream of their JSON, results of tools', async () => {
  await using tiny = await serveTiny({}, { template: TEMPLATE })
  const { messages } = anthropic(tiny)
  const request = {
    model: 'pirate',
    messages: MESSAGES,
    max_tokens: 300,
    tools: [{ name: 'weather', input_schema: PARAMETERS }],
    tool_choice: { type: 'tool' as const, name: 'weather' },
  }
  const built = await messages.stream(request).finalMessage()
  expect(built.stop_reason).toBe('tool_use')
  const [block] = built.content
  if (block.type !== 'tool_use') throw new Error(block.type)
  expect(block.name).toBe('weather')
  expectWeather(Object.fromEntries(Object.entries(block.input ?? {})))
  const next = await messages.create({
    ...request,
    tool_choice: { type: 'none' },
    max_tokens: 4,
    messages: [
      ...MESSAGES,
      {
        role: 'assistant',
        content: [{ type: 'tool_use', id: block.id, name: block.name, input: block.input }],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: block.id, content: 'It rains.' }] },
    ],
  })
  expect(next.stop_reason).toBe('max_tokens')
  expect(tiny.bugs).toEqual([])
})

test('a schema that cannot be followed is refused with its place, and so is one beside tools', async () => {
  await using tiny = await serveTiny({}, { template: TEMPLATE })
  const refused = async (changes: object): Promise<string> => {
    const body = { model: 'tiny', messages: MESSAGES, max_tokens: 4, ...changes }
    const answer = await tiny.post('/v1/chat/completions', body)
    const { error } = await answer.json()
    return `${answer.status} ${error.message}`
  }
  const of = (schema: object): object => ({
    response_format: { type: 'json_schema', json_schema: { name: 'a', schema } },
  })
  expect(await refused(of({ type: 'object', properties: { a: { not: {} } } }))).toContain(
    '400 schema #/properties/a: the keyword "not" is not supported',
  )
  expect(await refused(of({ enum: ['x'.repeat(200_000)] }))).toContain('400 the schema has')
  expect(await refused({ ...of({ type: 'object' }), tools: [NOW] })).toContain('exclude each other')
  const wrong = { tools: [NOW], tool_choice: { type: 'function', function: { name: 'then' } } }
  expect(await refused(wrong)).toContain('400 tool_choice: there is no tool "then"')
  expect(await refused({ tool_choice: 'required' })).toContain('400 tool_choice: there are no tools')
})
