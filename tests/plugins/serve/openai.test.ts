/**
 * OpenAI's own client against a server: chat, streams, stop texts, adapters by name, many clients at once.
 */
import { expect, test } from 'bun:test'
import OpenAI from 'openai'
import { generate } from '../../../plugins/generate/mod.ts'
import { NAMES, type ServedTiny, serveTiny } from './_served.ts'

function client({ server }: ServedTiny, apiKey = 'none'): OpenAI {
  return new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 })
}

/** What the model makes of a message by itself. */
function alone({ served }: ServedTiny, name: string, content: string, maxNewTokens: number): string {
  const { tokenizer, adapters } = served.voice(name)
  const text = tokenizer.renderChat([{ role: 'user', content }], { addGenerationPrompt: true })
  const ids = tokenizer.encode(text, { addSpecialTokens: false })
  const active = name === 'tiny' ? [] : [String(adapters)]
  const made = generate(served.model, ids, { adapters: active, maxNewTokens, stopIds: tokenizer.eosIds })
  return tokenizer.decode([...made], { skipSpecialTokens: true })
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
