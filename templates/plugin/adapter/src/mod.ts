/**
 * my-adapter: a change of rank one to each layer.
 *
 *   y = W·x + b + scale · u (v·x)      v (in) random, u (out) 0 at the start, so that the model starts as it was
 *
 * There is no gradient code: the ops of tritune know theirs.
 */
import {
  add,
  baseForward,
  cast,
  createRandom,
  decimal,
  defineOptions,
  definePlugin,
  type FloatDType,
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
  sub,
  type Tensor,
  tensor,
  zeros,
} from 'tritune/core'

export interface MyAdapterOptions {
  /** Factor on the change. */
  readonly scale: number
}

export const myAdapter: LayerAdapterDefinition<MyAdapterOptions> = {
  name: 'my-adapter',
  options: defineOptions({ scale: optional(decimal({ above: 0 }), 1) }),
  kinds: ['linear', 'head'],
  create({ path, inputs, outputs, device }, { scale }, { seed }) {
    const random = createRandom(seed, siteOf(path))
    const values = Float32Array.from({ length: inputs }, () => random.normal() / Math.sqrt(inputs))
    const v = parameter(tensor(values, { shape: [1, inputs], device }))
    const u = parameter(zeros([outputs, 1], { device }))
    for (const leaf of [u, v]) leaf.adopt(null) // they live as long as the adapter
    const delta = (x: Tensor): Tensor => {
      const dtype = x.dtype as FloatDType
      return mul(linear(linear(x, cast(v, dtype)), cast(u, dtype)), scale)
    }
    /** W ± scale·u·v in f32, rounded once to the dtype of W. */
    const changed = (weight: Tensor, apply: typeof add): Tensor =>
      noGrad(() =>
        scoped(() => cast(apply(cast(weight, 'f32'), mul(matmul(u, v), scale)), weight.dtype as FloatDType)),
      )
    return {
      kind: 'my-adapter',
      forward: (x, base) => add(baseForward(base, x), delta(x)),
      delta,
      parameters: () => ({ u, v }),
      merge: (weight) => changed(weight, add),
      unmerge: (weight) => changed(weight, sub),
      [Symbol.dispose]() {
        u.dispose()
        v.dispose()
      },
    }
  },
}

/** What a run's file finds under `plugins:`. */
export const plugin: Plugin = definePlugin({
  name: 'my-adapter',
  provides: { adapter: { 'my-adapter': myAdapter } },
})
