/**
 * Two ternary planes for weights that were not trained to be ternary: W ≈ α₁T₁ + α₂T₂ for each group of columns, about 3.2 bits a weight.
 *
 * A weight is one of the nine sums ±α₁ ± α₂ (either may be 0), and takes the nearest. The two α of a group are found in turn: nearest sums for the
 * α of now, then the α with the least error for these sums (a 2×2 system). `importance` weighs the error of each column, as the diagonal of
 * the Hessian of a layer's inputs does. `rotate` turns each group by a Hadamard matrix first, which spreads outliers; the turn is undone in
 * the result, so what comes out is W in its own place. On numbers in memory; what it makes is a dense weight, no packed form of an op.
 */
import { TrituneError } from '../../core/mod.ts'

/** Options of `dualPlane()`. */
export interface DualPlaneOptions {
  /** Columns of a row that share the two scales, a divisor of in; with `rotate` a power of two. Default: 128. */
  readonly group?: number
  /** (in) What an error in each column costs; default: the same in all. Not with `rotate`, which mixes columns. */
  readonly importance?: ArrayLike<number> | null
  /** Turn groups by a Hadamard matrix. Default: false. */
  readonly rotate?: boolean
  /** Most times that sums and scales are found in turn. Default: 12. */
  readonly rounds?: number
}

/** Two planes of trits and their scales. */
export interface DualPlane {
  /** (out·in), −1, 0, 1 */
  readonly first: Int8Array
  readonly second: Int8Array
  /** (out·in/group) pairs: α₁ ≥ α₂ ≥ 0. */
  readonly scales: Float32Array
  /** W as the planes have it, (out·in), turned back. */
  readonly values: Float32Array
}

/**
 * values (out·in) → two planes.
 *
 * @throws E_SHAPE for groups that do not divide the columns, or cannot be turned
 * @example
 * ```ts
 * import { dualPlane } from 'tritune/plugins/bitnet'
 *
 * const weight = Float32Array.of(3, 1, -2, -4, 0, 1, 4, -3) // sums of ±3 and ±1
 * const { values } = dualPlane(weight, [2, 4], { group: 4 })
 * console.log(values.every((value, i) => Math.abs(value - weight[i]) < 1e-6)) // → true
 * ```
 */
export function dualPlane(
  values: Float32Array,
  [rows, cols]: readonly number[],
  { group = 128, importance = null, rotate = false, rounds = 12 }: DualPlaneOptions = {},
): DualPlane {
  if (rows * cols !== values.length || cols % group !== 0)
    throw new TrituneError('E_SHAPE', `groups of ${group} columns do not divide ${cols}`)
  if (rotate && !Number.isInteger(Math.log2(group)))
    throw new TrituneError('E_SHAPE', `groups of ${group} columns cannot be turned: take a power of two`)
  if (importance !== null && (rotate || importance.length !== cols))
    throw new TrituneError(
      'E_SHAPE',
      rotate
        ? 'columns that are turned have no importance of their own'
        : `${importance.length} importances for ${cols} columns`,
    )
  const made: DualPlane = {
    first: new Int8Array(values.length),
    second: new Int8Array(values.length),
    scales: new Float32Array((2 * values.length) / group),
    values: new Float32Array(values.length),
  }
  const costs = new Float64Array(group)
  for (let start = 0; start < values.length; start += group) {
    for (let i = 0; i < group; i++) costs[i] = importance ? importance[(start + i) % cols] : 1
    const own = Float64Array.from(values.subarray(start, start + group))
    if (rotate) hadamard(own)
    const { alphas, sums } = fit(own, costs, rounds)
    made.scales.set(alphas, (2 * start) / group)
    const rounded = own.map((_, i) => {
      const [first, second] = SUMS[sums[i]]
      made.first[start + i] = first
      made.second[start + i] = second
      return alphas[0] * first + alphas[1] * second
    })
    if (rotate) hadamard(rounded)
    made.values.set(rounded, start)
  }
  return made
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The nine pairs of trits. */
const SUMS: readonly (readonly [number, number])[] = [-1, 0, 1].flatMap((a) =>
  [-1, 0, 1].map((b) => [a, b] as const),
)

interface Fit {
  readonly alphas: readonly [number, number]
  /** Of each weight, its place in SUMS. */
  readonly sums: Uint8Array
}

/** The best of three beginnings: scales as of two steps of AbsMean, scales near each other, and such that reach the largest weight. */
function fit(own: Float64Array, costs: Float64Array, rounds: number): Fit {
  const mean = own.reduce((sum, value) => sum + Math.abs(value), 0) / own.length
  const most = own.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
  const starts: readonly (readonly [number, number])[] = [
    [1.5 * mean, 0.5 * mean],
    [1.2 * mean, 0.9 * mean],
    [0.75 * most, 0.25 * most],
  ]
  let best: (Fit & { readonly error: number }) | null = null
  for (const start of starts) {
    const found = descend(own, costs, start, rounds)
    if (best === null || found.error < best.error) best = found
  }
  return best ?? { alphas: [0, 0], sums: new Uint8Array(own.length) }
}

function descend(
  own: Float64Array,
  costs: Float64Array,
  start: readonly [number, number],
  rounds: number,
): Fit & { readonly error: number } {
  let alphas: readonly [number, number] = start
  const sums = new Uint8Array(own.length)
  let error = nearest(own, costs, alphas, sums)
  for (let round = 0; round < rounds; round++) {
    const next = leastError(own, costs, sums)
    if (next === null) break
    const before = error
    alphas = next
    error = nearest(own, costs, alphas, sums)
    if (!(error < before * (1 - 1e-9))) break
  }
  return { alphas, sums, error }
}

/** Puts the nearest sum of each weight into `sums`; the weighted error. */
function nearest(
  own: Float64Array,
  costs: Float64Array,
  [a, b]: readonly [number, number],
  sums: Uint8Array,
): number {
  let total = 0
  const levels = SUMS.map(([first, second]) => a * first + b * second)
  for (let i = 0; i < own.length; i++) {
    let least = Infinity
    for (let s = 0; s < levels.length; s++) {
      const distance = (own[i] - levels[s]) ** 2
      if (distance < least) {
        least = distance
        sums[i] = s
      }
    }
    total += costs[i] * least
  }
  return total
}

/** The scales with the least error for these sums, the larger one first; null where the sums do not decide both. */
function leastError(own: Float64Array, costs: Float64Array, sums: Uint8Array): [number, number] | null {
  let [aa, ab, bb, aw, bw] = [0, 0, 0, 0, 0]
  for (let i = 0; i < own.length; i++) {
    const [first, second] = SUMS[sums[i]]
    aa += costs[i] * first * first
    ab += costs[i] * first * second
    bb += costs[i] * second * second
    aw += costs[i] * first * own[i]
    bw += costs[i] * second * own[i]
  }
  const determinant = aa * bb - ab * ab
  if (!(determinant > 1e-12 * aa * bb)) return null
  const a = Math.abs((bb * aw - ab * bw) / determinant)
  const b = Math.abs((aa * bw - ab * aw) / determinant)
  return a >= b ? [a, b] : [b, a]
}

/** The orthonormal Walsh–Hadamard transform, in place; its own inverse. */
function hadamard(values: Float64Array): void {
  for (let half = 1; half < values.length; half *= 2)
    for (let start = 0; start < values.length; start += 2 * half)
      for (let i = start; i < start + half; i++) {
        const [a, b] = [values[i], values[i + half]]
        values[i] = a + b
        values[i + half] = a - b
      }
  const scale = 1 / Math.sqrt(values.length)
  for (let i = 0; i < values.length; i++) values[i] *= scale
}
