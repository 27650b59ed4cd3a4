/**
 * Adafactor (Shazeer & Stern 2018, arXiv 1804.04235), as transformers computes it: of the second moment of a matrix only the means of
 * its rows and columns are kept.
 *
 *   R ← β₂ₜR + (1 − β₂ₜ)·rowmean(g² + ε₁)     C likewise of columns     β₂ₜ = 1 − t^decayRate
 *   u = g / √(R·C / mean(R))     u ← u / max(1, rms(u) / clipThreshold)     w ← w − rate·u
 */
import {
  addTo,
  affine,
  affineOp,
  cast,
  castOp,
  decimal,
  defineOptions,
  div,
  flag,
  type GradientTransform,
  learningRateOf,
  listOf,
  maximum,
  mean,
  mul,
  noGrad,
  nullable,
  optional,
  type OptimizerStep,
  reciprocal,
  reshape,
  rsqrt,
  run,
  type Shape,
  sqrt,
  square,
  type Tensor,
  tensorScope,
  type TransformDefinition,
  TrituneError,
  zeros,
} from '../../core/mod.ts'
import type { WeightDecay } from './elementwise.ts'
import { average } from './flat-parameters.ts'

/** Options of `adafactor()`, with the defaults that transformers' trainer has. */
export interface AdafactorOptions extends WeightDecay {
  /** ε₁, added to g², and ε₂, the least scale of a weight. Default: 1e-30 and 1e-3. */
  readonly eps?: readonly [number, number]
  readonly clipThreshold?: number
  readonly decayRate?: number
  /** A first moment, of 4 bytes an element; null: none. */
  readonly beta1?: number | null
  /** The rate is relative to the size of the weight. */
  readonly scaleParameter?: boolean
  /** The rate also falls as 1/√t, from 1e-2; the learning rate is then a factor of that, 1 for transformers' numbers. */
  readonly relativeStep?: boolean
  /** With `relativeStep`: begin at 1e-6·t. */
  readonly warmupInit?: boolean
}

const EPS: readonly [number, number] = [1e-30, 1e-3]

interface State {
  readonly shape: Shape
  readonly parts: Readonly<Record<'row' | 'col' | 'v' | 'm' | 'master', Tensor | null>>
}

/**
 * Adafactor as the last link of a chain: of an (out, in) matrix it keeps out + in numbers. Throws E_VALUE for `warmupInit` without
 * `relativeStep`.
 *
 * @example
 * ```ts
 * import { parameter, tensorScope, zeros } from 'tritune/core'
 * import { adafactor } from 'tritune/plugins/optim'
 *
 * using _scope = tensorScope()
 * const w = parameter(zeros([64, 32]))
 * using optimizer = adafactor().init(new Map([['w', w]]))
 * console.log([...optimizer.tensors().values()].map(({ size }) => size)) // → [ 64, 32 ]
 * ```
 */
export function adafactor(options: AdafactorOptions = {}): GradientTransform {
  const { beta1 = null, relativeStep = false, warmupInit = false } = options
  if (warmupInit && !relativeStep)
    throw new TrituneError('E_VALUE', 'adafactor: warmupInit needs relativeStep')
  return {
    name: 'adafactor',
    init(parameters) {
      const states = new Map(
        [...parameters].map(([name, weight]) => [name, createState(weight, beta1 !== null)]),
      )
      const named = new Map<string, Tensor>()
      for (const [name, { parts }] of states)
        for (const [part, tensor] of Object.entries(parts)) if (tensor) named.set(`${part}.${name}`, tensor)
      return {
        apply(step) {
          noGrad(() => {
            for (const [name, weight] of parameters) {
              const state = states.get(name)
              if (weight.grad && state) update({ name, weight, gradient: weight.grad, state, options }, step)
            }
          })
        },
        tensors: () => named,
        [Symbol.dispose]() {
          for (const tensor of named.values()) tensor.dispose()
        },
      }
    },
  }
}

/** `optim_args` of `optimizer: adafactor`, as of transformers' Adafactor. */
export interface AdafactorFields {
  readonly eps: readonly number[]
  readonly clip_threshold: number
  readonly decay_rate: number
  readonly beta1: number | null
  readonly scale_parameter: boolean
  readonly relative_step: boolean
  readonly warmup_init: boolean
}

export const adafactorDefinition: TransformDefinition<AdafactorFields> = {
  name: 'adafactor',
  divides: 'tensors',
  options: defineOptions<AdafactorFields>(
    {
      eps: optional(listOf(decimal({ above: 0 }), 'two numbers, such as [1e-30, 1e-3]'), [...EPS]),
      clip_threshold: optional(decimal({ above: 0 }), 1),
      decay_rate: optional(decimal({ min: -1, below: 0 }), -0.8),
      beta1: nullable(decimal({ min: 0, below: 1 })),
      scale_parameter: optional(flag(), false),
      relative_step: optional(flag(), false),
      warmup_init: optional(flag(), false),
    },
    [
      ({ eps }) =>
        eps.length === 2
          ? undefined
          : { path: ['eps'], what: `expected two numbers, such as [1e-30, 1e-3], got ${eps.length}` },
      ({ warmup_init, relative_step }) =>
        warmup_init && !relative_step
          ? {
              path: ['warmup_init'],
              what: 'needs relative_step',
              remedy: 'set relative_step: true beside it',
            }
          : undefined,
    ],
  ),
  create: ({ eps, ...fields }, { weightDecay, decays }) =>
    adafactor({
      eps: [eps[0], eps[1]],
      clipThreshold: fields.clip_threshold,
      decayRate: fields.decay_rate,
      beta1: fields.beta1,
      scaleParameter: fields.scale_parameter,
      relativeStep: fields.relative_step,
      warmupInit: fields.warmup_init,
      weightDecay,
      decays,
    }),
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Updated {
  readonly name: string
  readonly weight: Tensor
  readonly gradient: Tensor
  readonly state: State
  readonly options: AdafactorOptions
}

/** One parameter, without waiting for the device: its norms stay there. */
function update({ name, weight, gradient, state, options }: Updated, step: OptimizerStep): void {
  const { clipThreshold = 1, beta1 = null, decayRate = -0.8, weightDecay = 0, decays = () => true } = options
  const { eps = EPS, scaleParameter = false, relativeStep = false, warmupInit = false } = options
  const { m, master } = state.parts
  const t = step.step
  using _scope = tensorScope()
  const target = master ?? weight
  const relative = relativeStep ? Math.min(warmupInit ? 1e-6 * t : 1e-2, 1 / Math.sqrt(t)) : 1
  const rate = learningRateOf(step, name) * relative
  const scale = scaleParameter ? maximum(rms(target), eps[1]) : null
  // A scale stays a tensor, so that nobody waits for the norm of the weight.
  const times = (x: Tensor, factor: number): Tensor => affine(scale ? mul(x, scale) : x, { scale: factor })
  const raw = precondition(scaled(gradient, step.gradScale), state, {
    eps: eps[0],
    beta2: 1 - t ** decayRate,
  })
  const clip = reciprocal(maximum(affine(rms(raw), { scale: 1 / clipThreshold }), 1))
  const sign = m ? 1 : -1
  const along = mul(raw, times(clip, sign * rate))
  if (m && beta1 !== null) average(m, along, beta1)
  if (weightDecay !== 0 && decays(name)) addTo(target, times(target, -rate * weightDecay))
  addTo(target, m ? affine(m, { scale: -1 }) : along)
  if (master) run(castOp, { x: master }, { dtype: weight.dtype }, { y: weight })
}

/** The gradient over the root of its second moment, to which it is added first; that of a matrix is a column times a row. */
function precondition(
  gradient: Tensor,
  { shape, parts: { row, col, v } }: State,
  { eps, beta2 }: { readonly eps: number; readonly beta2: number },
): Tensor {
  const squares = square(gradient)
  run(affineOp, { x: squares }, { scale: 1, shift: eps }, { y: squares })
  if (!row || !col) {
    if (v) average(v, squares, beta2)
    return mul(gradient, rsqrt(v ?? squares))
  }
  average(row, mean(squares, { axis: -1 }), beta2)
  average(col, mean(squares, { axis: -2 }), beta2)
  const rows = rsqrt(div(row, mean(row, { axis: -1, keepDims: true })))
  const axes = shape.length
  const byRows = mul(gradient, reshape(rows, shape.with(axes - 1, 1)))
  return mul(byRows, reshape(rsqrt(col), shape.with(axes - 2, 1)))
}

/** f32; no copy where that is what it is. */
function scaled(gradient: Tensor, factor: number): Tensor {
  const x = cast(gradient, 'f32')
  return factor === 1 ? x : affine(x, { scale: factor })
}

function rms(x: Tensor): Tensor {
  return sqrt(mean(square(x)))
}

function createState(weight: Tensor, hasMoment: boolean): State {
  const { shape, device } = weight
  const zero = (of: Shape): Tensor => {
    const made = zeros(of, { device })
    made.adopt(null)
    return made
  }
  const isFactored = shape.length >= 2
  const master = weight.dtype === 'f32' ? null : noGrad(() => cast(weight, 'f32'))
  master?.adopt(null)
  return {
    shape,
    parts: {
      row: isFactored ? zero(shape.slice(0, -1)) : null,
      col: isFactored ? zero(shape.toSpliced(-2, 1)) : null,
      v: isFactored ? null : zero(shape),
      m: hasMoment ? zero(shape) : null,
      master,
    },
  }
}
