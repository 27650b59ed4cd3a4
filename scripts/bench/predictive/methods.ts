/**
 * What is compared with a tuned AdamW: the guesses of `strategy: hybrid`, and what a sceptic would ask for beside them.
 */
import { createRandom } from '../../../core/mod.ts'
import type { Arm } from '../../../plugins/hybrid/arms.ts'
import type { HybridOptions } from '../../../plugins/hybrid/mod.ts'
import type { Snapshots } from '../../../plugins/hybrid/snapshots.ts'

/** A way to train. `hybrid: null` is AdamW by itself. */
export interface Method {
  readonly name: string
  readonly hybrid: Partial<HybridOptions> | null
  /** A move in a random direction, as long as that of `window 8`, behind the same gate. */
  readonly isPlacebo?: boolean
  /** Speed beside the tuned AdamW that must not be missed. */
  readonly floor: number | null
}

/** Measures all the time, and needs no proof that it helps. */
const EAGER = { every: 8, exploration: 1 } as const

/** The control of all. */
export const ADAMW: Method = { name: 'adamw', hybrid: null, floor: null }

export const METHODS: readonly Method[] = [
  { name: 'hybrid', hybrid: {}, floor: 0.98 },
  { name: 'hybrid, all guesses refused', hybrid: { confidence: 1e9 }, floor: null },
  { name: 'hybrid, eager', hybrid: EAGER, floor: null },
  { name: 'window, eager', hybrid: { ...EAGER, arm: 'window' }, floor: null },
  { name: 'last update again, eager', hybrid: { ...EAGER, arm: 'reuse' }, floor: null },
  { name: 'linear, eager', hybrid: { ...EAGER, arm: 'linear' }, floor: null },
  { name: 'placebo, eager', hybrid: EAGER, isPlacebo: true, floor: null },
]

/** Snapshots between the ends of the move whose length the placebo has, and steps that it stands for. */
const AGE = 5
const FACTOR = 0.8

/** Drawn by the seed and where the run is, so that the same run is made twice. */
export function placeboArm(seed: number): Arm {
  return {
    name: 'placebo',
    needs: AGE + 1,
    propose(snapshots: Snapshots, into) {
      const random = createRandom(seed, `placebo ${snapshots.taken}`)
      const [newer, older] = [snapshots.row(0), snapshots.row(AGE)]
      let [wanted, drawn] = [0, 0]
      for (let i = 0; i < into.length; i++) {
        wanted += (FACTOR * (newer[i] - older[i])) ** 2
        into[i] = random.normal()
        drawn += into[i] ** 2
      }
      const factor = Math.sqrt(wanted / drawn)
      for (let i = 0; i < into.length; i++) into[i] *= factor
    },
  }
}
