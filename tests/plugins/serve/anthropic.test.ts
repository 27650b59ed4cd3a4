/**
 * Anthropic's own client against a server: messages, streams, stop texts, the beginning of an answer, counting.
 */
import Anthropic, { APIError } from '@anthropic-ai/sdk'
import { expect, test } from 'bun:test'
import { alone, NAMES, type ServedTiny, serveTiny } from './_served.ts'

function client({ server }: ServedTiny, apiKey = 'none'): Anthropic {
  return new Anthropic({ baseURL: server.url, apiKey, maxRetries: 0 })
}

const HELLO = { messages: [{ role: 'user' as const, content: 'Hello' }], temperature: 0 }

test('messages.create: a text, its reason, its tokens', async () => {
  await using tiny = await serveTiny()
  const answer = await client(tiny).messages.create({ model: 'german', max_tokens: 8, ...HELLO })
  expect(answer.content).toEqual([{ type: 'text', text: alone(tiny, 'german', 'Hello', 8), citations: null }])
  expect(answer.stop_reason).toBe('max_tokens')
  expect(answer.usage.output_tokens).toBe(8)
  const counted = await client(tiny).messages.countTokens({ model: 'german', messages: HELLO.messages })
  const { input_tokens, cache_read_input_tokens } = answer.usage
  expect(counted.input_tokens).toBe(input_tokens + (cache_read_input_tokens ?? 0))
  expect(tiny.bugs).toEqual([])
})

test('a stream builds the same message; a stop sequence is told and not given', async () => {
  await using tiny = await serveTiny()
  const text = alone(tiny, 'tiny', 'Hello', 24)
  const stop = text.slice(9, 12)
  const request = { model: 'tiny', max_tokens: 24, ...HELLO, stop_sequences: [stop] }
  const whole = await client(tiny).messages.create(request)
  const stream = client(tiny).messages.stream(request)
  const heard: string[] = []
  stream.on('text', (piece) => heard.push(piece))
  const built = await stream.finalMessage()
  expect<readonly unknown[]>(built.content).toEqual(whole.content)
  expect(heard.join('')).toBe(text.slice(0, text.indexOf(stop)))
  expect(built.stop_reason).toBe('stop_sequence')
  expect(built.stop_sequence).toBe(stop)
})

test('sixteen clients at once, of three names, get what each would get alone', async () => {
  await using tiny = await serveTiny({ parallel: 8 })
  const asked = Array.from({ length: 16 }, (_, i) => ({ model: NAMES[i % 3], content: `Tell ${i}` }))
  const got = await Promise.all(
    asked.map(async ({ model, content }, i) => {
      const messages = [{ role: 'user' as const, content }]
      const request = { model, messages, temperature: 0, max_tokens: 16 }
      const answer =
        i % 2 === 0
          ? await client(tiny).messages.create(request)
          : await client(tiny).messages.stream(request).finalMessage()
      const [block] = answer.content
      return block.type === 'text' ? block.text : block.type
    }),
  )
  expect(got).toEqual(asked.map(({ model, content }) => alone(tiny, model, content, 16)))
})

test('a last message of the assistant is the beginning of the answer', async () => {
  await using tiny = await serveTiny()
  const text = alone(tiny, 'tiny', 'Hello', 16)
  const messages = [...HELLO.messages, { role: 'assistant' as const, content: text.slice(0, 6) }]
  const answer = await client(tiny).messages.create({ ...HELLO, model: 'tiny', max_tokens: 4, messages })
  expect(answer.content[0]).toMatchObject({ type: 'text' })
  const counted = await client(tiny).messages.countTokens({ model: 'tiny', messages })
  const before = await client(tiny).messages.countTokens({ model: 'tiny', messages: HELLO.messages })
  expect(counted.input_tokens).toBeGreaterThan(before.input_tokens)
})

test('what is wrong is an error of the client, with its place', async () => {
  await using tiny = await serveTiny({ token: 'secret' })
  const refusal = async (asked: Promise<unknown>): Promise<APIError> => {
    const error: unknown = await asked.then(
      () => null,
      (thrown: unknown) => thrown,
    )
    if (error instanceof APIError) return error
    throw new Error('nothing was refused')
  }
  const { messages } = client(tiny, 'secret')
  const image = {
    type: 'image' as const,
    source: { type: 'url' as const, url: 'https://example.test/a.png' },
  }
  const of = (changes: object): Promise<unknown> =>
    messages.create({ model: 'tiny', max_tokens: 4, ...HELLO, ...changes })
  const unknown = await refusal(of({ model: 'tyni' }))
  expect(unknown.status).toBe(404)
  expect(unknown.message).toContain('did you mean \\"tiny\\"')
  expect((await refusal(of({ max_tokens: 0 }))).message).toContain('max_tokens')
  expect((await refusal(of({ thinking: { type: 'enabled', budget_tokens: 1024 } }))).message).toContain(
    'thinking',
  )
  expect((await refusal(of({ messages: [{ role: 'user', content: [image] }] }))).message).toContain(
    'messages[0].content[0]',
  )
  expect(
    (await refusal(client(tiny, 'wrong').messages.create({ model: 'tiny', max_tokens: 4, ...HELLO }))).status,
  ).toBe(401)
  expect(tiny.bugs).toEqual([])
})
