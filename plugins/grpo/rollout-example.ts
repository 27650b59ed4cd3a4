/**
 * A completion as an example to train on: its prompt before it, and beside it what the loss needs to know.
 */
import { TrituneError } from '../../core/mod.ts'
import { IGNORE, type TokenizedExample } from '../data/mod.ts'

/** What the loss needs to know of a completion. */
export interface RolloutNumbers {
  readonly promptLength: number
  readonly advantage: number
  /** Of each of its tokens; 0: they do not count. */
  readonly weight: number
  /** log p of each token when it was made; null: as it is now. */
  readonly old: ArrayLike<number> | null
  /** log p of each token by the reference model. */
  readonly reference: ArrayLike<number> | null
}

const numbers = new WeakMap<TokenizedExample, RolloutNumbers>()

/** An example of which `rolloutNumbers()` gives the numbers. */
export function rolloutExample(
  prompt: TokenizedExample,
  completion: readonly number[],
  about: Omit<RolloutNumbers, 'promptLength'>,
): TokenizedExample {
  const { ids, source } = prompt
  const all = Int32Array.from([...ids, ...completion])
  const labels = all.slice().fill(IGNORE, 0, ids.length)
  const example: TokenizedExample = { ids: all, labels, source }
  numbers.set(example, { promptLength: ids.length, ...about })
  return example
}

/** Throws E_DATA for an example that is no completion. */
export function rolloutNumbers(example: TokenizedExample): RolloutNumbers {
  const found = numbers.get(example)
  if (found) return found
  throw new TrituneError('E_DATA', 'the loss of GRPO is taken of completions that the run made itself', {
    remedy: 'set rl: grpo, which makes them',
  })
}
