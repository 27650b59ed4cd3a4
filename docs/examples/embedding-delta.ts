/**
 * An adapter of the embedding in one file: LoRA of the table, with PEFT's shapes. A layer of this kind gets ids, not numbers.
 *
 *   y[t] = W[id] + s·B·A[:, id]      W (ids, out), A (r, ids) 0 at the start, B (out, r) random, s = α/r
 */
import {
  add,
  baseForward,
  cast,
  createRandom,
  decimal,
  defineOptions,
  definePlugin,
  embedding,
  type FloatDType,
  integer,
  type LayerAdapterDefinition,
  linear,
  matmul,
  mul,
  noGrad,
  optional,
  parameter,
  type Plugin,
  scoped,
  siteOf,
  type Tensor,
  tensor,
  transpose,
  zeros,
} from 'tritune/core'

export interface EmbeddingDeltaOptions {
  readonly rank: number
  readonly alpha: number
}

export const embeddingDelta: LayerAdapterDefinition<EmbeddingDeltaOptions> = {
  name: 'embedding-delta',
  options: defineOptions({
    rank: optional(integer({ min: 1 }), 4),
    alpha: optional(decimal({ above: 0 }), 8),
  }),
  kinds: ['embedding'],
  create({ path, inputs, outputs, device }, { rank, alpha }, { seed }) {
    const random = createRandom(seed, siteOf(path))
    const a = parameter(zeros([rank, inputs], { device }))
    const values = Float32Array.from({ length: outputs * rank }, () => random.normal())
    const b = parameter(tensor(values, { shape: [outputs, rank], device }))
    for (const leaf of [a, b]) leaf.adopt(null) // they live as long as the adapter
    const scale = alpha / rank
    const delta = (ids: Tensor): Tensor => mul(linear(embedding(transpose(a), ids), b), scale)
    const changed = (weight: Tensor, sign: number): Tensor =>
      noGrad(() =>
        scoped(() => {
          const change = mul(matmul(a, b, { transposeA: true, transposeB: true }), sign * scale)
          return cast(add(cast(weight, 'f32'), change), weight.dtype as FloatDType)
        }),
      )
    return {
      kind: 'embedding-delta',
      forward(ids, base) {
        const y = baseForward(base, ids)
        return add(y, cast(delta(ids), y.dtype as FloatDType))
      },
      parameters: () => ({ lora_embedding_A: a, lora_embedding_B: b }),
      merge: (weight) => changed(weight, 1),
      unmerge: (weight) => changed(weight, -1),
      [Symbol.dispose]() {
        a.dispose()
        b.dispose()
      },
    }
  },
}

export const embeddingDeltaPlugin: Plugin = definePlugin({
  name: 'embedding-delta',
  provides: { adapter: { 'embedding-delta': embeddingDelta } },
})
