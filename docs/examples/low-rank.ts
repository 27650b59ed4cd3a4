/**
 * A delta of the weight in one file: LoRA at its plainest (Hu et al. 2021, arXiv 2106.09685), made of ops that core has.
 *
 *   y = x·Wᵀ + b + x·(B·A)ᵀ      A (r, in) random, B (out, r) 0 at the start
 *
 * plugins/peft has the real one, which is fused with the layer and reads PEFT's files.
 */
import {
  add,
  baseForward,
  cast,
  createRandom,
  defineOptions,
  definePlugin,
  type FloatDType,
  integer,
  type LayerAdapterDefinition,
  linear,
  matmul,
  noGrad,
  optional,
  parameter,
  type Plugin,
  scoped,
  siteOf,
  sub,
  type Tensor,
  tensor,
  zeros,
} from 'tritune/core'

export interface LowRankOptions {
  readonly rank: number
}

export const lowRank: LayerAdapterDefinition<LowRankOptions> = {
  name: 'low-rank',
  options: defineOptions({ rank: optional(integer({ min: 1 }), 4) }),
  kinds: ['linear', 'head'],
  create({ path, inputs, outputs, device }, { rank }, { seed }) {
    const random = createRandom(seed, siteOf(path))
    const values = Float32Array.from({ length: rank * inputs }, () => random.normal() / Math.sqrt(inputs))
    const a = parameter(tensor(values, { shape: [rank, inputs], device }))
    const b = parameter(zeros([outputs, rank], { device }))
    for (const leaf of [a, b]) leaf.adopt(null) // they live as long as the adapter
    const delta = (x: Tensor): Tensor => {
      const dtype = x.dtype as FloatDType
      return linear(linear(x, cast(a, dtype)), cast(b, dtype))
    }
    return {
      kind: 'low-rank',
      forward: (x, base) => add(baseForward(base, x), delta(x)),
      delta, // several adapters on one layer need no second product with W then
      parameters: () => ({ a, b }),
      merge: (weight) => changed(weight, a, b, add),
      unmerge: (weight) => changed(weight, a, b, sub),
      [Symbol.dispose]() {
        a.dispose()
        b.dispose()
      },
    }
  },
}

export const lowRankPlugin: Plugin = definePlugin({
  name: 'low-rank',
  provides: { adapter: { 'low-rank': lowRank } },
})

/** W ± B·A in f32, rounded once to the dtype of W. */
function changed(weight: Tensor, a: Tensor, b: Tensor, apply: typeof sub): Tensor {
  return noGrad(() =>
    scoped(() => cast(apply(cast(weight, 'f32'), matmul(b, a)), weight.dtype as FloatDType)),
  )
}
