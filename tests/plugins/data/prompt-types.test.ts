/** The instruction types give what axolotl gives (tests/oracle/prompt_types.py). */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { PROMPT_TYPE_NAMES } from '../../../plugins/data/mod.ts'
import { datasetTypeOf } from '../../../plugins/data/mod.ts'
import { context, errorOf, options, SOURCE } from './_options.ts'
import { tinyTokenizer } from './_tokenizer.ts'

interface Case {
  readonly type: string
  readonly bos: boolean
  readonly trainOnInputs: boolean
  readonly record: Readonly<Record<string, unknown>>
  readonly text: string
  readonly runs: readonly number[]
}

const cases: readonly Case[] = JSON.parse(
  readFileSync(new URL('../../golden/data/prompt-types.json', import.meta.url), 'utf8'),
)

/** `.load` is axolotl's longer name of the same. */
const sameAs = (name: string): string => name.replace(/\.load$/, '')

function runsOf(labels: Int32Array): number[] {
  const counts = [0]
  for (const label of labels) {
    if ((label !== -100) !== (counts.length % 2 === 0)) counts.push(0)
    counts[counts.length - 1]++
  }
  return counts
}

describe('instruction types', () => {
  test.each([...PROMPT_TYPE_NAMES])('%s', (name) => {
    const { type } = datasetTypeOf(options({ type: name }))
    const own = cases.filter((one) => one.type === sameAs(name))
    expect(own.length).toBeGreaterThan(3)
    for (const { bos, trainOnInputs, record, text, runs } of own) {
      const tokenizer = tinyTokenizer({ addBos: bos })
      const { ids, labels } = type.tokenize(
        { value: record, source: SOURCE },
        context(tokenizer, { trainOnInputs }),
      )
      expect({ record, text: tokenizer.decode([...ids]) }).toEqual({ record, text })
      expect({ record, runs: runsOf(labels) }).toEqual({ record, runs: [...runs] })
    }
  })

  test.each(['jeopardy', 'explainchoice', 'pygmalion'])('%s names what a record lacks', (name) => {
    const { type } = datasetTypeOf(options({ type: name }))
    const error = errorOf(() =>
      type.tokenize({ value: { question: 'a' }, source: SOURCE }, context(tinyTokenizer())),
    )
    expect(error.message).toMatch(
      /^train\.jsonl:17: (there is no|expected) "(category|choices|conversations)"/,
    )
  })
})
