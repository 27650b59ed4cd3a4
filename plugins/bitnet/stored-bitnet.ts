/**
 * `quantization_config` of a BitNet checkpoint, as transformers writes it: how its linear layers are stored and computed. Reading only; the
 * weights are read-bitnet.ts'.
 */
import { type LayerForms, showValue, TrituneError } from '../../core/mod.ts'
import { bitLinearForms } from './bit-linear-form.ts'

/** How a BitNet checkpoint is stored. */
export interface StoredBitnet {
  readonly method: 'bitnet'
  /** `bitlinear`: weight_scale is 1/mean|W|. `autobitlinear`: it is mean|W|. */
  readonly linearClass: 'bitlinear' | 'autobitlinear'
  /** `offline`: trits and a scale. `online`: the weights that are trained, rounded in every pass. */
  readonly mode: 'offline' | 'online'
  readonly subNorm: boolean
  readonly eps: number
  /** Modules that are plain; null: the head. */
  readonly skip: readonly string[] | null
}

/** What config.json says; null: it is no BitNet checkpoint. E_FORMAT for values that transformers has not. `place` is for errors. */
export function readStoredBitnet(
  config: Readonly<Record<string, unknown>>,
  place: string,
): StoredBitnet | null {
  const stored = config.quantization_config
  if (!isRecord(stored) || stored.quant_method !== 'bitnet') return null
  const oneOf = <const T extends string>(key: string, values: readonly T[], fallback: T): T => {
    const value = stored[key] ?? fallback
    const found = values.find((one) => one === value)
    if (found !== undefined) return found
    throw malformed(`${key} is ${showValue(value)}, expected ${values.join(' or ')}`, place)
  }
  const linearClass = oneOf('linear_class', ['bitlinear', 'autobitlinear'], 'bitlinear')
  const subNorm = stored.use_rms_norm ?? false
  const eps = stored.rms_norm_eps ?? 1e-6
  const skip = stored.modules_to_not_convert ?? null
  if (typeof subNorm !== 'boolean') throw malformed(`use_rms_norm is ${showValue(subNorm)}`, place)
  if (typeof eps !== 'number' || !(eps >= 0)) throw malformed(`rms_norm_eps is ${showValue(eps)}`, place)
  if (skip !== null && !(Array.isArray(skip) && skip.every((one) => typeof one === 'string')))
    throw malformed(`modules_to_not_convert is ${showValue(skip)}, expected a list of names`, place)
  const mode = oneOf('quantization_mode', ['offline', 'online'], 'offline')
  // As in transformers: BitLinear knows packed weights only.
  return {
    method: 'bitnet',
    linearClass,
    mode: linearClass === 'bitlinear' ? 'offline' : mode,
    subNorm,
    eps,
    skip,
  }
}

/** How its layers compute. */
export function storedBitnetForms({ subNorm, eps, skip }: StoredBitnet): LayerForms {
  return bitLinearForms({ subNorm, eps, skip: (skip ?? []).filter((one) => one !== 'lm_head') })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function malformed(what: string, place: string): TrituneError {
  return new TrituneError('E_FORMAT', `config.json: quantization_config: ${what}`, { place })
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
