/**
 * The transform `keep_zeros`: weights that are 0 before the first step stay 0, so that a pruned model stays as sparse as it is. llm-compressor calls it
 * ConstantPruningModifier.
 */
import {
  affine,
  cast,
  defineOptions,
  equal,
  type GradientTransform,
  listOf,
  mul,
  noGrad,
  optional,
  type Tensor,
  tensorScope,
  text,
  type TransformDefinition,
} from '../../../core/mod.ts'
import { copyElements } from '../../../core/tensor/tensor-bytes.ts'

/** Options of `keep_zeros`. */
export interface KeepZerosOptions {
  /** Expressions that are found in the names of weights; none: all of them. */
  readonly targets: readonly string[]
}

/** Gives weights that are 0 no gradient; nothing else moves them, as decay is a factor. */
export const keepZeros: TransformDefinition<KeepZerosOptions> = {
  name: 'keep_zeros',
  options: defineOptions<KeepZerosOptions>({ targets: optional(listOf(text('an expression')), []) }),
  create: ({ targets }) => keeping(targets.map((target) => new RegExp(target.replace(/^re:/, '')))),
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function keeping(targets: readonly RegExp[]): GradientTransform {
  return {
    name: 'keep_zeros',
    init(parameters) {
      const chosen = [...parameters].filter(
        ([name, { shape }]) =>
          shape.length > 1 && (targets.length === 0 || targets.some((target) => target.test(name))),
      )
      // On resume the weights of the checkpoint come after this, and they are 0 where those before were.
      const masks = new Map<string, Tensor>(chosen.map(([name, weight]) => [name, nonZero(weight)]))
      return {
        apply() {
          using _scope = tensorScope()
          for (const [name, weight] of chosen) {
            const mask = masks.get(name)
            if (!weight.grad || !mask) continue
            copyElements(
              weight.grad,
              noGrad(() => mul(weight.grad ?? mask, mask)),
            )
          }
        },
        tensors: () => new Map(),
        [Symbol.dispose]() {
          for (const mask of masks.values()) mask.dispose()
        },
      }
    },
  }
}

/** 1 where a weight is not 0. */
function nonZero(weight: Tensor): Tensor {
  return noGrad(() => {
    using scope = tensorScope()
    const mask = affine(equal(cast(weight, 'f32'), 0), { scale: -1, shift: 1 })
    return scope.keep(mask)
  })
}
