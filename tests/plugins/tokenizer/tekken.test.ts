/** tekken.json of Mistral's models: the same ids as tiktoken, and a tokenizer.json that others read. */
import { expect, test } from 'bun:test'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { saveTokenizer } from '../../../plugins/finetune/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { goldenJson, GOLDEN, temporaryFolder } from '../../_golden.ts'

const cases = goldenJson<readonly { readonly text: string; readonly ids: readonly number[] }[]>(
  'tokenizer/tekken/cases.json',
)
const FOLDER = join(GOLDEN, 'tokenizer/tekken')

test.each([...cases])('$text', ({ text, ids }) => {
  const tokenizer = loadTokenizer(FOLDER)
  expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual([...ids])
  expect(tokenizer.encode(text)).toEqual([1, ...ids])
  expect(tokenizer.decode(ids)).toBe(text)
})

test('has the special tokens that the file lists, and no token beyond its size', () => {
  const tokenizer = loadTokenizer(FOLDER)
  expect([tokenizer.bosId, tokenizer.eosId, tokenizer.vocabSize]).toEqual([1, 2, 335])
  expect(tokenizer.encode('[INST]a[/INST]', { addSpecialTokens: false })).toEqual([3, 5 + 97, 4])
  expect(tokenizer.idOf('zz0')).toBeUndefined()
})

test('is saved as a tokenizer.json', () => {
  using space = temporaryFolder()
  mkdirSync(join(space.path, 'model'))
  copyFileSync(join(FOLDER, 'tekken.json'), join(space.path, 'model/tekken.json'))
  mkdirSync(join(space.path, 'out'))
  saveTokenizer(join(space.path, 'out'), join(space.path, 'model'))
  expect(existsSync(join(space.path, 'out/tokenizer.json'))).toBe(true)
  const [{ text }] = cases
  expect(loadTokenizer(join(space.path, 'out')).encode(text)).toEqual(loadTokenizer(FOLDER).encode(text))
})

test('that lacks what it must have is an error', () => {
  using space = temporaryFolder()
  const file = join(space.path, 'tekken.json')
  const whole = JSON.parse(readFileSync(join(FOLDER, 'tekken.json'), 'utf8'))
  for (const [broken, message] of [
    [{ ...whole, config: {} }, 'pattern, sizes or vocab'],
    [{ ...whole, vocab: 3 }, 'pattern, sizes or vocab'],
    [{ ...whole, vocab: [{ rank: 0 }] }, 'token 0 has no token_bytes'],
  ] as const) {
    writeFileSync(file, JSON.stringify(broken))
    expect(() => loadTokenizer(space.path)).toThrow(message)
  }
})
