/**
 * A learning rate by successive halving: all rates of a coarse grid for a few steps, then what lies around the best one for more.
 */
import { TrituneError } from '../../core/mod.ts'
import { COARSE_RATES, type SearchPlan } from './search-plan.ts'

/** One branch: what it was, and what it came to. */
export interface LearningRateTrial {
  readonly rate: number
  readonly steps: number
  /** On examples that the branch was not trained on; null: it diverged. */
  readonly loss: number | null
}

/** What a search found, and by what. */
export interface LearningRateSearch {
  readonly rate: number
  /** Loss before any step. */
  readonly start: number
  /** In the order in which they ran. */
  readonly trials: readonly LearningRateTrial[]
  /** The rate is the lowest or the highest that was tried: the best one may lie outside. */
  readonly atEdge: boolean
}

/** Where the search starts, and who makes the branches. */
export interface LearningRateSearchOptions extends Pick<SearchPlan, 'coarseSteps' | 'fineSteps'> {
  /** The middle of the grid. */
  readonly center: number
  /** Loss before any step, on what the branches are judged by. */
  readonly start: number
  /** Makes a branch from the initial state, annealed to 0; null when it diverged. */
  branch(rate: number, steps: number): Promise<number | null>
}

/**
 * Throws E_NAN where every branch diverges, or none makes the loss smaller.
 *
 * @example
 * ```ts
 * import { searchLearningRate } from 'tritune/plugins/autotune'
 *
 * const { rate } = await searchLearningRate({
 *   center: 1e-3,
 *   start: 10,
 *   coarseSteps: 10,
 *   fineSteps: 20,
 *   branch: async (tried) => (tried > 0.1 ? null : Math.abs(Math.log(tried / 0.002))),
 * })
 * console.log(rate) // → 0.002
 * ```
 */
export async function searchLearningRate({
  center,
  start,
  coarseSteps,
  fineSteps,
  branch,
}: LearningRateSearchOptions): Promise<LearningRateSearch> {
  const trials: LearningRateTrial[] = []
  const tryAll = async (rates: readonly number[], steps: number): Promise<LearningRateTrial[]> => {
    const round: LearningRateTrial[] = []
    for (const rate of rates) {
      const loss = await branch(rate, steps)
      round.push({ rate, steps, loss: loss !== null && Number.isFinite(loss) ? loss : null })
    }
    trials.push(...round)
    return round
  }
  const half = (COARSE_RATES - 1) / 2
  const grid = Array.from({ length: COARSE_RATES }, (_, i) => rounded(center * 4 ** (i - half)))
  const coarse = bestOf(await tryAll(grid, coarseSteps))
  if (coarse === null) throw nothingLearned('every learning rate diverges', start, trials)
  const around = [coarse.rate / 2, coarse.rate, 2 * coarse.rate].map(rounded)
  const best = bestOf(await tryAll(around, fineSteps))
  if (best === null)
    throw nothingLearned('every learning rate diverges in the longer branches', start, trials)
  if (best.loss >= start) throw nothingLearned('no learning rate makes the loss smaller', start, trials)
  const tried = trials.map(({ rate }) => rate)
  const atEdge = best.rate === Math.min(...tried) || best.rate === Math.max(...tried)
  return { rate: best.rate, start, trials, atEdge }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Finished = LearningRateTrial & { readonly loss: number }

/** Of equal ones the lowest rate. */
function bestOf(round: readonly LearningRateTrial[]): Finished | null {
  let best: Finished | null = null
  for (const { loss, ...trial } of round)
    if (loss !== null && (best === null || loss < best.loss)) best = { ...trial, loss }
  return best
}

/** A number that a person would write into a file. */
function rounded(rate: number): number {
  return Number(rate.toPrecision(3))
}

function nothingLearned(what: string, start: number, trials: readonly LearningRateTrial[]): TrituneError {
  const told = trials.map(({ rate, loss }) => `${rate} → ${loss === null ? 'diverged' : loss.toFixed(4)}`)
  return new TrituneError('E_NAN', `${what}: from ${start.toFixed(4)}, ${told.join(', ')}`, {
    remedy: 'look at the data and its masks (--dry-run), or give learning_rate as a number',
  })
}
