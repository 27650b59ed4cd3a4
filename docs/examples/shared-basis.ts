/**
 * Layers that share something, a hook after each step and a term of the loss, in one file: frozen random factors for all layers as in
 * VeRA (Kopiczko et al. 2023, arXiv 2310.11454), and one budget for all of them as in AdaLoRA (Zhang et al. 2023, arXiv 2303.10512).
 *
 *   y = x·Wᵀ + bias + e ∘ (B·(d ∘ m ∘ (A·x)))      A (r, max in), B (max out, r) shared, frozen, seeded; d 0.1 and e 0 at the start
 *
 * m is 1 where a direction is kept and 0 where it was given up: of all layers together the `budget` most important ones stay.
 */
import {
  type Adapter,
  add,
  baseForward,
  type BaseLayer,
  cast,
  createRandom,
  decimal,
  defineOptions,
  definePlugin,
  type FloatDType,
  integer,
  linear,
  matmul,
  mul,
  noGrad,
  optional,
  parameter,
  type Plugin,
  reshape,
  scoped,
  type SharedAdapterDefinition,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  zeros,
} from 'tritune/core'

export interface SharedBasisOptions {
  readonly rank: number
  /** Share of all directions that is kept. */
  readonly keep: number
  /** Steps between two choices. */
  readonly every: number
  /** Weight of Σ d² in the loss. */
  readonly penalty: number
}

export const sharedBasis: SharedAdapterDefinition<SharedBasisOptions> = {
  name: 'shared-basis',
  options: defineOptions({
    rank: optional(integer({ min: 1 }), 8),
    keep: optional(decimal({ above: 0, max: 1 }), 0.5),
    every: optional(integer({ min: 1 }), 2),
    penalty: optional(decimal({ min: 0 }), 1e-3),
  }),
  createShared(layers, { rank, keep, every, penalty }, { seed }) {
    const [{ device }] = layers
    const random = createRandom(seed, 'shared-basis')
    const normal = (rows: number, columns: number, scale: number): Tensor =>
      lasting(
        tensor(
          Float32Array.from({ length: rows * columns }, () => scale * random.normal()),
          { shape: [rows, columns], device },
        ),
      )
    const maxIn = Math.max(...layers.map(({ inputs }) => inputs))
    const maxOut = Math.max(...layers.map(({ outputs }) => outputs))
    const a = normal(rank, maxIn, 1 / Math.sqrt(maxIn))
    const b = normal(maxOut, rank, 1 / Math.sqrt(rank))
    const vectors = layers.map(({ outputs }) => ({
      d: lasting(parameter(tensor(new Float32Array(rank).fill(0.1), { device }))),
      e: lasting(parameter(zeros([outputs], { device }))),
      mask: lasting(tensor(new Float32Array(rank).fill(1), { device })),
      importance: lasting(zeros([rank], { device })),
    }))
    return {
      adapters: layers.map((layer, i) => adapterOf(layer, { a, b, ...vectors[i] })),
      parameters: () => ({ a, b }), // in the file, so a reader needs no random numbers
      penalty: () => vectors.map(({ d }) => mul(sum(square(d)), penalty)).reduce(add),
      afterStep({ step }) {
        // |d·∂d| says how much the loss would change without a direction.
        const scores = vectors.map(({ d, importance }) => {
          const [values, before] = [d.toArray(), importance.toArray()]
          const slopes = d.grad?.toArray() ?? new Float32Array(rank)
          return before.map((old, j) => 0.85 * old + 0.15 * Math.abs(values[j] * slopes[j]))
        })
        for (const [i, { importance }] of vectors.entries()) importance.set(scores[i])
        if (step % every !== 0) return
        const all = scores.flatMap((own) => [...own]).toSorted((x, y) => y - x)
        const least = all[Math.max(0, Math.round(keep * all.length) - 1)]
        for (const [i, { mask }] of vectors.entries())
          mask.set(scores[i].map((score) => (score >= least ? 1 : 0)))
      },
      tensors: () => new Map(vectors.map(({ importance }, i) => [`importance.${layers[i].path}`, importance])),
      [Symbol.dispose]() {
        a.dispose()
        b.dispose()
        for (const { importance } of vectors) importance.dispose()
      },
    }
  },
}

export const sharedBasisPlugin: Plugin = definePlugin({
  name: 'shared-basis',
  provides: { adapter: { 'shared-basis': sharedBasis } },
})

interface Parts {
  readonly a: Tensor
  readonly b: Tensor
  readonly d: Tensor
  readonly e: Tensor
  /** Not trained, but of the adapter: it goes into the file. */
  readonly mask: Tensor
}

function adapterOf({ inputs, outputs }: BaseLayer, { a, b, d, e, mask }: Parts): Adapter {
  /** The layer's part of both factors, with its vectors: (r, in) and (out, r). */
  const factors = (): [Tensor, Tensor] => [
    mul(slice(a, { axis: 1, end: inputs }), reshape(mul(d, mask), [d.size, 1])),
    mul(slice(b, { end: outputs }), reshape(e, [outputs, 1])),
  ]
  const delta = (x: Tensor): Tensor => {
    const [down, up] = factors().map((factor) => cast(factor, x.dtype as FloatDType))
    return linear(linear(x, down), up)
  }
  const changed = (weight: Tensor, apply: typeof sub): Tensor =>
    noGrad(() =>
      scoped(() => {
        const [down, up] = factors()
        return cast(apply(cast(weight, 'f32'), matmul(up, down)), weight.dtype as FloatDType)
      }),
    )
  return {
    kind: 'shared-basis',
    forward: (x, base) => add(baseForward(base, x), delta(x)),
    delta,
    parameters: () => ({ d, e, mask }),
    merge: (weight) => changed(weight, add),
    unmerge: (weight) => changed(weight, sub),
    [Symbol.dispose]() {
      for (const own of [d, e, mask]) own.dispose()
    },
  }
}

/** Out of whatever scope is open: it lives as long as the adapter. */
function lasting(made: Tensor): Tensor {
  made.adopt(null)
  return made
}
