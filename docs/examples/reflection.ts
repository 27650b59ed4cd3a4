/**
 * A transform of the weight in one file: two mirrors turn the input of a layer, close to HRA (Yuan et al. 2024, arXiv
 * 2405.17484).
 *
 *   y = (x·H_u·H_v)·Wᵀ + b      H_u = I − 2·uuᵀ/(uᵀu), u = v at the start: both mirrors together change nothing
 *
 * Orthogonal, so angles between inputs stay, and merging can be undone exactly. A packed weight works too: it is not touched.
 */
import {
  baseForward,
  cast,
  createRandom,
  defineOptions,
  definePlugin,
  div,
  type FloatDType,
  type LayerAdapterDefinition,
  mul,
  noGrad,
  parameter,
  type Plugin,
  scoped,
  siteOf,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
} from 'tritune/core'

export const reflection: LayerAdapterDefinition<object> = {
  name: 'reflection',
  options: defineOptions({}),
  create({ path, inputs, device }, _options, { seed }) {
    const random = createRandom(seed, siteOf(path))
    const values = Float32Array.from({ length: inputs }, () => random.normal())
    const mirrors = [0, 1].map(() => parameter(tensor(values, { shape: [1, inputs], device })))
    for (const mirror of mirrors) mirror.adopt(null) // they live as long as the adapter
    const [first, second] = mirrors
    return {
      kind: 'reflection',
      forward(x, base) {
        const turned = reflect(reflect(cast(x, 'f32'), first), second)
        return baseForward(base, cast(turned, x.dtype as FloatDType))
      },
      parameters: () => ({ first, second }),
      merge: (weight) => turnedRows(weight, second, first),
      unmerge: (weight) => turnedRows(weight, first, second),
      [Symbol.dispose]() {
        for (const mirror of mirrors) mirror.dispose()
      },
    }
  },
}

export const reflectionPlugin: Plugin = definePlugin({
  name: 'reflection',
  provides: { adapter: { reflection } },
})

/** Rows (…, n) in the mirror (1, n). */
function reflect(rows: Tensor, mirror: Tensor): Tensor {
  const along = sum(mul(rows, mirror), { axis: rows.shape.length - 1, keepDims: true })
  const length = sum(square(mirror))
  return sub(rows, mul(mul(div(along, length), mirror), 2))
}

/** The rows of W in two mirrors: in f32, rounded once to the dtype of W. */
function turnedRows(weight: Tensor, first: Tensor, second: Tensor): Tensor {
  return noGrad(() =>
    scoped(() => cast(reflect(reflect(cast(weight, 'f32'), first), second), weight.dtype as FloatDType)),
  )
}
