/**
 * Orthogonal start: A and B are random and B·A is 0, as PEFT's `orthogonal_init` (datta0.github.io, "Rethinking LoRA initialisations").
 *
 *   Q orthogonal (r, r); A = (X·Q_odd)ᵀ/10, B = Y·Q_even/10      X (in, r/2), Y (out, r/2) normal; Q_even·Q_oddᵀ = 0
 */
import {
  type BaseLayer,
  matrix,
  type Random,
  tensor,
  type Tensor,
  thinQr,
  TrituneError,
} from '../../../core/mod.ts'
import { factorPair, leaf, type LoraFactorPair } from '../lora/lora-factors.ts'

export function orthogonalFactors(
  { path, inputs, outputs, device }: BaseLayer,
  rank: number,
  random: Random,
): LoraFactorPair {
  if (rank % 2 !== 0)
    throw new TrituneError('E_ADAPTER', `${path}: an orthogonal start needs an even rank, got ${rank}`, {
      remedy: 'set lora_r to an even number',
    })
  const draw = (): number => random.normal()
  const { q } = thinQr(matrix(rank, rank, Float64Array.from({ length: rank * rank }, draw)))
  /** rows (n, r/2) · every second row of Q from `first`, /10 → (n, r), or its transpose. */
  const mixed = (n: number, first: 0 | 1, isTransposed: boolean): Tensor => {
    const half = rank / 2
    const values = new Float32Array(n * rank)
    for (let i = 0; i < n; i++) {
      const weights = Float64Array.from({ length: half }, draw)
      for (let j = 0; j < rank; j++) {
        let sum = 0
        for (let k = 0; k < half; k++) sum += weights[k] * q.data[(2 * k + first) * rank + j]
        values[isTransposed ? j * n + i : i * rank + j] = sum / 10
      }
    }
    return leaf(tensor(values, { shape: isTransposed ? [rank, n] : [n, rank], device }))
  }
  return factorPair(mixed(inputs, 0, true), mixed(outputs, 1, false))
}
