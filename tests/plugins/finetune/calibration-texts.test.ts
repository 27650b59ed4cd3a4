/**
 * Texts that a model is rounded by: how many, how long, which, and what is told of data that has none.
 */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { calibrationTexts, calibrationType, modulePaths } from '../../../plugins/finetune/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

const SENTENCES = Array.from({ length: 40 }, (_, i) => `${i} and ${i * 7}, then ${1000 - i * 3}.`)

function lines(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('')
}

describe('calibrationTexts()', () => {
  test('as many as asked for, no longer than asked for, drawn from all of the file by the seed', async () => {
    using temporary = temporaryFolder()
    const [model, data] = [join(temporary.path, 'model'), join(temporary.path, 'data.jsonl')]
    writeTinyModel(model)
    writeFileSync(data, lines(SENTENCES.map((text) => ({ text }))))
    const drawn = await calibrationTexts(data, model, { rows: 12, length: 9 })
    expect(drawn.length).toBe(12)
    expect(Math.max(...drawn.map(({ length }) => length))).toBeLessThanOrEqual(9)
    expect(await calibrationTexts(data, model, { rows: 12, length: 9 })).toEqual(drawn)
    expect(await calibrationTexts(data, model, { rows: 12, length: 9, seed: 1 })).not.toEqual(drawn)
    const tokenizer = loadTokenizer(model)
    const whole = await calibrationTexts(data, model, { rows: 1000, length: 100 })
    const told = whole.map((ids) =>
      SENTENCES.indexOf(tokenizer.decode([...ids], { skipSpecialTokens: true }).trim()),
    )
    expect(told.toSorted((a, b) => a - b)).toEqual(SENTENCES.map((_, i) => i))
    expect(told.slice(0, 12).some((i) => i >= 12)).toBe(true)
  })

  test('the first record of the first file of a folder tells the type of all', async () => {
    using temporary = temporaryFolder()
    const [model, data] = [join(temporary.path, 'model'), join(temporary.path, 'data')]
    writeTinyModel(model)
    mkdirSync(data)
    writeFileSync(join(data, 'a.jsonl'), lines([{ instruction: 'add 1 and 2', output: 'that is 3' }]))
    writeFileSync(join(data, 'b.jsonl'), lines([{ instruction: 'add 2 and 2', output: 'that is 4' }]))
    expect(await calibrationType(data)).toBe('alpaca')
    const texts = await calibrationTexts(data, model, { length: 200 })
    expect(texts.length).toBe(2)
    const tokenizer = loadTokenizer(model)
    for (const ids of texts) expect(tokenizer.decode([...ids])).toMatch(/add . and 2[^]*that is ./)
  })

  test('data of which nothing is left, and data that is not there', async () => {
    using temporary = temporaryFolder()
    const [model, data] = [join(temporary.path, 'model'), join(temporary.path, 'data.jsonl')]
    writeTinyModel(model)
    writeFileSync(data, lines([{ instruction: 'nobody answers', output: '' }]))
    await expect(calibrationTexts(data, model)).rejects.toMatchObject({ code: 'E_DATA' })
    for (const bad of [0, -1, 1.5, Number.NaN]) {
      await expect(calibrationTexts(data, model, { rows: bad })).rejects.toThrow(
        `rows: expected a whole number from 1, got ${bad}`,
      )
      await expect(calibrationTexts(data, model, { length: bad })).rejects.toThrow(
        'length: expected a whole number',
      )
    }
    await expect(calibrationTexts(join(temporary.path, 'none.jsonl'), model)).rejects.toThrow('none.jsonl')
  })
})

describe('modulePaths()', () => {
  test('names layers without reading a weight', () => {
    using temporary = temporaryFolder()
    writeTinyModel(temporary.path)
    const paths = modulePaths(temporary.path)
    expect(paths).toContain('model.layers.1.mlp.down_proj')
    expect(paths.filter((path) => path.endsWith('_proj')).length).toBe(14)
  })
})
