/**
 * Schedule-free AdamW (Defazio et al. 2024, arXiv 2405.15682), as the package schedulefree computes it: no schedule, because the
 * weights that are used are an average of all that were.
 *
 *   y  what is trained: the weights hold it during training     z  where steps go     x  the average, which is evaluated and saved
 *
 *   d = g / (√(v / bias₂) + ε) + weightDecay·y     y ← y + c(z − y) + lr(β₁(1 − c) − 1)·d     z ← z − lr·d     x = y + (1 − 1/β₁)(z − y)
 */
import {
  add,
  addTo,
  affine,
  castOp,
  decimal,
  defineOptions,
  type Device,
  div,
  type GradientTransform,
  integer,
  jsonField,
  type JsonValue,
  learningRateOf,
  noGrad,
  optional,
  type OptimizerStep,
  type Parameters,
  run,
  sqrt,
  square,
  sub,
  type Tensor,
  tensorScope,
  type TransformDefinition,
  TrituneError,
} from '../../core/mod.ts'
import type { WeightDecay } from './elementwise.ts'
import { average, flatParameters, scaleInto, scalePieces } from './flat-parameters.ts'

/** Options of `scheduleFreeAdamw()`; defaults as in the package schedulefree. */
export interface ScheduleFreeOptions extends WeightDecay {
  /** Above 0: how far what is trained is from where steps go. */
  readonly beta1?: number
  readonly beta2?: number
  readonly eps?: number
  /** The learning rate rises to its height in so many steps. */
  readonly warmupSteps?: number
  /** Step t counts t^r in the average. */
  readonly r?: number
  /** And the highest learning rate so far to this power. */
  readonly weightLrPower?: number
}

/** What is not kept for each element. */
interface Progress {
  weightSum: number
  highest: number
}

/**
 * Schedule-free AdamW as the last link of a chain, for a constant learning rate. Its state is two numbers for each element, as AdamW's.
 * The weights that are to be used are there between `enterEvaluation()` and `leaveEvaluation()`.
 *
 * @example
 * ```ts
 * import { backward, mul, parameter, sum, tensor, tensorScope } from 'tritune/core'
 * import { scheduleFreeAdamw } from 'tritune/plugins/optim'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([1]))
 * using optimizer = scheduleFreeAdamw().init(new Map([['w', w]]))
 * for (let step = 1; step <= 3; step++) {
 *   w.grad?.dispose()
 *   w.grad = null
 *   backward(sum(mul(w, w)))
 *   optimizer.apply({ step, learningRate: 0.1, gradScale: 1, metrics: {} })
 * }
 * const trained = w.item()
 * optimizer.enterEvaluation?.()
 * console.log(w.item() !== trained) // → true
 * optimizer.leaveEvaluation?.()
 * console.log(w.item() === trained) // → true
 * ```
 */
export function scheduleFreeAdamw(options: ScheduleFreeOptions = {}): GradientTransform {
  const { beta1 = 0.9, warmupSteps = 0, r = 0, weightLrPower = 2 } = options
  if (!(beta1 > 0 && beta1 < 1))
    throw new TrituneError('E_VALUE', `scheduleFreeAdamw: beta1 is between 0 and 1, got ${beta1}`)
  return {
    name: 'schedule-free',
    init(parameters) {
      const groups = [...Map.groupBy(parameters, ([, { device }]) => device)].map(([device, members]) =>
        openGroup(new Map(members), device, { ...options, beta1 }),
      )
      const progress: Progress = { weightSum: 0, highest: 0 }
      return {
        apply(step) {
          const warmup = step.step <= warmupSteps ? step.step / warmupSteps : 1
          progress.highest = Math.max(progress.highest, step.learningRate * warmup)
          const weight = step.step ** r * progress.highest ** weightLrPower
          progress.weightSum += weight
          const part = progress.weightSum === 0 ? 0 : weight / progress.weightSum
          for (const group of groups) group.update(step, { part, warmup })
        },
        tensors: () => new Map(groups.flatMap((group) => [...group.tensors()])),
        saveState: () => ({ weight_sum: progress.weightSum, highest: progress.highest }),
        loadState(saved) {
          progress.weightSum = numberIn(saved, 'weight_sum')
          progress.highest = numberIn(saved, 'highest')
        },
        enterEvaluation() {
          for (const group of groups) group.enterEvaluation()
        },
        leaveEvaluation() {
          for (const group of groups) group.leaveEvaluation()
        },
        [Symbol.dispose]() {
          for (const group of groups) group[Symbol.dispose]()
        },
      }
    },
  }
}

/** Options of `optimizer: schedule_free_adamw` in a run's file: the `adam_*` keys, `warmup_steps`, and `optim_args`. */
export interface ScheduleFreeFields {
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly warmup_steps: number
  readonly r: number
  readonly weight_lr_power: number
}

export const scheduleFreeDefinition: TransformDefinition<ScheduleFreeFields> = {
  name: 'schedule_free_adamw',
  options: defineOptions({
    beta1: optional(decimal({ above: 0, below: 1 }), 0.9),
    beta2: optional(decimal({ min: 0, below: 1 }), 0.999),
    eps: optional(decimal({ above: 0 }), 1e-8),
    warmup_steps: optional(integer({ min: 0 }), 0),
    r: optional(decimal({ min: 0 }), 0),
    weight_lr_power: optional(decimal({ min: 0 }), 2),
  }),
  create: ({ warmup_steps, weight_lr_power, ...fields }, { weightDecay, decays }) =>
    scheduleFreeAdamw({
      ...fields,
      warmupSteps: warmup_steps,
      weightLrPower: weight_lr_power,
      weightDecay,
      decays,
    }),
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Group extends Disposable {
  update(step: OptimizerStep, at: { readonly part: number; readonly warmup: number }): void
  tensors(): ReadonlyMap<string, Tensor>
  enterEvaluation(): void
  leaveEvaluation(): void
}

/** Parameters on one device. */
function openGroup(
  parameters: Parameters,
  device: Device,
  options: ScheduleFreeOptions & { readonly beta1: number },
): Group {
  const { beta1, beta2 = 0.999, eps = 1e-8, weightDecay = 0, decays = () => true } = options
  const flat = flatParameters(parameters, device)
  const [z, v] = [flat.vector(), flat.vector()]
  const named = new Map<string, Tensor>()
  const zsOf = new Map<string, Tensor>()
  for (const [name, weight] of parameters) {
    const zs = z.of(name)
    copyInto(zs, flat.masters.get(name) ?? weight)
    zsOf.set(name, zs)
    named.set(`z.${name}`, zs).set(`v.${name}`, v.of(name))
  }
  for (const [name, master] of flat.masters) named.set(`master.${name}`, master)
  /** Of the weights, while they hold the average. */
  let trained: ReadonlyMap<string, Tensor> | null = null
  return {
    update(step, { part, warmup }) {
      if (trained)
        throw new TrituneError('E_VALUE', 'schedule-free: a step between enterEvaluation and leaveEvaluation')
      const bias2 = 1 - beta2 ** step.step
      flat.visit(step, (stretch) => {
        const { gradient, pieces } = stretch
        const [zs, vs] = [stretch.of(z), stretch.of(v)]
        average(vs, square(gradient), beta2)
        const along = div(gradient, add(sqrt(affine(vs, { scale: 1 / bias2 })), eps))
        const rates = pieces.map(({ name }) => learningRateOf(step, name) * warmup)
        scalePieces(along, pieces, rates)
        for (const [i, { name, weight, of }] of pieces.entries())
          if (weightDecay !== 0 && decays(name))
            addTo(of(along), affine(weight, { scale: rates[i] * weightDecay }))
        const move = affine(along, { scale: beta1 * (1 - part) - 1 })
        for (const { weight, of } of pieces) {
          // By the difference: what has no gradient keeps its bits.
          if (part !== 0) addTo(weight, affine(sub(of(zs), weight), { scale: part }))
          addTo(weight, of(move))
        }
        addTo(zs, affine(along, { scale: -1 }))
      })
    },
    // What is trained is in the weights; a checkpoint has the average there, so it is kept beside.
    tensors: () =>
      new Map([...named, ...[...(trained ?? parameters)].map(([name, y]) => [`y.${name}`, y] as const)]),
    enterEvaluation() {
      if (trained) return
      trained = new Map([...parameters].map(([name, weight]) => [name, copyOf(weight)]))
      noGrad(() => {
        for (const [name, weight] of parameters) {
          const zs = zsOf.get(name)
          if (!zs) continue
          using _scope = tensorScope()
          const y = flat.masters.get(name) ?? weight
          copyInto(weight, add(affine(y, { scale: 1 / beta1 }), affine(zs, { scale: 1 - 1 / beta1 })))
        }
      })
    },
    leaveEvaluation() {
      for (const [name, weight] of parameters) {
        const y = trained?.get(name)
        if (y) copyInto(weight, y)
        y?.dispose()
      }
      trained = null
    },
    [Symbol.dispose]() {
      for (const y of trained?.values() ?? []) y.dispose()
      flat[Symbol.dispose]()
    },
  }
}

function copyOf(x: Tensor): Tensor {
  const copy = noGrad(() => affine(x))
  copy.adopt(null)
  return copy
}

function copyInto(target: Tensor, x: Tensor): void {
  noGrad(() => {
    if (x.dtype === target.dtype) scaleInto(x, 1, target)
    else run(castOp, { x }, { dtype: target.dtype }, { y: target })
  })
}

function numberIn(saved: JsonValue, name: string): number {
  const value = jsonField(saved, name)
  if (typeof value === 'number') return value
  throw new TrituneError('E_RESUME', `the state of schedule-free has no number "${name}"`)
}
