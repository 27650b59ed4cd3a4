/**
 * Control: a move in a random direction, as long as that of `window 8`, behind the same gate. A method that is no better has found nothing in the steps before.
 */
import { createRandom } from '../../../../core/mod.ts'
import type { Arm } from '../../../../plugins/hybrid/arms.ts'
import type { Snapshots } from '../../../../plugins/hybrid/snapshots.ts'

/** Snapshots between the ends of the move whose length the placebo has, and steps that it stands for. */
const AGE = 5
const STEPS = 8

/** Drawn by the seed and where the run is, so that the same run is made twice. */
export function placeboArm(seed: number): Arm {
  return {
    name: 'placebo',
    needs: AGE + 1,
    steps: STEPS,
    propose(snapshots: Snapshots, into) {
      const random = createRandom(seed, `placebo ${snapshots.taken}`)
      const [newer, older] = [snapshots.row(0), snapshots.row(AGE)]
      let [wanted, drawn] = [0, 0]
      for (let i = 0; i < into.length; i++) {
        wanted += ((STEPS / (2 * AGE)) * (newer[i] - older[i])) ** 2
        into[i] = random.normal()
        drawn += into[i] ** 2
      }
      const factor = Math.sqrt(wanted / drawn)
      for (let i = 0; i < into.length; i++) into[i] *= factor
    },
  }
}
