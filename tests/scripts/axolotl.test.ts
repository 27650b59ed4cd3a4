/** axolotl's keys and example files, as committed facts have them: no key is unknown, and nearly all examples of families that are here would train. */
import { describe, expect, test } from 'bun:test'
import { FLOOR, keyEffects, readExamples, tally, verdicts } from '../../scripts/oracle/axolotl.ts'

const judged = verdicts(readExamples())

describe('the schema of axolotl', () => {
  test.each([...keyEffects()])('has no key of %s that nobody knows here', (_, keys) => {
    expect(keys.size).toBeGreaterThan(5)
    expect([...keys].filter(([, effect]) => effect === 'unknown')).toEqual([])
  })
})

describe('the examples of axolotl', () => {
  test('are there', () => {
    expect(readExamples()).toHaveLength(252)
    expect(judged.length).toBeGreaterThan(90)
  })

  test('have no unknown key', () => {
    const unknown = judged.flatMap(({ file, reasons }) =>
      reasons.filter((reason) => reason.includes('unknown key')).map((reason) => `${file}: ${reason}`),
    )
    expect(unknown).toEqual([])
  })

  test('would train', () => {
    const { share, trains } = tally(judged)
    expect(share, `${trains} of ${judged.length}`).toBeGreaterThanOrEqual(FLOOR)
  })
})
