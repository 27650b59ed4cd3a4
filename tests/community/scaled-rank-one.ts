/**
 * An adapter of a stranger, in one file: each weight of a layer is scaled by a matrix of rank one.
 *
 *   W′ = W ∘ (1 + u·vᵀ)     y = x·Wᵀ + b + u ∘ ((x ∘ v)·Wᵀ)     u (out) 0 and v (in) 1 at the start
 */
import {
  type Adapter,
  add,
  baseForward,
  type BaseLayer,
  cast,
  decimal,
  defineOptions,
  definePlugin,
  div,
  type FloatDType,
  type LayerAdapterDefinition,
  mul,
  noGrad,
  optional,
  parameter,
  type Plugin,
  reshape,
  scoped,
  type Tensor,
  tensor,
} from 'tritune/core'

export interface ScaledRankOneOptions {
  /** v at the start. */
  readonly size: number
}

export const scaledRankOne: LayerAdapterDefinition<ScaledRankOneOptions> = {
  name: 'scaled-rank-one',
  options: defineOptions({ size: optional(decimal({ above: 0 }), 1) }),
  create({ inputs, outputs, device }, { size }): Adapter {
    const u = parameter(tensor(new Float32Array(outputs), { device }))
    const v = parameter(tensor(new Float32Array(inputs).fill(size), { device }))
    for (const leaf of [u, v]) leaf.adopt(null)
    const delta = (x: Tensor, base: BaseLayer): Tensor => {
      const dtype = x.dtype as FloatDType
      return mul(baseForward({ ...base, bias: null }, mul(x, cast(v, dtype))), cast(u, dtype))
    }
    const folded = (weight: Tensor, apply: typeof mul): Tensor =>
      noGrad(() =>
        scoped(() => {
          const factors = add(mul(reshape(u, [outputs, 1]), reshape(v, [1, inputs])), 1)
          return cast(apply(cast(weight, 'f32'), factors), weight.dtype as FloatDType)
        }),
      )
    return {
      kind: 'scaled-rank-one',
      forward: (x, base) => add(baseForward(base, x), delta(x, base)),
      delta,
      parameters: () => ({ u, v }),
      merge: (weight) => folded(weight, mul),
      unmerge: (weight) => folded(weight, div),
      [Symbol.dispose]() {
        u.dispose()
        v.dispose()
      },
    }
  },
}

export const plugin: Plugin = definePlugin({
  name: 'scaled-rank-one',
  provides: { adapter: { 'scaled-rank-one': scaledRankOne } },
})
