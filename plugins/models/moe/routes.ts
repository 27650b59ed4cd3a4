/**
 * Which rows of a batch go to which experts, and the sum that comes back (Shazeer et al. 2017, arXiv 1701.06538). What an expert computes is not
 * here: `sparse-mlp.ts` has it.
 *
 * The rows are sorted by expert, so each expert is one product on a run of rows, an expert without rows is none, and nothing of the size
 * tokens × experts is computed.
 */
import { embedding, mul, reshape, sum, type Tensor, tensor } from '../../../core/mod.ts'

/** Where each row of a batch goes. For T rows and K choices of each there are N = T·K rows of experts, sorted by expert. */
export interface Routes {
  /** (N) i32: the row of the batch, for each row of the experts. */
  readonly rows: Tensor
  /** (N) i32: the row of the experts, for choice k of row t at t·K + k. */
  readonly places: Tensor
  /** (N) i32: which of (T, E) a choice is, t·E + expert, at t·K + k. */
  readonly choices: Tensor
  /** Rows of each expert; the sum is N. */
  readonly counts: Int32Array<ArrayBuffer>
  readonly perRow: number
}

/** The `perRow` largest of each row of `scores` (T, E), the largest first; of equal ones the first. Nothing is recorded. */
export function routesOf(scores: Tensor, perRow: number): Routes {
  const [count, experts] = scores.shape
  const chosen = topOf(scores.toArray(), { count, experts, perRow })
  const counts = new Int32Array(experts)
  for (const expert of chosen) counts[expert]++
  const next = startsOf(counts)
  const rows = new Int32Array(chosen.length)
  const places = new Int32Array(chosen.length)
  const choices = new Int32Array(chosen.length)
  for (let i = 0; i < chosen.length; i++) {
    const row = Math.floor(i / perRow)
    const place = next[chosen[i]]++
    rows[place] = row
    places[i] = place
    choices[i] = row * experts + chosen[i]
  }
  const options = { dtype: 'i32', device: scores.device } as const
  return {
    rows: tensor(rows, options),
    places: tensor(places, options),
    choices: tensor(choices, options),
    counts,
    perRow,
  }
}

/** The chosen of (T, E) → (T, K), with gradients. */
export function chosenOf(scores: Tensor, { choices, perRow }: Routes): Tensor {
  return reshape(embedding(reshape(scores, [-1, 1]), choices), [-1, perRow])
}

/** x (T, C) → (N, C): the rows that the experts get. */
export function scatterRows(x: Tensor, { rows }: Routes): Tensor {
  return embedding(x, rows)
}

/** out (N, C) of the experts, weights (T, K) in its dtype → Σ over the choices (T, C). */
export function gatherRows(out: Tensor, weights: Tensor, { places, perRow }: Routes): Tensor {
  const [count] = weights.shape
  const [, channels] = out.shape
  const chosen = reshape(embedding(out, places), [count, perRow, channels])
  return sum(mul(chosen, reshape(weights, [count, perRow, 1])), { axis: 1 })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Sizes {
  readonly count: number
  readonly experts: number
  readonly perRow: number
}

/** The experts of each row, row by row. */
function topOf(scores: ArrayLike<number>, { count, experts, perRow }: Sizes): Int32Array<ArrayBuffer> {
  const chosen = new Int32Array(count * perRow)
  const best = new Float64Array(perRow)
  for (let row = 0; row < count; row++) {
    const first = row * perRow
    best.fill(-Infinity)
    for (let expert = 0; expert < experts; expert++) {
      const score = scores[row * experts + expert]
      if (expert >= perRow && !(score > best[perRow - 1])) continue
      // NaN stays where it stands: whoever reads the loss finds it.
      let at = Math.min(expert, perRow - 1)
      for (; at > 0 && score > best[at - 1]; at--) {
        best[at] = best[at - 1]
        chosen[first + at] = chosen[first + at - 1]
      }
      best[at] = score
      chosen[first + at] = expert
    }
  }
  return chosen
}

function startsOf(counts: Int32Array): Int32Array<ArrayBuffer> {
  const starts = new Int32Array(counts.length)
  for (let i = 1; i < counts.length; i++) starts[i] = starts[i - 1] + counts[i - 1]
  return starts
}
