/**
 * LoRA+ (Hayou et al. 2024, arXiv 2402.12354): B learns faster than A. A link before the optimizer of a chain, as PEFT's
 * `create_loraplus_optimizer` groups parameters.
 */
import type { GradientTransform } from '../../../core/mod.ts'

/** Options of `loraPlus()`, as axolotl names them. */
export interface LoraPlusOptions {
  /** Of the rate of B and of vectors to that of A: `loraplus_lr_ratio`. */
  readonly ratio: number
  /** The rate of embedding factors where the schedule is at its peak: `loraplus_lr_embedding`. */
  readonly embedding: number
  /** The peak rate of all others: `learning_rate`. */
  readonly learningRate: number
}

/**
 * Gives each parameter its rate; what stands behind it moves the weights.
 *
 * @example
 * ```ts
 * import { adamw, chain } from 'tritune/core'
 * import { loraPlus } from 'tritune/plugins/peft'
 *
 * const optimizer = chain(loraPlus({ ratio: 16, embedding: 1e-6, learningRate: 2e-4 }), adamw())
 * console.log(optimizer.name) // → chain
 * ```
 */
export function loraPlus({ ratio, embedding, learningRate }: LoraPlusOptions): GradientTransform {
  return {
    name: 'loraplus',
    init(parameters) {
      const scales = new Map<string, number>()
      for (const [name, { shape }] of parameters) {
        const isVector = shape.length === 1
        if (name.includes('.lora_embedding_')) scales.set(name, embedding / learningRate)
        else if (name.includes('lora_B') || isVector) scales.set(name, ratio)
      }
      return {
        apply(step) {
          const before = step.lrScale
          step.lrScale = (name) => (before ? before(name) : 1) * (scales.get(name) ?? 1)
        },
        tensors: () => new Map(),
        [Symbol.dispose]() {},
      }
    },
  }
}
