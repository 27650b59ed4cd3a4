/**
 * What people get wrong: each case gives one clear error with place and remedy, and leaves nothing half-written.
 */
import { expect, test } from 'bun:test'
import { NotHere } from './case.ts'
import { BAD_INPUTS, runBadInput } from './run.ts'

test('no two cases have one name', () => {
  expect(new Set(BAD_INPUTS.map(({ name }) => name)).size).toBe(BAD_INPUTS.length)
})

test.each(BAD_INPUTS.map((input) => [input.name, input] as const))(
  '%s',
  (_, input) => {
    try {
      const { complaints, message } = runBadInput(input)
      expect(complaints, message).toEqual([])
    } catch (error) {
      if (!(error instanceof NotHere)) throw error
      console.log(`not here: ${input.name}: ${error.message}`)
    }
  },
  30_000,
)
