/**
 * NEFTune (Jain et al. 2023, arXiv 2310.05914): in training, uniform noise in ±α/√(L·C) is added to what the token embedding gives, for L
 * tokens of C channels. As transformers does it; its random numbers are others.
 *
 * It lies on the embedding as an adapter does, for the time of a training pass: what is evaluated, saved and merged knows nothing of it.
 * The noise is keyed, so that neither the split into micro-batches nor a resume changes it.
 */
import {
  add,
  addTo,
  type Adapter,
  affine,
  baseForward,
  cast,
  dropout,
  isQuantized,
  mul,
  noGrad,
  scaleInPlace,
  siteOf,
  type Layer,
  type Model,
  type Tensor,
  tensor,
  zeros,
} from '../../../core/mod.ts'
import type { Batch } from '../../data/mod.ts'
import type { FinetuneOptions } from '../config/finetune-options.ts'

export interface EmbeddingNoise {
  readonly alpha: number
  /** Tokens of a row where rows are packed; null: each document is a row. */
  readonly rowLength: number | null
}

/** What a file asks for. */
export function embeddingNoiseOf({
  neftune_noise_alpha: alpha,
  sample_packing,
  sequence_len,
}: Pick<FinetuneOptions, 'neftune_noise_alpha' | 'sample_packing' | 'sequence_len'>): EmbeddingNoise | null {
  return alpha === null ? null : { alpha, rowLength: sample_packing ? sequence_len : null }
}

/** `work`, a forward pass under `withNoise()`, with noise on the embeddings of `batch`; null: without. */
export function withEmbeddingNoise(
  noise: EmbeddingNoise | null | undefined,
  { embedding }: Model,
  batch: Pick<Batch, 'offsets'>,
  work: () => void,
): void {
  if (!noise) return work()
  const slot = { name: 'neftune', adapter: noiseAdapter(noise, batch), weight: 1 }
  embedding.adapters.push(slot)
  try {
    work()
  } finally {
    embedding.adapters.splice(embedding.adapters.indexOf(slot), 1)
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function noiseAdapter({ alpha, rowLength }: EmbeddingNoise, { offsets }: Pick<Batch, 'offsets'>): Adapter {
  const delta = (
    ids: Tensor,
    { path, outputs, weight, rowScale = 1 }: Pick<Layer, 'path' | 'outputs' | 'weight' | 'rowScale'>,
  ): Tensor =>
    noGrad(() => {
      const sizes = Float32Array.from({ length: ids.size })
      for (let document = 0; document + 1 < offsets.length; document++) {
        const [start, end] = [offsets[document], offsets[document + 1]]
        // The noise is on the rows as the model scales them.
        sizes.fill(alpha / Math.sqrt((rowLength ?? end - start) * outputs) / rowScale, start, end)
      }
      const size = tensor(sizes, { shape: [ids.size, 1], device: ids.device })
      const noise = mul(uniform(ids.size, outputs, { path, like: ids }), size)
      return isQuantized(weight) ? noise : cast(noise, weight.dtype)
    })
  return {
    kind: 'neftune',
    forward: (ids, base) => add(baseForward(base, ids), delta(ids, base)),
    delta,
    parameters: () => ({}),
    [Symbol.dispose]() {},
  }
}

const BITS = 12

/** (rows, width) f32, even in ±1: its bits are those of dropout masks, whose generator every device has. */
function uniform(
  rows: number,
  width: number,
  { path, like }: { readonly path: string; readonly like: Tensor },
): Tensor {
  const { device } = like
  const bit = affine(zeros([rows, width], { device }), { shift: 0.5 })
  // Halfway between −1 and the first of 2¹² values.
  const sum = affine(zeros([rows, width], { device }), { shift: 2 ** -BITS - 1 })
  for (let i = 0; i < BITS; i++) {
    // 0 or 1, 0 or ½, …
    addTo(sum, dropout(bit, { p: 0.5, site: siteOf(`${path}.neftune.${i}`) }))
    scaleInPlace(bit, 0.5)
  }
  return sum
}
