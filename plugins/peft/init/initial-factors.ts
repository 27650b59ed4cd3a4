/**
 * How the factors of a LoRA on a linear layer or the head start: PEFT's `init_lora_weights`.
 *
 *   true        A ~ U(±1/√in) (kaiming-uniform, a = √5), B = 0         gaussian   A ~ N(0, 1/r²), B = 0
 *   false       both random, for tests                                orthogonal orthogonal.ts
 *   pissa, pissa_niter_<n>, olora   base-part.ts                        loftq      loftq.ts
 *   eva         as true; eva.ts then puts in what it finds in data
 */
import { type BaseLayer, tensor, type Tensor, zeros } from '../../../core/mod.ts'
import { factorPair, leaf, type LoraFactorPair } from '../lora/lora-factors.ts'
import { changesBase, type LoraOptions } from '../lora/lora-options.ts'
import { baseFactors } from './base-part.ts'
import type { InitContext } from './init-context.ts'
import { loftqFactors } from './loftq.ts'
import { orthogonalFactors } from './orthogonal.ts'
import { drawn } from '../drawn.ts'

/** Throws E_ADAPTER where the init does not fit the layer. LoftQ packs the weight of the layer until the factors are disposed. */
export function initialFactors(layer: BaseLayer, options: LoraOptions, context: InitContext): LoraFactorPair {
  const { init, rank } = options
  if (changesBase(init)) return baseFactors(layer, options, context)
  if (init === 'loftq') return loftqFactors(layer, options, context)
  if (init === 'orthogonal') return orthogonalFactors(layer, rank, context.random)
  const { inputs, outputs, device } = layer
  const { random } = context
  const filled = (rows: number, columns: number, draw: () => number): Tensor =>
    leaf(tensor(drawn(rows * columns, draw), { shape: [rows, columns], device }))
  const bound = 1 / Math.sqrt(inputs)
  const a = filled(
    rank,
    inputs,
    init === 'gaussian' ? () => random.normal() / rank : () => (2 * random.float() - 1) * bound,
  )
  const b =
    init === false
      ? filled(outputs, rank, () => (2 * random.float() - 1) / Math.sqrt(rank))
      : leaf(zeros([outputs, rank], { device }))
  return factorPair(a, b)
}
