/**
 * OpenAI's own client against a server: chat, streams, stop texts, adapters by name, many clients at once.
 */
import { expect, test } from 'bun:test'
import OpenAI from 'openai'
import { alone, NAMES, type ServedTiny, serveTiny } from './_served.ts'

function client({ server }: ServedTiny, apiKey = 'none'): OpenAI {
  return new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 })
}

test('chat.completions: an answer, its reason, its tokens', async () => {
  await using tiny = await serveTiny()
  const answer = await client(tiny).chat.completions.create({
    model: 'tiny',
    messages: [{ role: 'user', content: 'Hello' }],
    temperature: 0,
    max_tokens: 8,
  })
  const [choice] = answer.choices
  expect(choice.message.content).toBe(alone(tiny, 'tiny', 'Hello', 8))
  expect(choice.finish_reason).toBe('length')
  expect(answer.usage?.completion_tokens).toBe(8)
  expect(answer.model).toBe('tiny')
  expect(tiny.bugs).toEqual([])
})

test('a stream has the same text, a role first, a reason last, and usage where it is wanted', async () => {
  await using tiny = await serveTiny()
  const stream = await client(tiny).chat.completions.create({
    model: 'german',
    messages: [{ role: 'user', content: 'Hello' }],
    temperature: 0,
    max_tokens: 12,
    stream: true,
    stream_options: { include_usage: true },
  })
  const chunks = await Array.fromAsync(stream)
  expect(chunks[0].choices[0].delta.role).toBe('assistant')
  const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
  expect(text).toBe(alone(tiny, 'german', 'Hello', 12))
  expect(chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).toEqual(['length'])
  expect(chunks.at(-1)?.usage?.completion_tokens).toBe(12)
})

test('adapters are chosen by name; sixteen clients at once get what each would get alone', async () => {
  await using tiny = await serveTiny({ parallel: 8 })
  const openai = client(tiny)
  expect((await Array.fromAsync(openai.models.list())).map(({ id }) => id)).toEqual([...NAMES])
  const asked = Array.from({ length: 16 }, (_, i) => ({ model: NAMES[i % 3], content: `Say ${i}` }))
  const wanted = asked.map(({ model, content }) => alone(tiny, model, content, 20))
  const got = await Promise.all(
    asked.map(async ({ model, content }, i) => {
      const request = {
        model,
        messages: [{ role: 'user' as const, content }],
        temperature: 0,
        max_tokens: 20,
      }
      if (i % 2 === 0) return (await openai.chat.completions.create(request)).choices[0].message.content
      const stream = await openai.chat.completions.create({ ...request, stream: true })
      const chunks = await Array.fromAsync(stream)
      return chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
    }),
  )
  expect(got).toEqual(wanted)
  expect(new Set(wanted).size).toBeGreaterThan(8)
})

test('stop texts end an answer and are not in it; seeds and n', async () => {
  await using tiny = await serveTiny()
  const { completions } = client(tiny).chat
  const text = alone(tiny, 'tiny', 'Hello', 24)
  const request = { model: 'tiny', messages: [{ role: 'user' as const, content: 'Hello' }], max_tokens: 24 }
  const stopped = await completions.create({ ...request, temperature: 0, stop: [text.slice(8, 11), 'never'] })
  expect(stopped.choices[0].message.content).toBe(text.slice(0, text.indexOf(text.slice(8, 11))))
  expect(stopped.choices[0].finish_reason).toBe('stop')
  const drawn = async (seed: number | null): Promise<(string | null)[]> =>
    (await completions.create({ ...request, n: 3, seed })).choices.map(({ message }) => message.content)
  const [first, again, other, free, freeAgain] = await Promise.all([
    drawn(1),
    drawn(1),
    drawn(8),
    drawn(null),
    drawn(null),
  ])
  expect(new Set(first).size).toBe(3)
  expect<unknown>(again).toEqual(first)
  expect(other).not.toEqual(first)
  expect(free).not.toEqual(freeAgain)
})

test('logprobs of a chat: of each token, with the most likely ones; their texts are the answer', async () => {
  await using tiny = await serveTiny()
  const request = {
    model: 'pirate',
    messages: [{ role: 'user' as const, content: 'Hello' }],
    temperature: 0,
    max_tokens: 10,
    logprobs: true,
    top_logprobs: 3,
  }
  const answer = await client(tiny).chat.completions.create(request)
  const told = answer.choices[0].logprobs?.content ?? []
  expect(told).toHaveLength(10)
  for (const { token, logprob, top_logprobs } of told) {
    expect(top_logprobs).toHaveLength(3)
    expect(top_logprobs[0]).toMatchObject({ token, logprob })
    expect(top_logprobs[1].logprob).toBeLessThanOrEqual(logprob)
  }
  const stream = await client(tiny).chat.completions.create({ ...request, stream: true })
  const chunks = await Array.fromAsync(stream)
  expect(chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? [])).toEqual(told)
})

test('completions: texts and ids, several at once, likely tokens in lists', async () => {
  await using tiny = await serveTiny()
  const { tokenizer } = tiny.served.voice('tiny')
  const openai = client(tiny)
  const of = async (prompt: string | number[] | string[]): Promise<string[]> =>
    (await openai.completions.create({ model: 'tiny', prompt, max_tokens: 6, temperature: 0 })).choices.map(
      ({ text }) => text,
    )
  const [one] = await of('Call me')
  expect(await of(tokenizer.encode('Call me'))).toEqual([one])
  expect(await of(['Call me', 'Once'])).toEqual([one, ...(await of('Once'))])
  const { choices, usage } = await openai.completions.create({
    model: 'tiny',
    prompt: 'Call me',
    max_tokens: 6,
    temperature: 0,
    logprobs: 2,
  })
  const lists = choices[0].logprobs
  expect(lists?.tokens?.length).toBe(6)
  expect(lists?.text_offset?.[0]).toBe(0)
  expect(Object.keys(lists?.top_logprobs?.[3] ?? {})).toContain(String(lists?.tokens?.[3]))
  expect(usage?.prompt_tokens).toBe(tokenizer.encode('Call me').length)
  const stream = await openai.completions.create({
    model: 'tiny',
    prompt: 'Call me',
    max_tokens: 6,
    temperature: 0,
    stream: true,
  })
  const pieces = (await Array.fromAsync(stream)).map(({ choices }) => choices[0].text)
  expect(pieces.join('')).toBe(one)
})
