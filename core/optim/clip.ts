/**
 * Clipping by the global norm, as torch.nn.utils.clip_grad_norm_ does it: scale = min(1, max / (‖g‖ + 1e-6)).
 */
import { TrituneError } from '../errors.ts'
import type { GradientTransform, Parameters } from './transform.ts'
import type { Readback } from '../tensor/readback.ts'
import { readSumSquares, sumSquares } from '../ops/sum-squares.ts'
import type { Tensor } from '../tensor/tensor.ts'

/**
 * Reports `grad_norm` (before clipping). `maxNorm` 0 only measures. E_NAN when the norm is not finite: nothing is updated.
 *
 * @example
 * ```ts
 * import { adamw, chain, clipByGlobalNorm, parameter, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([0, 0]))
 * w.grad = tensor([3, 4])
 * using optimizer = chain(clipByGlobalNorm(1), adamw()).init(new Map([['w', w]]))
 * const metrics: Record<string, number> = {}
 * optimizer.apply({ step: 1, learningRate: 0.1, gradScale: 1, metrics })
 * console.log(metrics.grad_norm) // → 5
 * ```
 */
export function clipByGlobalNorm(maxNorm: number): GradientTransform {
  return {
    name: 'clip',
    init(parameters) {
      return {
        apply(step) {
          const own = step.sumSquares
            ? Math.sqrt(step.sumSquares())
            : gradientNorm(parameters, step.gradients, step.readback)
          const norm = own * step.gradScale
          step.metrics.grad_norm = norm
          if (!Number.isFinite(norm))
            throw new TrituneError('E_NAN', `the gradient norm of step ${step.step} is ${norm}`)
          if (maxNorm > 0) step.gradScale *= Math.min(1, maxNorm / (norm + 1e-6))
        },
        tensors: () => new Map(),
        [Symbol.dispose]() {},
      }
    },
  }
}

/** ‖g‖ of what gradients there are, which waits for the device. `all`: where they lie together. */
export function gradientNorm(parameters: Parameters, all?: Tensor, readback?: Readback): number {
  const grads: Tensor[] = []
  for (const parameter of parameters.values()) if (parameter.grad) grads.push(parameter.grad)
  return normOf(together(grads, all), readback)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** One tensor for all of them, unless an earlier link has put other gradients in their place. */
function together(grads: readonly Tensor[], all: Tensor | undefined): readonly Tensor[] {
  return all && grads.every(({ storage }) => storage === all.storage) ? [all] : grads
}

function normOf(grads: readonly Tensor[], readback: Readback | undefined): number {
  if (grads.length === 0) return 0
  using total = sumSquares(grads)
  const values = readback ? readback.later(total)() : total.toArray()
  return Math.sqrt(readSumSquares(values))
}
