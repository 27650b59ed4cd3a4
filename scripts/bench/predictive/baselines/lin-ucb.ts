/**
 * Named baseline: LinUCB as hybrid-predict-trainer-rs has it, choosing among the moves of `strategy: hybrid` in place of Thompson sampling. There nothing called it;
 * what it was worth was never measured.
 *
 *   A = 1 + Σ x², b = Σ reward·x, θ = b / A     score = θ·x + α·√(Σ x² / A)     diagonal, α = 1, one in twenty by chance
 */
import {
  createRandom,
  type JsonValue,
  jsonField,
  type Strategy,
  type StrategyRun,
} from '../../../../core/mod.ts'
import type { Bandit } from '../../../../plugins/hybrid/bandit.ts'
import type { HybridOptions } from '../../../../plugins/hybrid/mod.ts'
import { createHybrid } from '../../../../plugins/hybrid/strategy.ts'

const ALPHA = 1
const BY_CHANCE = 0.05

/** Chooses by what it knows of the moment. */
export interface LinUcb {
  /** Of those that are ready, for features `x`; `episode` decides what is drawn. */
  choose(ready: readonly string[], x: readonly number[], episode: number): string
  reward(name: string, x: readonly number[], value: number): void
  score(name: string, x: readonly number[]): number
  saveState(): JsonValue
  loadState(saved: JsonValue): void
}

export function linUcb(names: readonly string[], features: number, seed: number): LinUcb {
  const arms = new Map(
    names.map((name): [string, Estimate] => [
      name,
      { a: Array.from({ length: features }, () => 1), b: Array.from({ length: features }, () => 0) },
    ]),
  )
  const armIn = (name: string): Estimate => {
    const arm = arms.get(name)
    if (arm === undefined) throw new Error(`there is no arm ${name}`)
    return arm
  }
  const score = (name: string, x: readonly number[]): number => {
    const { a, b } = armIn(name)
    const mean = x.reduce((sum, value, i) => sum + (b[i] / a[i]) * value, 0)
    return mean + ALPHA * Math.sqrt(x.reduce((sum, value, i) => sum + value ** 2 / a[i], 0))
  }
  return {
    score,
    choose(ready, x, episode) {
      const random = createRandom(seed, `lin-ucb ${episode}`)
      if (random.float() < BY_CHANCE) return ready[random.int(ready.length)]
      return ready.reduce((best, name) => (score(name, x) > score(best, x) ? name : best))
    },
    reward(name, x, value) {
      const { a, b } = armIn(name)
      for (const [i, feature] of x.entries()) {
        a[i] += feature ** 2
        b[i] += value * feature
      }
    },
    saveState: () =>
      Object.fromEntries(Array.from(arms, ([name, { a, b }]) => [name, { a: [...a], b: [...b] }])),
    loadState(saved) {
      for (const [name, arm] of arms)
        for (const field of ['a', 'b'] as const) {
          const numbers = jsonField(jsonField(saved, name), field)
          if (!Array.isArray(numbers)) throw new Error(`nothing is saved of the arm ${name}`)
          for (const [i, value] of numbers.entries()) arm[field][i] = Number(value)
        }
    },
  }
}

/** `strategy: hybrid` whose moves are chosen so. */
export function linUcbHybrid(options: HybridOptions, run: StrategyRun): Strategy {
  let moment: readonly number[] = [1, 0, 0]
  let highestRate = 0
  const inner = createHybrid(options, run, {
    bandit: (names) => asBandit(names, run.seed, () => moment),
  })
  return {
    ...inner,
    step(context, next) {
      highestRate = Math.max(highestRate, context.learningRate)
      moment = [1, context.step / run.totalSteps, context.learningRate / Math.max(highestRate, 1e-30)]
      return inner.step(context, next)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Estimate {
  readonly a: number[]
  readonly b: number[]
}

/** It knows of no end: arms are not switched off, and it goes on when none pays. */
function asBandit(names: readonly string[], seed: number, moment: () => readonly number[]): Bandit {
  const estimates = linUcb(names, moment().length, seed)
  return {
    choose: (ready, episode) => estimates.choose(ready, moment(), episode),
    reward: (name, value) => estimates.reward(name, moment(), value),
    compare() {},
    isOff: () => false,
    pays: true,
    hopeless: false,
    saveState: () => estimates.saveState(),
    loadState: (saved) => estimates.loadState(saved),
  }
}
