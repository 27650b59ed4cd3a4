/**
 * The search of a learning rate on curves that are known, and what it may cost.
 */
import { describe, expect, test } from 'bun:test'
import { TrituneError } from '../../../core/mod.ts'
import { branchSchedule, planSearch, searchLearningRate } from '../../../plugins/autotune/mod.ts'
import { MOST_OF_RUN } from '../../../plugins/autotune/search-plan.ts'

const OPTIONS = { center: 1e-3, start: 5, coarseSteps: 4, fineSteps: 8 }

/** A bowl over the logarithm of the rate, which diverges above 16 times the best one. */
function bowl(best: number): (rate: number) => Promise<number | null> {
  return async (rate) => (rate > 16 * best ? null : 1 + Math.log2(rate / best) ** 2 / 20)
}

async function refusal(work: () => unknown): Promise<TrituneError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('searchLearningRate()', () => {
  test.each([1e-4, 3e-4, 1e-3, 2e-3, 1.2e-2])('finds %p within a factor of √2 or so', async (best) => {
    const { rate, trials, atEdge } = await searchLearningRate({ ...OPTIONS, branch: bowl(best) })
    expect(Math.abs(Math.log2(rate / best))).toBeLessThan(0.6)
    expect(trials.map(({ steps }) => steps)).toEqual([4, 4, 4, 4, 4, 8, 8, 8])
    expect(atEdge).toBe(false)
  })

  test('says that the best rate is the highest or the lowest tried', async () => {
    const { rate, atEdge } = await searchLearningRate({ ...OPTIONS, branch: bowl(1) })
    expect(rate).toBe(0.032)
    expect(atEdge).toBe(true)
  })

  test('a short branch that is too good does not decide: the longer ones do', async () => {
    const branch = async (rate: number, steps: number): Promise<number | null> =>
      steps === 8 ? (rate === 1e-3 ? null : rate) : Math.abs(Math.log(rate / 1e-3))
    expect((await searchLearningRate({ ...OPTIONS, branch })).rate).toBe(5e-4)
  })

  test('E_NAN when all of them diverge, with what was tried', async () => {
    for (const loss of [null, Number.NaN, Number.POSITIVE_INFINITY]) {
      const error = await refusal(() => searchLearningRate({ ...OPTIONS, branch: async () => loss }))
      expect(error.code).toBe('E_NAN')
      expect(error.message).toContain('every learning rate diverges: from 5.0000, 0.0000625 → diverged')
    }
  })

  test('E_NAN when none makes the loss smaller', async () => {
    const error = await refusal(() => searchLearningRate({ ...OPTIONS, branch: async (rate) => 5 + rate }))
    expect(error.message).toContain('no learning rate makes the loss smaller')
  })
})

describe('planSearch()', () => {
  test('never takes more than its share', () => {
    for (let totalSteps = 150; totalSteps < 5000; totalSteps += 37)
      for (const measurement of [0.1, 0.5, 2]) {
        if ((22 + 9 * measurement) / MOST_OF_RUN > totalSteps) continue
        const { coarseSteps, fineSteps, share } = planSearch({ totalSteps, measurement })
        expect(5 * coarseSteps + 3 * fineSteps + 9 * measurement).toBeLessThanOrEqual(
          MOST_OF_RUN * totalSteps + 1e-9,
        )
        expect(share).toBeLessThanOrEqual(MOST_OF_RUN + 1e-12)
        expect(coarseSteps).toBeGreaterThanOrEqual(2)
      }
  })

  test('E_CONFIG for a run that is too short, with the length that is not', async () => {
    const error = await refusal(() => planSearch({ totalSteps: 100, measurement: 0.5 }))
    expect(error.code).toBe('E_CONFIG')
    expect(error.message).toContain('of 100 steps is too few: it needs a run of 177')
    expect(planSearch({ totalSteps: 177, measurement: 0.5 }).coarseSteps).toBe(2)
  })
})

test('a branch begins near its rate and ends near 0', () => {
  for (const steps of [2, 5, 10, 33]) {
    const factors = Array.from({ length: steps }, (_, step) => branchSchedule(steps)(step))
    expect(Math.max(...factors)).toBe(1)
    expect(factors.at(-1)).toBeLessThanOrEqual(1 / steps + 0.1)
    expect(Math.min(...factors)).toBeGreaterThan(0)
  }
  expect(branchSchedule(2)(2)).toBe(0)
})
