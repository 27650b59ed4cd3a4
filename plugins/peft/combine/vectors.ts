/**
 * Several trained changes of one shape become one: PEFT's `merge_utils`. Task arithmetic (arXiv 2212.04089), TIES (arXiv 2306.01708), DARE (arXiv
 * 2311.03099), pruning by magnitude.
 */
import { keepLargest, keepRandom, type Mask } from './prune.ts'

/** What the elements of TIES agree on: the sign of their sum, or the sign that most have. */
export type MajoritySign = 'total' | 'frequency'

/** A method on the numbers themselves: of factors, or of the change of a weight. */
export type VectorMethod = 'linear' | 'ties' | 'dare_linear' | 'dare_ties' | 'magnitude_prune'

export interface CombineVectors {
  /** Share of the numbers that are kept; `linear` does not use it. */
  readonly density: number
  readonly majoritySign: MajoritySign
  /** The random choice of DARE for one of the changes. */
  mask(which: number): Mask
}

/** Σ wᵢ·cᵢ, of what the method leaves of each. All have the length of the first. */
export function combineVectors(
  method: VectorMethod,
  changes: readonly Float32Array[],
  weights: readonly number[],
  { density, majoritySign, mask }: CombineVectors,
): Float32Array {
  const kept = changes.map((change, i) => {
    if (method === 'linear') return change
    return method.startsWith('dare') ? keepRandom(change, density, mask(i)) : keepLargest(change, density)
  })
  return method.endsWith('ties') ? elected(kept, weights, majoritySign) : summed(kept, weights)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function summed(changes: readonly Float32Array[], weights: readonly number[]): Float32Array {
  return changes[0].map((_, at) => changes.reduce((sum, change, i) => sum + weights[i] * change[at], 0))
}

/** The mean of the weighted numbers whose sign is that of the majority. */
function elected(
  changes: readonly Float32Array[],
  weights: readonly number[],
  majoritySign: MajoritySign,
): Float32Array {
  return changes[0].map((_, at) => {
    let balance = 0
    for (const change of changes) balance += majoritySign === 'total' ? change[at] : Math.sign(change[at])
    const sign = balance >= 0 ? 1 : -1
    let [sum, count] = [0, 0]
    for (const [i, change] of changes.entries()) {
      if (Math.sign(change[at]) !== sign) continue
      sum += weights[i] * change[at]
      count++
    }
    return sum / Math.max(count, 1)
  })
}
