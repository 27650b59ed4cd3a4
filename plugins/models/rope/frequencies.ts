/**
 * Inverse frequencies of rotary positions with every scaling of transformers' ROPE_INIT_FUNCTIONS.
 */
import type { RopeConfig, RopeScaling } from './scaling.ts'

/** Inverse frequencies (dim/2), and the factor on cos and sin. */
export interface RopeFrequencies {
  readonly frequencies: number[]
  readonly attentionFactor: number
}

/** Those for a text of `length` tokens, which `dynamic` and `longrope` go by. */
export function ropeFrequencies(
  { theta, dim, scaling, maxPositions }: RopeConfig,
  length = 0,
): RopeFrequencies {
  const base = baseFrequencies(theta, dim)
  switch (scaling.type) {
    case 'default':
      return { frequencies: base, attentionFactor: 1 }
    case 'linear':
      return { frequencies: base.map((f) => f / scaling.factor), attentionFactor: 1 }
    case 'factors':
      return { frequencies: base.map((f, i) => f / scaling.factors[i]), attentionFactor: 1 }
    case 'dynamic':
      return {
        frequencies: dynamic(theta, dim, scaling.factor, { maxPositions, length }),
        attentionFactor: 1,
      }
    case 'longrope': {
      const factors = length > scaling.originalPositions ? scaling.longFactors : scaling.shortFactors
      return {
        frequencies: base.map((f, i) => f / factors[i]),
        attentionFactor: scaling.attentionFactor,
      }
    }
    case 'llama3':
      return { frequencies: base.map((f) => llama3Frequency(f, scaling)), attentionFactor: 1 }
    case 'yarn':
      return yarn(base, theta, dim, scaling)
    default:
      return scaling satisfies never
  }
}

/** Texts with the same number have the same frequencies: all of them, but for `dynamic` and `longrope`. */
export function ropeRegime({ scaling, maxPositions }: RopeConfig, length: number): number {
  if (scaling.type === 'longrope') return length > scaling.originalPositions ? 1 : 0
  return scaling.type === 'dynamic' ? Math.max(length, maxPositions) : 0
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function baseFrequencies(theta: number, dim: number): number[] {
  return Array.from({ length: dim / 2 }, (_, i) => 1 / theta ** ((2 * i) / dim))
}

function dynamic(
  theta: number,
  dim: number,
  factor: number,
  { maxPositions, length }: { readonly maxPositions: number; readonly length: number },
): number[] {
  const stretch = (factor * Math.max(length, maxPositions)) / maxPositions - (factor - 1)
  return baseFrequencies(theta * stretch ** (dim / (dim - 2)), dim)
}
function llama3Frequency(
  f: number,
  { factor, lowFreqFactor, highFreqFactor, originalPositions }: Extract<RopeScaling, { type: 'llama3' }>,
): number {
  const wavelength = (2 * Math.PI) / f
  if (wavelength < originalPositions / highFreqFactor) return f
  if (wavelength > originalPositions / lowFreqFactor) return f / factor
  const smooth = (originalPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor)
  return ((1 - smooth) * f) / factor + smooth * f
}

/** YaRN (Peng et al. 2023, arXiv 2309.00071) as transformers computes it. */
function yarn(
  base: readonly number[],
  theta: number,
  dim: number,
  scaling: Extract<RopeScaling, { type: 'yarn' }>,
): { frequencies: number[]; attentionFactor: number } {
  const { factor, originalPositions, betaFast, betaSlow, mscale, mscaleAllDim, truncate } = scaling
  const scaleOf = (m: number): number => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1)
  const attentionFactor =
    scaling.attentionFactor ?? (mscale && mscaleAllDim ? scaleOf(mscale) / scaleOf(mscaleAllDim) : scaleOf(1))
  const correctionDim = (rotations: number): number =>
    (dim * Math.log(originalPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(theta))
  let low = correctionDim(betaFast)
  let high = correctionDim(betaSlow)
  if (truncate) [low, high] = [Math.floor(low), Math.ceil(high)]
  low = Math.max(low, 0)
  high = Math.min(high, dim - 1)
  const width = low === high ? 0.001 : high - low
  const frequencies = base.map((f, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / width))
    return (f / factor) * ramp + f * (1 - ramp)
  })
  return { frequencies, attentionFactor }
}
