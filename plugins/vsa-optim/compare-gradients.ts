/**
 * How far one gradient is from another: one that was restored or predicted from the one that was computed.
 */
import { TrituneError } from '../../core/mod.ts'

/** Of a gradient beside the computed one. */
export interface GradientDifference {
  /** ‖computed − other‖ / ‖computed‖; 0 where both are 0, Infinity where only the computed one is. */
  readonly error: number
  /** 0 where one of them is 0. */
  readonly cosine: number
}

/** Throws E_SHAPE for gradients of two lengths. Sums are f64. */
export function compareGradients(computed: Float32Array, other: Float32Array): GradientDifference {
  if (computed.length !== other.length)
    throw new TrituneError('E_SHAPE', `${computed.length} numbers cannot be compared with ${other.length}`)
  let dot = 0
  let far = 0
  let own = 0
  let others = 0
  for (let i = 0; i < computed.length; i++) {
    const value = computed[i]
    const beside = other[i]
    dot += value * beside
    far += (value - beside) ** 2
    own += value ** 2
    others += beside ** 2
  }
  return {
    error: far === 0 ? 0 : Math.sqrt(far / own),
    cosine: own === 0 || others === 0 ? 0 : dot / Math.sqrt(own * others),
  }
}

/** What of u a message kept: δ = 1 − ‖u − restored‖² / ‖u‖², the constant of a contraction. 1: all; 0: nothing. */
export function keptShare(u: Float32Array, restored: Float32Array): number {
  return 1 - compareGradients(u, restored).error ** 2
}
