/**
 * Gradient transforms: what happens between `backward()` and the next step, as links of a chain.
 *
 *   chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.01 }))
 *
 * A transform is a description; `init(parameters)` makes its state. Links before the last change `parameter.grad` (or
 * `step.gradScale`); the last one moves the weights. State is saved and loaded by name, so that a run resumes to the bit.
 */
import { jsonField, type Stateful } from '../contracts/stateful.ts'
import type { Readback } from '../tensor/readback.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** Trainable leaves by name; the order is the order of training and of files. */
export type Parameters = ReadonlyMap<string, Tensor>

/** One step, as it is passed from link to link of a chain; links may change `gradScale` and `lrScale` and add to `metrics`. */
export interface OptimizerStep {
  /** 1-based number of this step. */
  readonly step: number
  readonly learningRate: number
  /** Factor on all gradients, applied by the link that moves the weights. */
  gradScale: number
  /** Factor on the learning rate of one parameter, by name; default: 1 for all. Ask `learningRateOf(step, name)`. */
  lrScale?: (name: string) => number
  /** All gradients in one tensor (`flatGradients`), where they are: one call instead of one for each. */
  readonly gradients?: Tensor
  /** Σ x² of all gradients, where the gradients that are here are a part of them only. */
  readonly sumSquares?: () => number
  /** Numbers are read through this where it is given: together with the losses, which are checked then. */
  readonly readback?: Readback
  /** What links report: `grad_norm`, … */
  readonly metrics: Record<string, number>
}

/**
 * The rate at which one parameter moves in this step.
 *
 * @example
 * ```ts
 * import { learningRateOf } from 'tritune/core'
 *
 * const step = { step: 1, learningRate: 0.1, gradScale: 1, metrics: {}, lrScale: (name: string) => (name === 'b' ? 16 : 1) }
 * console.log(learningRateOf(step, 'a'), learningRateOf(step, 'b')) // → 0.1 1.6
 * ```
 */
export function learningRateOf(
  { learningRate, lrScale }: Pick<OptimizerStep, 'learningRate' | 'lrScale'>,
  name: string,
): number {
  return lrScale ? learningRate * lrScale(name) : learningRate
}

/** A link of a chain on certain parameters, with its state. `apply` makes one step. */
export interface TransformState extends Stateful, Disposable {
  apply(step: OptimizerStep): void
  /** Tensors to save for an exact resume, by name. */
  tensors(): ReadonlyMap<string, Tensor>
  /**
   * Puts the weights that are to be used into the parameters, where they are others than those that are trained: an average, say. The
   * trainer calls it before it evaluates and saves; most optimizers have none. No step is made before `leaveEvaluation()`.
   */
  enterEvaluation?(): void
  /** Puts what is trained back, to the bit. */
  leaveEvaluation?(): void
}

/**
 * What `work` gives with the weights that are to be used in the parameters.
 *
 * @example
 * ```ts
 * import { adamw, parameter, tensor, tensorScope, withEvaluationWeights } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([1]))
 * using optimizer = adamw().init(new Map([['w', w]]))
 * console.log(withEvaluationWeights(optimizer, () => w.item())) // → 1
 * ```
 */
export function withEvaluationWeights<T>(
  state: Pick<TransformState, 'enterEvaluation' | 'leaveEvaluation'>,
  work: () => T,
): T {
  state.enterEvaluation?.()
  try {
    return work()
  } finally {
    state.leaveEvaluation?.()
  }
}

/** A description of a link: clipping, an optimizer. It holds no tensors; `init` makes the state. */
export interface GradientTransform {
  readonly name: string
  init(parameters: Parameters): TransformState
}

/**
 * Applies transforms in order; state names are prefixed with the transform's (`clip`, and `clip#1` where it comes again).
 *
 * @example
 * ```ts
 * import { adamw, chain, clipByGlobalNorm } from 'tritune/core'
 *
 * const optimizer = chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.01 }))
 * console.log(optimizer.name) // → chain
 * ```
 */
export function chain(...links: readonly GradientTransform[]): GradientTransform {
  const labels = links.map(({ name }, i) => {
    const before = links.slice(0, i).filter((link) => link.name === name).length
    return before === 0 ? name : `${name}#${before}`
  })
  return {
    name: 'chain',
    init(parameters) {
      const states = links.map((link) => link.init(parameters))
      return {
        apply(step) {
          for (const state of states) state.apply(step)
        },
        tensors() {
          const all = new Map<string, Tensor>()
          for (const [i, state] of states.entries())
            for (const [name, value] of state.tensors()) all.set(`${labels[i]}.${name}`, value)
          return all
        },
        saveState() {
          return Object.fromEntries(
            states.flatMap((state, i) => (state.saveState ? [[labels[i], state.saveState()]] : [])),
          )
        },
        loadState(saved) {
          for (const [i, state] of states.entries()) state.loadState?.(jsonField(saved, labels[i]))
        },
        enterEvaluation() {
          for (const state of states) state.enterEvaluation?.()
        },
        leaveEvaluation() {
          for (const state of states) state.leaveEvaluation?.()
        },
        [Symbol.dispose]() {
          for (const state of states) state[Symbol.dispose]()
        },
      }
    },
  }
}
