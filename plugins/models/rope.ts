/**
 * Rotary position tables: inverse frequencies with every scaling of transformers' ROPE_INIT_FUNCTIONS (default, linear,
 * llama3, yarn), and the cos/sin tables that the rope op reads.
 */
import { type Device, type DType, showValue, tensor, type Tensor, TrituneError } from '../../core/mod.ts'
import type { ConfigJson } from './_config.ts'

/** What of config.json decides the angles of rotary positions. */
export interface RopeConfig {
  readonly theta: number
  /** Channels that turn: head size × partial_rotary_factor. */
  readonly dim: number
  readonly scaling: RopeScaling
  /** Longest sequence of the base model, where a scaling needs it. */
  readonly maxPositions: number
}

/** How frequencies are scaled for longer texts; names and rules of transformers' `rope_scaling`. */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
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

/** Inverse frequencies (dim/2) and the factor on cos and sin. */
export function ropeFrequencies({ theta, dim, scaling }: RopeConfig): {
  frequencies: number[]
  attentionFactor: number
} {
  const half = dim / 2
  const base = Array.from({ length: half }, (_, i) => 1 / theta ** ((2 * i) / dim))
  switch (scaling.type) {
    case 'default':
      return { frequencies: base, attentionFactor: 1 }
    case 'linear':
      return { frequencies: base.map((f) => f / scaling.factor), attentionFactor: 1 }
    case 'factors':
      return { frequencies: base.map((f, i) => f / scaling.factors[i]), attentionFactor: 1 }
    case 'llama3':
      return { frequencies: base.map((f) => llama3Frequency(f, scaling)), attentionFactor: 1 }
    case 'yarn':
      return yarn(base, theta, dim, scaling)
    default:
      return scaling satisfies never
  }
}

/**
 * Reads `rope_scaling` / `rope_parameters` and friends of a Hugging Face config.json. E_UNSUPPORTED for other types, E_MODEL for
 * values that cannot be meant.
 */
export function readRopeConfig(config: ConfigJson, headDim: number): RopeConfig {
  const parameters = record(config, 'rope_parameters') ?? record(config, 'rope_scaling') ?? {}
  const theta = positive(parameters, 'rope_theta') ?? positive(config, 'rope_theta') ?? 10000
  const partial =
    positive(parameters, 'partial_rotary_factor') ?? positive(config, 'partial_rotary_factor') ?? 1
  if (partial > 1) throw wrong('partial_rotary_factor', 'a number up to 1', partial)
  const maxPositions = positive(config, 'max_position_embeddings') ?? 2048
  return {
    theta,
    dim: Math.floor(headDim * partial),
    scaling: readScaling(parameters, config, maxPositions),
    maxPositions,
  }
}

/** The cos and sin tables of a model; they grow as longer documents come. */
export interface RopeTables extends Disposable {
  /** (P, dim/2) f32 each, P ≥ `positions`. */
  at(positions: number): { readonly cos: Tensor; readonly sin: Tensor }
}

/**
 * Tables of cos and sin, (positions, dim/2) f32, that are made when they are first asked for and grow with what is
 * asked for. Disposing it frees them.
 */
export function createRopeTables(config: RopeConfig, device: Device): RopeTables {
  const { frequencies, attentionFactor } = ropeFrequencies(config)
  let cos: Tensor | null = null
  let sin: Tensor | null = null
  const free = (): void => {
    cos?.dispose()
    sin?.dispose()
  }
  return {
    at(positions) {
      if (cos && sin && cos.shape[0] >= positions) return { cos, sin }
      const rows = Math.max(256, 2 ** Math.ceil(Math.log2(positions)))
      free()
      cos = table(rows, frequencies, device, (angle) => Math.cos(angle) * attentionFactor)
      sin = table(rows, frequencies, device, (angle) => Math.sin(angle) * attentionFactor)
      return { cos, sin }
    },
    [Symbol.dispose]: free,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function table(
  rows: number,
  frequencies: readonly number[],
  device: Device,
  value: (angle: number) => number,
): Tensor {
  const half = frequencies.length
  const values = new Float32Array(rows * half)
  // transformers computes the angles in f32; so do we, or long positions would differ in the last bits.
  const rounded = Float32Array.from(frequencies)
  for (let p = 0; p < rows; p++)
    for (let i = 0; i < half; i++) values[p * half + i] = value(Math.fround(p * rounded[i]))
  const made = tensor(values, { shape: [rows, half], dtype: 'f32' satisfies DType, device })
  made.adopt(null)
  return made
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

function readScaling(parameters: ConfigJson, config: ConfigJson, maxPositions: number): RopeScaling {
  const type: unknown = parameters.rope_type ?? parameters.type ?? 'default'
  const factor = positive(parameters, 'factor') ?? 1
  const originalPositions =
    positive(parameters, 'original_max_position_embeddings') ??
    positive(config, 'original_max_position_embeddings') ??
    maxPositions
  switch (type) {
    case 'default':
      return Array.isArray(config.rope_freq_factors)
        ? { type: 'factors', factors: config.rope_freq_factors.map(Number) }
        : { type: 'default' }
    case 'linear':
      return { type: 'linear', factor }
    case 'llama3':
      return {
        type: 'llama3',
        factor,
        lowFreqFactor: positive(parameters, 'low_freq_factor') ?? 1,
        highFreqFactor: positive(parameters, 'high_freq_factor') ?? 4,
        originalPositions,
      }
    case 'yarn':
      return {
        type: 'yarn',
        factor,
        originalPositions,
        betaFast: positive(parameters, 'beta_fast') ?? 32,
        betaSlow: positive(parameters, 'beta_slow') ?? 1,
        attentionFactor: positive(parameters, 'attention_factor'),
        mscale: positive(parameters, 'mscale', { orZero: true }),
        mscaleAllDim: positive(parameters, 'mscale_all_dim', { orZero: true }),
        truncate: parameters.truncate !== false,
      }
    default:
      throw new TrituneError('E_UNSUPPORTED', `rope scaling "${String(type)}" is not supported`, {
        place: 'config.json',
        remedy: 'supported: default, linear, llama3, yarn',
      })
  }
}

/** A number above 0, or null when the key is absent or null. */
function positive(
  fields: ConfigJson,
  key: string,
  { orZero = false }: { readonly orZero?: boolean } = {},
): number | null {
  const value = fields[key] ?? null
  if (value === null) return null
  if (typeof value === 'number' && Number.isFinite(value) && (value > 0 || (orZero && value === 0)))
    return value
  throw wrong(key, orZero ? 'a number of at least 0' : 'a number above 0', value)
}

function record(config: ConfigJson, key: string): ConfigJson | null {
  const value = config[key] ?? null
  if (value === null || (typeof value === 'object' && !Array.isArray(value)))
    return value as ConfigJson | null
  throw wrong(key, 'a mapping', value)
}

function wrong(key: string, expected: string, value: unknown): TrituneError {
  return new TrituneError('E_MODEL', `config.json: ${key}: expected ${expected}, got ${showValue(value)}`, {
    remedy: 'check the file against the one of the original model',
  })
}
