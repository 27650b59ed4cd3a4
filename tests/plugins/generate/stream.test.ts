/**
 * Text as it is made: whole characters, stop texts, and the same text as decoding everything at once.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import type { Model } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { generate, openGenerator, streamText } from '../../../plugins/generate/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadTokenizer, type Tokenizer } from '../../../plugins/tokenizer/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

const cpu = openCpu()

function openTiny(): { model: Model; tokenizer: Tokenizer; folder: string } & Disposable {
  using open = new DisposableStack()
  const { path } = open.use(temporaryFolder())
  writeTinyModel(path)
  const model = open.use(loadModel(path, { device: cpu }))
  const owned = open.move()
  return { model, tokenizer: loadTokenizer(path), folder: path, [Symbol.dispose]: () => owned.dispose() }
}

/** True for text with half a UTF-16 pair. */
const isTorn = (text: string): boolean => !text.isWellFormed()

test('the pieces, joined, are the decoded tokens, and no piece has half a character', () => {
  using tiny = openTiny()
  const { model, tokenizer } = tiny
  for (let seed = 0; seed < 8; seed++) {
    const options = { temperature: 5, seed, maxNewTokens: 60 } // hot: random bytes
    const pieces = [...streamText(model, tokenizer, { prompt: 'a' }, options)]
    const ids = [...generate(model, tokenizer.encode('a'), { ...options, stopIds: tokenizer.eosIds })]
    expect(pieces.join('')).toBe(tokenizer.decode(ids, { skipSpecialTokens: true }))
    expect(pieces.some(isTorn)).toBe(false)
    expect(pieces.length).toBeGreaterThan(1)
  }
})

/** Reads a text that is written out beforehand, one byte a token: the model's choices are not looked at. */
function scripted(tokenizer: Tokenizer, text: string): Tokenizer {
  const bytes = new TextEncoder().encode(text)
  return {
    ...tokenizer,
    eosIds: [],
    createDecodeStream() {
      const decoder = new TextDecoder()
      let next = 0
      return {
        push: () => decoder.decode(bytes.subarray(next, ++next), { stream: true }),
        end: () => decoder.decode(),
      }
    },
  }
}

function read(
  text: string,
  stop: readonly string[],
  maxNewTokens = new TextEncoder().encode(text).length,
): string[] {
  using tiny = openTiny()
  return [...streamText(tiny.model, scripted(tiny.tokenizer, text), { prompt: 'a' }, { stop, maxNewTokens })]
}

describe('stop texts', () => {
  test('end the text before them, also when they come in several tokens', () => {
    expect(read('one two###three', ['###']).join('')).toBe('one two')
    expect(read('one two###three', ['three', '##']).join('')).toBe('one two')
    expect(read('###', ['###']).join('')).toBe('')
  })

  test('what only looks like the beginning of one is given', () => {
    expect(read('a # b ## c', ['###']).join('')).toBe('a # b ## c')
    expect(read('a ##', ['###']).join('')).toBe('a ##')
  })

  test('no piece shows a part of one', () => {
    for (const piece of read('one two###three', ['###'])) expect(piece).not.toContain('#')
  })

  test.each(['x', 'xy', 'xyz', '🦀🦀🦀!'])('%p tears no character', (stop) => {
    const text = '🦀 a 🦀🦀 é 日本 𝄞𝄞 🦀'
    const pieces = read(text, [stop])
    expect(pieces.join('')).toBe(text)
    expect(pieces.filter(isTorn)).toEqual([])
  })

  test('an unfinished character at the end becomes one replacement character', () => {
    const bytes = new TextEncoder().encode('ab🦀')
    expect(read('ab🦀', [], bytes.length - 2).join('')).toBe('ab\uFFFD')
  })
})

test('openGenerator() writes from a folder, with a prompt or with chat messages', async () => {
  using tiny = openTiny()
  using generator = await openGenerator(join(tiny.folder), { device: cpu })
  const prompt = [...generator.stream({ prompt: '1 2 3' }, { maxNewTokens: 5 })].join('')
  const again = [...generator.stream({ prompt: '1 2 3' }, { maxNewTokens: 5 })].join('')
  expect(again).toBe(prompt)
  const messages = [{ role: 'user', content: 'hi' }]
  const rendered = generator.tokenizer.renderChat(messages, { addGenerationPrompt: true })
  const ids = generator.tokenizer.encode(rendered, { addSpecialTokens: false })
  const expected = [
    ...generate(generator.model, ids, { maxNewTokens: 5, stopIds: generator.tokenizer.eosIds }),
  ]
  expect([...generator.stream({ messages }, { maxNewTokens: 5 })].join('')).toBe(
    generator.tokenizer.decode(expected, { skipSpecialTokens: true }),
  )
})
