/**
 * How many numbers a model has, packed ones too. Tied weights count once. Not what they take: that is `estimate.ts`.
 */
import { isQuantized, type Model } from '../../../core/mod.ts'

/** The parameters of a model, whatever its weights are stored as; those of adapters are not among them. */
export function countWeights({ weights, layers }: Pick<Model, 'weights' | 'layers'>): number {
  const packed = [...layers.values()].map(({ weight }) => weight).filter(isQuantized)
  const sizes = [...weights.values(), ...packed].map(({ shape }) => shape.reduce((a, b) => a * b, 1))
  return sizes.reduce((a, b) => a + b, 0)
}
