/**
 * Which move to propose: Thompson sampling over what episodes were worth, in units of plain steps. Old episodes count less. What is drawn depends on the
 * seed and the number of the episode alone.
 */
import { createRandom, type JsonValue, jsonField, TrituneError } from '../../core/mod.ts'

/** What is believed before anything is measured: a little worse than plain steps. */
const PRIOR = { mean: 0.9, deviation: 0.2 } as const

const DISCOUNT = 0.95

/** An arm whose mean is above this is worth more than it costs. */
const WORTH = 1.05

const ENOUGH_TRIALS = 5

/** Below this part of what was predicted a gain is a wrong prediction; above it, it is none. */
const SHORTFALL = 0.5

/** Wrong predictions in a row that switch an arm off. */
const MOST_WRONG = 3

interface Belief {
  trials: number
  /** Wrong predictions in a row. */
  wrong: number
  weight: number
  sum: number
}

/** Chooses among arms by name. */
export interface Bandit {
  /** Of those that are ready. */
  choose(ready: readonly string[], episode: number): string
  /** 1: as good as plain steps for what it cost. */
  reward(name: string, value: number): void
  /** What the loss was to fall by, and what it fell by. */
  compare(name: string, predicted: number, measured: number): void
  /** Its predictions are wrong. */
  isOff(name: string): boolean
  /** The best mean is above what it costs. */
  readonly pays: boolean
  /** Every arm is off or was tried often enough, and none pays. */
  readonly hopeless: boolean
  saveState(): JsonValue
  loadState(saved: JsonValue): void
}

export function createBandit(names: readonly string[], seed: number): Bandit {
  const beliefs = new Map(
    names.map((name): [string, Belief] => [name, { trials: 0, wrong: 0, weight: 0, sum: 0 }]),
  )
  const meanOf = ({ weight, sum }: Belief): number => (PRIOR.mean + sum) / (1 + weight)
  const isOff = ({ wrong }: Belief): boolean => wrong >= MOST_WRONG
  const pays = (): boolean => [...beliefs.values()].some((belief) => !isOff(belief) && meanOf(belief) > WORTH)
  const beliefIn = (name: string): Belief => {
    const belief = beliefs.get(name)
    if (belief === undefined) throw new Error(`there is no arm ${name}`)
    return belief
  }
  return {
    choose(ready, episode) {
      const random = createRandom(seed, `hybrid ${episode}`)
      let best: { readonly name: string; readonly value: number } | null = null
      for (const [name, belief] of beliefs) {
        // Drawn for all, so that who is ready does not change what the others get.
        const value = meanOf(belief) + (random.normal() * PRIOR.deviation) / Math.sqrt(1 + belief.weight)
        if (ready.includes(name) && (best === null || value > best.value)) best = { name, value }
      }
      if (best === null) throw new Error('no arm is ready')
      return best.name
    },
    reward(name, value) {
      for (const belief of beliefs.values()) {
        belief.weight *= DISCOUNT
        belief.sum *= DISCOUNT
      }
      const belief = beliefIn(name)
      belief.trials++
      belief.weight++
      belief.sum += value
    },
    compare(name, predicted, measured) {
      // Where plain steps give nothing, nothing is predicted.
      if (!(predicted > 0)) return
      const belief = beliefIn(name)
      belief.wrong = measured >= SHORTFALL * predicted ? 0 : belief.wrong + 1
    },
    isOff: (name) => isOff(beliefIn(name)),
    get pays() {
      return pays()
    },
    get hopeless() {
      return (
        !pays() && [...beliefs.values()].every((belief) => isOff(belief) || belief.trials >= ENOUGH_TRIALS)
      )
    },
    saveState: () => Object.fromEntries(Array.from(beliefs, ([name, belief]) => [name, { ...belief }])),
    loadState(saved) {
      for (const [name, belief] of beliefs)
        for (const field of ['trials', 'wrong', 'weight', 'sum'] as const) {
          const value = jsonField(jsonField(saved, name), field)
          if (typeof value !== 'number')
            throw new TrituneError('E_RESUME', `the checkpoint has no ${field} of the arm ${name}`, {
              remedy: 'resume from another checkpoint, or start a new run',
            })
          belief[field] = value
        }
    },
  }
}
