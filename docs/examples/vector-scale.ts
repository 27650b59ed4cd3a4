/**
 * An adapter in one file: a learned factor for each output of a layer, close to (IA)³ (Liu et al. 2022, arXiv 2205.05638).
 *
 *   y = (x·Wᵀ) ∘ s + b      s (out), 1 at the start, so that the model starts as it was
 *
 * There is no gradient code: the ops of core know theirs.
 */
import {
  type AdapterDefinition,
  add,
  baseForward,
  cast,
  defineConfig,
  definePlugin,
  div,
  type FloatDType,
  mul,
  noGrad,
  parameter,
  type Plugin,
  reshape,
  scoped,
  type Tensor,
  tensor,
} from 'tritune/core'
import * as v from 'valibot'

export interface VectorScaleOptions {
  /** Value of every factor before the first step. */
  readonly init: number
}

export const vectorScale: AdapterDefinition<VectorScaleOptions> = {
  name: 'vector-scale',
  options: defineConfig(v.strictObject({ init: v.optional(v.number('expected a number'), 1) })),
  create(layer, { init }) {
    const { outputs, device } = layer
    const scale = parameter(tensor(new Float32Array(outputs).fill(init), { device }))
    scale.adopt(null) // it lives as long as the adapter, whatever scope is open now
    return {
      kind: 'vector-scale',
      forward(x, base) {
        const y = mul(baseForward({ ...base, bias: null }, x), cast(scale, x.dtype as FloatDType))
        return base.bias ? add(y, base.bias) : y
      },
      parameters: () => ({ scale }),
      merge: (weight) => perRow(weight, scale, mul),
      unmerge: (weight) => perRow(weight, scale, div),
      [Symbol.dispose]: () => scale.dispose(),
    }
  },
}

/** What a run's file finds under `plugins:`. */
export const vectorScalePlugin: Plugin = definePlugin({
  name: 'vector-scale',
  provides: { adapter: { 'vector-scale': vectorScale } },
})

/** W (out, in) with row i times (or by) s_i: in f32, rounded once to the dtype of W. */
function perRow(weight: Tensor, scale: Tensor, apply: typeof mul): Tensor {
  return noGrad(() =>
    scoped(() => {
      const column = reshape(scale, [scale.size, 1])
      return cast(apply(cast(weight, 'f32'), column), weight.dtype as FloatDType)
    }),
  )
}
