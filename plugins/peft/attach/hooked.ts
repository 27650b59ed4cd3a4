/**
 * What layers that share something add to a step: a penalty to the gradients before the chain, a hook after the weights moved. What an encoder
 * trains is kept as their state is.
 */
import {
  backward,
  type GradientTransform,
  jsonField,
  type SharedAdapter,
  tensorScope,
  withGradients,
} from '../../../core/mod.ts'

/** State of the adapter is saved beside that of the chain, under `adapter.`. */
export function hooked(
  shared: Omit<SharedAdapter, 'adapters' | typeof Symbol.dispose>,
  inner: GradientTransform,
): GradientTransform {
  const { penalty, afterStep, tensors, saveState } = shared
  if (!penalty && !afterStep && !tensors && !saveState) return inner
  return {
    name: inner.name,
    init(parameters) {
      const state = inner.init(parameters)
      return {
        ...state,
        apply(step) {
          if (shared.penalty) {
            using _scope = tensorScope()
            const penalty = withGradients(true, () => shared.penalty?.())
            if (penalty) {
              backward(penalty, { gradient: 1 / step.gradScale })
              if (step.readback)
                step.readback.later(penalty, ([value]) => void (step.metrics.adapter_penalty = value))
              else step.metrics.adapter_penalty = penalty.item()
            }
          }
          state.apply(step)
          shared.afterStep?.(step)
        },
        tensors() {
          const all = new Map(state.tensors())
          for (const [name, tensor] of shared.tensors?.() ?? []) all.set(`adapter.${name}`, tensor)
          return all
        },
        saveState: () => ({ chain: state.saveState?.() ?? null, adapter: shared.saveState?.() ?? null }),
        loadState(saved) {
          state.loadState?.(jsonField(saved, 'chain'))
          shared.loadState?.(jsonField(saved, 'adapter'))
        },
        [Symbol.dispose]: () => state[Symbol.dispose](),
      }
    },
  }
}
