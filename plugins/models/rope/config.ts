/**
 * What `rope_scaling` / `rope_parameters` and friends of a config.json say.
 */
import { showValue, TrituneError } from '../../../core/mod.ts'
import type { ConfigJson } from '../_config.ts'
import type { RopeConfig, RopeScaling } from './scaling.ts'

/**
 * Reads `rope_scaling` / `rope_parameters` and friends of a Hugging Face config.json. E_UNSUPPORTED for other types, E_MODEL for
 * values that cannot be meant; both name the key. `key`: how config.json calls the mapping, where a family has taken it out of another.
 */
export function readRopeConfig(
  config: ConfigJson,
  headDim: number,
  { key }: { readonly key?: string } = {},
): RopeConfig {
  const whole: Mapping = { at: '', fields: config }
  const { at, fields } = mappingAt(config, 'rope_parameters') ??
    mappingAt(config, 'rope_scaling') ?? { at: 'rope_scaling', fields: {} }
  const parameters: Mapping = { at: `${key ?? at}.`, fields }
  const theta = positive(parameters, 'rope_theta') ?? positive(whole, 'rope_theta') ?? 10000
  const partial =
    positive(parameters, 'partial_rotary_factor') ?? positive(whole, 'partial_rotary_factor') ?? 1
  if (partial > 1) throw wrong('partial_rotary_factor', 'a number up to 1', partial)
  const dim = Math.floor(headDim * partial)
  if (dim < 2 || dim % 2 !== 0)
    throw new TrituneError(
      'E_MODEL',
      `config.json: ${dim} of ${headDim} channels of a head would turn, which are no pairs`,
      { remedy: 'check head_dim and partial_rotary_factor against the original model' },
    )
  const maxPositions = positive(whole, 'max_position_embeddings') ?? 2048
  return { theta, dim, scaling: readScaling(parameters, whole, { maxPositions, dim }), maxPositions }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Fields of config.json; `at`: what stands before their keys in an error. */
interface Mapping {
  readonly at: string
  readonly fields: ConfigJson
}

interface RopeSizes {
  readonly maxPositions: number
  readonly dim: number
}

function readScaling(parameters: Mapping, whole: Mapping, { maxPositions, dim }: RopeSizes): RopeScaling {
  const { at, fields } = parameters
  const typeKey = fields.rope_type == null && fields.type != null ? 'type' : 'rope_type'
  const type: unknown = fields[typeKey] ?? 'default'
  const factor = positive(parameters, 'factor') ?? 1
  const originalPositions =
    positive(parameters, 'original_max_position_embeddings') ??
    positive(whole, 'original_max_position_embeddings') ??
    maxPositions
  switch (type) {
    case 'default':
      return Array.isArray(whole.fields.rope_freq_factors)
        ? { type: 'factors', factors: whole.fields.rope_freq_factors.map(Number) }
        : { type: 'default' }
    case 'linear':
      return { type: 'linear', factor }
    case 'dynamic':
      return { type: 'dynamic', factor }
    case 'longrope':
    case 'su': // its first name
      return {
        type: 'longrope',
        shortFactors: factors(parameters, 'short_factor', dim / 2),
        longFactors: factors(parameters, 'long_factor', dim / 2),
        originalPositions,
        attentionFactor:
          positive(parameters, 'attention_factor') ?? longFactor(maxPositions, originalPositions, parameters),
      }
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
        truncate: fields.truncate !== false,
      }
    default:
      throw new TrituneError(
        'E_UNSUPPORTED',
        `config.json: ${at}${typeKey}: rope scaling ${showValue(type)} is not supported`,
        { remedy: 'supported: default, linear, dynamic, llama3, yarn, longrope' },
      )
  }
}

/** What longrope puts on cos and sin where config.json does not say (Ding et al. 2024, arXiv 2402.13753, 3.3). */
function longFactor(maxPositions: number, originalPositions: number, parameters: Mapping): number {
  const factor = positive(parameters, 'factor') ?? maxPositions / originalPositions
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalPositions))
}

/** A list of so many divisors. */
function factors({ at, fields }: Mapping, key: string, count: number): number[] {
  const value: unknown = fields[key]
  if (
    !Array.isArray(value) ||
    value.length !== count ||
    !value.every((one) => typeof one === 'number' && one > 0)
  )
    throw wrong(at + key, `a list of ${count} numbers above 0`, value)
  return value.map(Number)
}

/** A number above 0, or null when the key is absent or null. */
function positive(
  { at, fields }: Mapping,
  key: string,
  { orZero = false }: { readonly orZero?: boolean } = {},
): number | null {
  const value = fields[key] ?? null
  if (value === null) return null
  if (typeof value === 'number' && Number.isFinite(value) && (value > 0 || (orZero && value === 0)))
    return value
  throw wrong(at + key, orZero ? 'a number of at least 0' : 'a number above 0', value)
}

function mappingAt(config: ConfigJson, key: string): Mapping | null {
  const value = config[key] ?? null
  if (value === null) return null
  if (typeof value === 'object' && !Array.isArray(value)) return { at: key, fields: { ...value } }
  throw wrong(key, 'a mapping', value)
}

function wrong(key: string, expected: string, value: unknown): TrituneError {
  return new TrituneError('E_MODEL', `config.json: ${key}: expected ${expected}, got ${showValue(value)}`, {
    remedy: 'check the file against the one of the original model',
  })
}
