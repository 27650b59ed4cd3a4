/**
 * Moves that are guessed from the last steps. What is predicted is a displacement of the weights, never a gradient: those of the next steps cannot be
 * told from those before.
 */
import type { FlatWeights } from './flat-weights.ts'
import { KEPT, type Snapshots, SPACING } from './snapshots.ts'

/** Kinds of moves. */
export type HybridArm = 'window' | 'reuse' | 'linear'

/** All kinds of moves. */
export const HYBRID_ARMS: readonly HybridArm[] = ['window', 'reuse', 'linear']

/** A move under its name for the bandit. */
export interface Arm {
  readonly name: string
  /** Snapshots that it needs. */
  readonly needs: number
  /** Plain steps that its move stands for. */
  readonly steps: number
  /** Fills `into` with the move. */
  propose(snapshots: Snapshots, into: Float32Array): void
}

/** Steps that `window` repeats. */
const LENGTHS: readonly number[] = [4, 8, 16, 32]

/** Snapshots between the weights that `window` and `linear` take the difference of. */
const WINDOW = 5
const LINEAR = 3

/** The arms of some kinds. */
export function armsOf(kinds: readonly HybridArm[], weights: Pick<FlatWeights, 'ranges'>): readonly Arm[] {
  const makers: Readonly<Record<HybridArm, () => readonly Arm[]>> = {
    window: () => LENGTHS.map(windowArm),
    reuse: () => [reuseArm],
    linear: () => [linearArm(weights)],
  }
  return kinds.flatMap((kind) => makers[kind]())
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** So many steps as the mean of the last ten was. */
function windowArm(steps: number): Arm {
  return {
    name: `window ${steps}`,
    needs: WINDOW + 1,
    steps,
    propose: (snapshots, into) =>
      difference(snapshots, { newer: 0, older: WINDOW, factor: steps / (WINDOW * SPACING) }, into),
  }
}

/** The last step once more. */
const reuseArm: Arm = {
  name: 'reuse',
  needs: 2,
  steps: 1,
  propose: (snapshots, into) => difference(snapshots, { newer: 0, older: 1, factor: 1 / SPACING }, into),
}

interface Difference {
  readonly newer: number
  readonly older: number
  readonly factor: number
}

function difference(snapshots: Snapshots, { newer, older, factor }: Difference, into: Float32Array): void {
  const [new_, old] = [snapshots.row(newer), snapshots.row(older)]
  for (let i = 0; i < into.length; i++) into[i] = factor * (new_[i] - old[i])
}

/**
 * The next displacement as a mix of the last two, with the two factors that would have given the last one from those before it. Both factors of a LoRA have
 * their own.
 */
function linearArm({ ranges }: Pick<FlatWeights, 'ranges'>): Arm {
  const classes = Map.groupBy(ranges, ({ name }) => /lora_(?:embedding_)?[AB]\b/.exec(name)?.[0] ?? '')
  return {
    name: 'linear',
    needs: KEPT,
    steps: LINEAR * SPACING,
    propose(snapshots, into) {
      const [s0, s1, s2, s3] = [0, 1, 2, 3].map((i) => snapshots.row(i * LINEAR))
      for (const parts of classes.values()) {
        const sums = { aa: 0, ab: 0, bb: 0, ta: 0, tb: 0 }
        for (const { start, end } of parts)
          for (let i = start; i < end; i++) {
            const [target, a, b] = [s0[i] - s1[i], s1[i] - s2[i], s2[i] - s3[i]]
            sums.aa += a * a
            sums.ab += a * b
            sums.bb += b * b
            sums.ta += target * a
            sums.tb += target * b
          }
        const [p, q] = solve(sums)
        for (const { start, end } of parts)
          for (let i = start; i < end; i++) into[i] = p * (s0[i] - s1[i]) + q * (s1[i] - s2[i])
      }
    },
  }
}

interface Sums {
  readonly aa: number
  readonly ab: number
  readonly bb: number
  readonly ta: number
  readonly tb: number
}

/** Least squares; where both displacements say the same, the first alone; without any no move. */
function solve({ aa, ab, bb, ta, tb }: Sums): readonly [number, number] {
  const determinant = aa * bb - ab * ab
  if (determinant > 1e-9 * aa * bb)
    return [(ta * bb - tb * ab) / determinant, (tb * aa - ta * ab) / determinant]
  return [aa > 0 ? ta / aa : 0, 0]
}
