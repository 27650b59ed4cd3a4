/**
 * Outputs that are brought to another length, column by column: y∘g, y (…, out), g (out) f32.
 *
 * The way back needs two things of the same numbers, dy∘g and the sums of dy∘y over all rows; RMSNorm's way back reads and writes them
 * in one pass. Of rows that it takes to be of the length 1/ε, with the weight g/ε, it gives
 *
 *   dx = ε·(dy∘g/ε − y·ε²·mean(y∘dy∘g/ε)) (+ dh)        dw = ε·Σ dy∘y
 *
 * and with ε = 2⁻³⁰ nothing is left of the mean: ε² times the mean of y² is below what f32 can tell.
 */
import {
  add,
  addTo,
  affine,
  cast,
  linksOf,
  mul,
  noGrad,
  record,
  rmsNormBackward,
  run,
  scoped,
  sub,
  type Tensor,
  zeros,
} from '../../core/mod.ts'

const EPSILON = 2 ** -30

/** y∘g. In bf16 only the difference of g from 1 is rounded, else a gain near 1 would be none. */
export function gained(y: Tensor, gain: Tensor): Tensor {
  const isWide = y.dtype === 'f32'
  const links = linksOf<Tensor>({ y, gain })
  const [product, factor] = noGrad(() =>
    scoped((): [Tensor, Tensor] => {
      const own = isWide ? gain : cast(sub(gain, 1), 'bf16')
      const made = mul(y, own)
      if (!isWide) addTo(made, y)
      return [made, affine(own, { scale: 1 / EPSILON })]
    }),
  )
  if (!links) {
    factor.dispose()
    return product
  }
  factor.adopt(null)
  const kept = y.alias()
  record(
    {
      name: 'gained',
      links,
      backward({ product: dy }) {
        if (!dy) return {}
        const inputs = {
          dy,
          dh: isWide ? undefined : dy,
          h: kept,
          weight: factor,
          rstd: add(zeros([y.rows], { device: y.device }), EPSILON),
        }
        const { dx, dw } = run(rmsNormBackward, inputs, { wantsDw: links.has('gain') })
        return { y: dx, gain: dw && affine(dw, { scale: 1 / EPSILON }) }
      },
      release() {
        kept.dispose()
        factor.dispose()
      },
    },
    { product },
  )
  return product
}
