/**
 * Muon (Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982), as torch.optim.Muon: the momentum of a matrix is made nearly orthogonal
 * by five Newton–Schulz steps before the weights move along it. What is no matrix, and embeddings and output heads, get AdamW.
 */
import {
  add,
  addTo,
  adamw,
  affine,
  type AdamWOptions,
  cast,
  castOp,
  decimal,
  defineOptions,
  div,
  flag,
  type FloatDType,
  type GradientTransform,
  integer,
  learningRateOf,
  matmul,
  maximum,
  noGrad,
  oneOf,
  nullable,
  optional,
  type OptimizerStep,
  run,
  sqrt,
  square,
  sum,
  type Tensor,
  tensorScope,
  type TransformDefinition,
  zeros,
} from '../../core/mod.ts'
import type { WeightDecay } from './elementwise.ts'
import { average, scaleInto } from './flat-parameters.ts'

/** Factor on the learning rate of an (out, in) matrix: 0.2·√max(out, in), or √max(1, out / in). */
export type MuonAdjustment = 'match_rms_adamw' | 'original'

/** Options of `muon()`. */
export interface MuonOptions extends WeightDecay {
  readonly momentum?: number
  readonly nesterov?: boolean
  readonly nsSteps?: number
  /** What matrices are orthogonalized in; default: the dtype of the weights. The references always do it in bf16. */
  readonly nsDtype?: FloatDType | undefined
  /** Default: `match_rms_adamw`, with which the learning rates and decays of AdamW fit. */
  readonly adjustLr?: MuonAdjustment
  /** Which matrices AdamW trains instead, by name; default: embeddings and output heads. */
  readonly byAdamw?: (name: string) => boolean
  /** For what AdamW trains. */
  readonly adamw?: Pick<AdamWOptions, 'beta1' | 'beta2' | 'eps'>
}

interface State {
  readonly momentum: Tensor
  readonly master: Tensor | null
}

/**
 * Muon as the last link of a chain. Its state is one moment for each element of a matrix.
 *
 * @example
 * ```ts
 * import { parameter, tensor, tensorScope } from 'tritune/core'
 * import { muon } from 'tritune/plugins/optim'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([1, 0, 0, 1], { shape: [2, 2] }))
 * w.grad = tensor([3, 0, 0, 0.001], { shape: [2, 2] })
 * using optimizer = muon().init(new Map([['w', w]]))
 * optimizer.apply({ step: 1, learningRate: 0.01, gradScale: 1, metrics: {} })
 * console.log(w.toArray()[0] < 1) // → true
 * ```
 */
export function muon(options: MuonOptions = {}): GradientTransform {
  const { byAdamw = isEmbeddingOrHead, weightDecay = 0, decays = () => true } = options
  return {
    name: 'muon',
    init(parameters) {
      const isMatrix = ([name, { shape }]: readonly [string, Tensor]): boolean =>
        shape.length === 2 && !byAdamw(name)
      const matrices = new Map([...parameters].filter(isMatrix))
      const others = new Map([...parameters].filter((one) => !isMatrix(one)))
      const states = new Map([...matrices].map(([name, weight]) => [name, createState(weight)]))
      const rest = adamw({ ...options.adamw, weightDecay, decays }).init(others)
      const named = new Map<string, Tensor>()
      for (const [name, { momentum, master }] of states) {
        named.set(`momentum.${name}`, momentum)
        if (master) named.set(`master.${name}`, master)
      }
      return {
        apply(step) {
          noGrad(() => {
            for (const [name, weight] of matrices) {
              const state = states.get(name)
              if (weight.grad && state) update({ name, weight, gradient: weight.grad, state, options }, step)
            }
          })
          rest.apply(step)
        },
        tensors: () => new Map([...named, ...rest.tensors()]),
        [Symbol.dispose]() {
          for (const tensor of named.values()) tensor.dispose()
          rest[Symbol.dispose]()
        },
      }
    },
  }
}

/**
 * A matrix (m, n) with singular values near 1 and the same singular vectors: `steps` of the quintic Newton–Schulz iteration. f32 or
 * bf16, computed in its dtype.
 *
 * @example
 * ```ts
 * import { tensor, tensorScope } from 'tritune/core'
 * import { orthogonalized } from 'tritune/plugins/optim'
 *
 * using _scope = tensorScope()
 * const [first, , , last] = orthogonalized(tensor([100, 0, 0, 50], { shape: [2, 2] })).toArray()
 * console.log(first > 0.6 && first < 1.3 && last > 0.6 && last < 1.3) // → true
 * ```
 */
export function orthogonalized(x: Tensor, steps = 5): Tensor {
  const [rows, columns] = x.shape
  const isTall = rows > columns
  const norm = sqrt(sum(square(cast(x, 'f32'))))
  let y = div(x, cast(maximum(norm, 1e-7), x.dtype))
  for (let i = 0; i < steps; i++) {
    // Of the smaller side; it is symmetric, so that it stands on either side as it is. Sums are f32 and rounded once.
    const gram = matmul(y, y, { transposeA: isTall, transposeB: !isTall, wide: true })
    const factor = cast(gram, x.dtype)
    const along = add(
      affine(gram, { scale: B }),
      affine(matmul(factor, factor, { wide: true }), { scale: C }),
    )
    const rounded = cast(along, x.dtype)
    const moved = isTall ? matmul(y, rounded, { wide: true }) : matmul(rounded, y, { wide: true })
    y = cast(add(affine(cast(y, 'f32'), { scale: A }), moved), x.dtype)
  }
  return y
}

/** Options of `optimizer: muon` in a run's file: the `adam_*` keys, and `optim_args`. */
export interface MuonFields {
  readonly momentum: number
  readonly nesterov: boolean
  readonly ns_steps: number
  readonly ns_dtype: 'f32' | 'bf16' | null
  readonly adjust_lr_fn: MuonAdjustment
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
}

export const muonDefinition: TransformDefinition<MuonFields> = {
  name: 'muon',
  divides: 'tensors',
  options: defineOptions({
    momentum: optional(decimal({ min: 0, below: 1 }), 0.95),
    nesterov: optional(flag(), true),
    ns_steps: optional(integer({ min: 1, max: 99 }), 5),
    ns_dtype: nullable(oneOf(['f32', 'bf16'])),
    adjust_lr_fn: optional(oneOf(['match_rms_adamw', 'original']), 'match_rms_adamw'),
    beta1: optional(decimal({ min: 0, below: 1 }), 0.9),
    beta2: optional(decimal({ min: 0, below: 1 }), 0.999),
    eps: optional(decimal({ above: 0 }), 1e-8),
  }),
  create: ({ momentum, nesterov, ns_steps, ns_dtype, adjust_lr_fn, ...adam }, { weightDecay, decays }) =>
    muon({
      momentum,
      nesterov,
      nsSteps: ns_steps,
      nsDtype: ns_dtype ?? undefined,
      adjustLr: adjust_lr_fn,
      adamw: adam,
      weightDecay,
      decays,
    }),
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Coefficients of the iteration: https://kellerjordan.github.io/posts/muon/ */
const [A, B, C]: readonly number[] = [3.4445, -4.775, 2.0315]

/** As axolotl tells them; and GPT-2's. */
function isEmbeddingOrHead(name: string): boolean {
  return /embed_tokens|lm_head|(^|\.)w[tp]e\./.test(name)
}

function createState(weight: Tensor): State {
  const momentum = zeros(weight.shape, { device: weight.device })
  momentum.adopt(null)
  const master = weight.dtype === 'f32' ? null : noGrad(() => cast(weight, 'f32'))
  master?.adopt(null)
  return { momentum, master }
}

interface Updated {
  readonly name: string
  readonly weight: Tensor
  readonly gradient: Tensor
  readonly state: State
  readonly options: MuonOptions
}

function update({ name, weight, gradient, state, options }: Updated, step: OptimizerStep): void {
  const { momentum: beta = 0.95, nesterov = true, nsSteps = 5, adjustLr = 'match_rms_adamw' } = options
  const { weightDecay = 0, decays = () => true } = options
  const { momentum, master } = state
  using _scope = tensorScope()
  const g = affine(cast(gradient, 'f32'), { scale: step.gradScale })
  average(momentum, affine(g), beta)
  const raw = nesterov ? add(affine(g, { scale: 1 - beta }), affine(momentum, { scale: beta })) : momentum
  const dtype = options.nsDtype ?? (weight.dtype === 'bf16' ? 'bf16' : 'f32')
  const along = affine(cast(orthogonalized(cast(raw, dtype), nsSteps), 'f32'))
  const rate = learningRateOf(step, name)
  const target = master ?? weight
  if (weightDecay !== 0 && decays(name)) scaleInto(target, 1 - rate * weightDecay)
  const [out, inputs] = weight.shape
  const adjusted =
    adjustLr === 'original' ? Math.sqrt(Math.max(1, out / inputs)) : 0.2 * Math.sqrt(Math.max(out, inputs))
  scaleInto(along, -rate * adjusted)
  addTo(target, along)
  if (master) run(castOp, { x: master }, { dtype: weight.dtype }, { y: weight })
}
