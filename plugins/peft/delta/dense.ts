/**
 * Products with a change that is a whole matrix: it is made when it is needed, and made again in the backward pass instead of kept.
 *
 * Only x is held from one pass to the other, and no product with it is done twice.
 */
import {
  add,
  backwardFrom,
  baseForward,
  type BaseLayer,
  cast,
  currentNoise,
  type FloatDType,
  gradientsEnabled,
  isQuantized,
  linear,
  linearBackward,
  linksOf,
  noGrad,
  record,
  run,
  scoped,
  type Tensor,
  withGradients,
  withNoise,
} from '../../../core/mod.ts'

/** x·(W + ΔW)ᵀ + b; `make` gives ΔW (out, in) f32 from leaves, and is called twice. */
export function throughDense(x: Tensor, base: BaseLayer, make: () => Tensor): Tensor {
  const { weight, bias } = base
  // In f32 the sum is as exact as both products, and costs one of them. A change would drown in a weight of bf16.
  return isQuantized(weight) || weight.dtype !== 'f32'
    ? add(baseForward(base, x), denseChange(x, make))
    : product(x, make, (change) => add(weight, change), bias ?? undefined)
}

/** x·ΔWᵀ */
export function denseChange(x: Tensor, make: () => Tensor): Tensor {
  return product(x, make, (change) => cast(change, x.dtype as FloatDType))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function product(x: Tensor, make: () => Tensor, weightOf: (change: Tensor) => Tensor, bias?: Tensor): Tensor {
  const y = noGrad(() => scoped(() => linear(x, weightOf(make()), { bias })))
  if (!gradientsEnabled()) return y
  const links = linksOf<Tensor>({ x }) ?? new Map<string, never>()
  const seen = x.alias()
  const noise = currentNoise()
  record(
    {
      name: 'dense_change',
      links,
      backward({ y: dy }) {
        if (!dy) return {}
        const [dx] = withNoise(noise, () =>
          withGradients(true, () =>
            scoped((): Tensor[] => {
              const change = make()
              const { dx, dw } = noGrad(() => gradients(dy, seen, weightOf(change), links.has('x')))
              if (dw) backwardFrom(change, dw)
              return dx ? [dx] : []
            }),
          ),
        )
        return { x: dx }
      },
      release: () => seen.dispose(),
    },
    { y },
  )
  return y
}

function gradients(
  dy: Tensor,
  x: Tensor,
  weight: Tensor,
  wantsDx: boolean,
): { readonly dx: Tensor | null; readonly dw: Tensor | null } {
  const nothing = { loraA: undefined, loraB: undefined, xa: undefined }
  const off = { scale: 0, dropout: 0, rng: null, wantsDbias: false, wantsDa: false, wantsDb: false }
  return run(
    linearBackward,
    { dy, x, weight, ...nothing },
    { ...off, wantsDx, wantsDw: true, accumulateDx: false },
  )
}
