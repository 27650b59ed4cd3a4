/**
 * Clipping by the global norm, as torch.nn.utils.clip_grad_norm_ does it: scale = min(1, max / (‖g‖ + 1e-6)).
 */
import type { GradientTransform } from './optim.ts'
import { sumSquaresOf } from './ops/sum-squares.ts'
import type { Tensor } from './tensor.ts'

/** Reports `grad_norm` (before clipping). `maxNorm` 0 only measures. */
export function clipByGlobalNorm(maxNorm: number): GradientTransform {
  return {
    name: 'clip',
    init(parameters) {
      return {
        apply(step) {
          const grads: Tensor[] = []
          for (const parameter of parameters.values()) if (parameter.grad) grads.push(parameter.grad)
          const norm = Math.sqrt(sumSquaresOf(grads)) * step.gradScale
          step.metrics.grad_norm = norm
          if (maxNorm > 0) step.gradScale *= Math.min(1, maxNorm / (norm + 1e-6))
        },
        tensors: () => new Map(),
        [Symbol.dispose]() {},
      }
    },
  }
}
