/**
 * How much the loss depends on every number, smoothed over the steps: sensitivity and its uncertainty (arXiv 2303.10512, section 3.2).
 *
 *   I = |w·∂w|      Ī ← β₁Ī + (1 − β₁)I      Ū ← β₂Ū + (1 − β₂)|I − Ī|      score = Ī·Ū
 */
import {
  abs,
  add,
  affine,
  clear,
  mean,
  mul,
  noGrad,
  scoped,
  sub,
  type Tensor,
  zeros,
} from '../../../core/mod.ts'
import { copyElements } from '../../../core/tensor/tensor-bytes.ts'
import { type Stack, stacked, stacksOf } from './stacks.ts'

/** The importance of the numbers of tensors of one kind: all A, all B or all E. */
export interface Importance extends Disposable {
  /** After a step. `gradScale`: what the gradients are multiplied by to be those of the loss. */
  watch(gradScale: number): void
  /** Scores averaged over one axis, for each tensor; 0 where there are no elements. */
  scores(axis: 0 | 1): Float32Array[]
  forget(): void
  tensors(): ReadonlyMap<string, Tensor>
}

export interface ImportanceOptions {
  readonly beta1: number
  readonly beta2: number
}

/** Of `tensors`, each (rows, columns). */
export function createImportance(
  kind: string,
  tensors: readonly Tensor[],
  { beta1, beta2 }: ImportanceOptions,
): Importance {
  const stacks = stacksOf(tensors).map((stack) => {
    const [{ device }] = tensors
    const make = (): Tensor => {
      const made = zeros([stack.members.length, ...stack.shape], { device })
      made.adopt(null)
      return made
    }
    return { stack, sensitivity: make(), uncertainty: make() }
  })
  return {
    watch(gradScale) {
      for (const { stack, sensitivity, uncertainty } of stacks) {
        const slopes = slopesOf(stack, tensors)
        if (!slopes) continue
        noGrad(() => {
          using now = scoped(() =>
            affine(abs(mul(stacked(stack, tensors), stacked(stack, slopes))), { scale: gradScale }),
          )
          follow(sensitivity, now, beta1)
          using away = scoped(() => abs(sub(now, sensitivity)))
          follow(uncertainty, away, beta2)
        })
      }
    },
    scores(axis) {
      const all = tensors.map(({ shape }) => new Float32Array(shape[1 - axis]))
      for (const { stack, sensitivity, uncertainty } of stacks) {
        using means = noGrad(() => scoped(() => mean(mul(sensitivity, uncertainty), { axis: axis + 1 })))
        const values = means.toArray()
        const each = values.length / stack.members.length
        for (const [i, member] of stack.members.entries())
          all[member].set(values.subarray(i * each, (i + 1) * each))
      }
      return all
    },
    forget() {
      for (const { sensitivity, uncertainty } of stacks) {
        clear(sensitivity)
        clear(uncertainty)
      }
    },
    tensors: () =>
      new Map(
        stacks.flatMap(({ stack, sensitivity, uncertainty }) => [
          [`sensitivity.${kind}.${stack.name}`, sensitivity],
          [`uncertainty.${kind}.${stack.name}`, uncertainty],
        ]),
      ),
    [Symbol.dispose]() {
      for (const { sensitivity, uncertainty } of stacks) {
        sensitivity.dispose()
        uncertainty.dispose()
      }
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Gradients of all; null where one of the stack has none. */
function slopesOf({ members }: Stack, tensors: readonly Tensor[]): Tensor[] | null {
  const slopes: Tensor[] = []
  for (const i of members) {
    const { grad } = tensors[i]
    if (!grad) return null
    slopes[i] = grad
  }
  return slopes
}

/** average ← β·average + (1 − β)·now */
function follow(average: Tensor, now: Tensor, beta: number): void {
  using next = scoped(() => add(affine(average, { scale: beta }), affine(now, { scale: 1 - beta })))
  copyElements(average, next)
}
