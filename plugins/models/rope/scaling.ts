/**
 * How rotary frequencies are scaled for longer texts: names and rules of transformers' `rope_scaling`. (What config.json says of it is read
 * in config.ts, what comes out is in frequencies.ts.)
 */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  /** NTK scaling that goes with the length of a text, once it is longer than the model was made for. */
  | { readonly type: 'dynamic'; readonly factor: number }
  /** One list of divisors for texts up to `originalPositions`, another for longer ones (Ding et al. 2024, arXiv 2402.13753). */
  | {
      readonly type: 'longrope'
      readonly shortFactors: readonly number[]
      readonly longFactors: readonly number[]
      readonly originalPositions: number
      readonly attentionFactor: number
    }
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly lowFreqFactor: number
      readonly highFreqFactor: number
      readonly originalPositions: number
    }
  | {
      readonly type: 'yarn'
      readonly factor: number
      readonly originalPositions: number
      readonly betaFast: number
      readonly betaSlow: number
      readonly attentionFactor: number | null
      readonly mscale: number | null
      readonly mscaleAllDim: number | null
      readonly truncate: boolean
    }
  /** Explicit divisors of each frequency, as GGUF's rope_freqs.weight has them. */
  | { readonly type: 'factors'; readonly factors: readonly number[] }

/** What of config.json decides the angles of rotary positions. */
export interface RopeConfig {
  readonly theta: number
  /** Channels that turn: head size × partial_rotary_factor. */
  readonly dim: number
  readonly scaling: RopeScaling
  /** Longest sequence of the base model, where a scaling needs it. */
  readonly maxPositions: number
}
