/**
 * LoRA as PEFT's adapter_config.json has it (`LoraConfig` of 0.21).
 */
import { type BaseLayer, type PeftFormat, TrituneError } from '../../../core/mod.ts'
import {
  changesBase,
  INIT_NAMES,
  type LoftqOptions,
  type LoraInit,
  type LoraOptions,
  PISSA_ROUNDS,
} from './lora-options.ts'
import { isTargetParameter, weightName } from '../attach/target-parameters.ts'
import { patternValue } from '../attach/targets.ts'
import { OTHER_MATHS } from '../files/unknown-fields.ts'

export const loraFormat: PeftFormat<LoraOptions> = {
  type: 'LORA',
  get fields() {
    return [...Object.keys(DEFAULTS), ...OWN]
  },
  write: (options, { layers }) => loraFields(options, layers),
  read(fields, path) {
    for (const [key, plain] of Object.entries(PLAIN)) {
      const value = fields[key] ?? null
      if (!plain.some((allowed) => JSON.stringify(allowed) === JSON.stringify(value)))
        throw new TrituneError('E_UNSUPPORTED', `${key}: ${JSON.stringify(value)} is not supported yet`, {
          remedy: OTHER_MATHS,
        })
    }
    const init = initOf(fields)
    const key = isTargetParameter(targetParametersOf(fields), path) ? weightName(path) : path
    return {
      rank: patternValue(
        key,
        patternOf(fields, 'rank_pattern'),
        rankOf(fields.r === undefined ? 8 : fields.r),
      ),
      alpha: patternValue(
        key,
        patternOf(fields, 'alpha_pattern'),
        numberOf('lora_alpha', fields.lora_alpha, 8),
      ),
      dropout: numberOf('lora_dropout', fields.lora_dropout, 0),
      rsLora: booleanOf('use_rslora', fields.use_rslora),
      init,
      dora: fields.use_dora === true,
      loraBias: fields.lora_bias === true,
      ...(init === 'loftq' ? { loftq: loftqOf(fields) } : {}),
    }
  },
}

/**
 * What stands in a file for factors that took a part of the base over: a LoRA of the original base with twice the rank, whose scale is
 * the same.
 */
export function storedRank(init: LoraInit, rank: number): number {
  return changesBase(init) ? 2 * rank : rank
}

export function storedAlpha({ init, rsLora }: Pick<LoraOptions, 'init' | 'rsLora'>, alpha: number): number {
  if (!changesBase(init)) return alpha
  return rsLora ? alpha * Math.SQRT2 : 2 * alpha
}

/** What adapter_config.json says of a LoRA, besides its targets and what every method has. */
export function loraFields(options: LoraOptions, layers: readonly BaseLayer[]): Record<string, unknown> {
  return { ...DEFAULTS, ...fieldsOf(options, layers) }
}

/**
 * The fields of a file as they are after it is loaded and saved again: factors that took a part of the base over, as PEFT stores PiSSA and OLoRA, have
 * become those of a plain LoRA of the original base.
 */
export function plainLoraFields(
  fields: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  if (fields['peft_type'] !== 'LORA') return fields
  const { init, rank, alpha, rsLora } = loraFormat.read(
    { ...fields, rank_pattern: {}, alpha_pattern: {} },
    '',
  )
  if (!changesBase(init)) return fields
  const mapped = (key: string, change: (value: number) => number): Record<string, number> =>
    Object.fromEntries(Object.entries(patternOf(fields, key)).map(([name, value]) => [name, change(value)]))
  return {
    ...fields,
    init_lora_weights: true,
    r: storedRank(init, rank),
    lora_alpha: storedAlpha({ init, rsLora }, alpha),
    rank_pattern: mapped('rank_pattern', (value) => storedRank(init, value)),
    alpha_pattern: mapped('alpha_pattern', (value) => storedAlpha({ init, rsLora }, value)),
  }
}

/** The names that `target_parameters` of a file has. E_ADAPTER when it is no list of texts. */
export function targetParametersOf({
  target_parameters: names = null,
}: Readonly<Record<string, unknown>>): readonly string[] {
  if (names === null) return []
  if (Array.isArray(names) && names.every((name): name is string => typeof name === 'string')) return names
  throw new TrituneError(
    'E_ADAPTER',
    `target_parameters: expected a list of texts, got ${JSON.stringify(names)}`,
  )
}

/** Fields that change the forward pass, with the values that mean plain LoRA. */
const PLAIN: Readonly<Record<string, readonly unknown[]>> = {
  use_dora: [false, null, true],
  lora_bias: [false, null, true],
  use_qalora: [false, null],
  use_bdlora: [false, null],
  layer_replication: [null],
  alora_invocation_tokens: [null],
  arrow_config: [null],
  kasa_config: [null],
  monteclora_config: [null],
}

/** Fields that options become. */
const OWN = [
  'eva_config',
  'init_lora_weights',
  'loftq_config',
  'lora_alpha',
  'lora_bias',
  'lora_dropout',
  'r',
  'use_dora',
  'use_rslora',
]

function fieldsOf(options: LoraOptions, layers: readonly BaseLayer[]): Record<string, unknown> {
  const { alpha, dropout, rank, rsLora, init, dora = false, loraBias = false } = options
  const { loftq = { bits: 4, iterations: 1 } } = options
  return {
    eva_config: init === 'eva' ? EVA : null,
    fan_in_fan_out: layers.some(({ transposed }) => transposed),
    init_lora_weights: changesBase(init) ? true : init,
    loftq_config: init === 'loftq' ? { loftq_bits: loftq.bits, loftq_iter: loftq.iterations } : {},
    lora_alpha: storedAlpha(options, alpha),
    lora_bias: loraBias,
    lora_dropout: dropout,
    r: storedRank(init, rank),
    use_dora: dora,
    use_rslora: rsLora,
  }
}

/** What EVA is here: no ranks move from layer to layer. */
const EVA = {
  adjust_scaling_factors: true,
  label_mask_value: -100,
  rho: 1,
  tau: 0.99,
  use_label_mask: true,
  whiten: false,
}

/** Fields that say nothing; AdaLoRA has them too. */
export const DEFAULTS = {
  alora_invocation_tokens: null,
  alpha_pattern: {},
  arrow_config: null,
  bias: 'none',
  corda_config: null,
  ensure_weight_tying: false,
  kasa_config: null,
  layer_replication: null,
  lora_ga_config: null,
  megatron_config: null,
  megatron_core: 'megatron.core',
  modules_to_save: null,
  monteclora_config: null,
  qalora_group_size: 16,
  rank_pattern: {},
  target_parameters: null,
  trainable_token_indices: null,
  use_bdlora: null,
  use_qalora: false,
  velora_config: null,
}

/**
 * How the factors started matters only where the base lost what they started as: PEFT takes it off again when it loads them, and so
 * does this. By chance (`pissa_niter`) it cannot be found again.
 */
function initOf({ init_lora_weights: init = null }: Readonly<Record<string, unknown>>): LoraInit {
  if (init === null) return true
  if (typeof init === 'boolean') return init
  const known = INIT_NAMES.find((name) => name === init)
  if (known) return known
  const random = typeof init === 'string' && PISSA_ROUNDS.test(init)
  throw new TrituneError('E_UNSUPPORTED', `init_lora_weights: ${JSON.stringify(init)} is not supported yet`, {
    remedy: random
      ? 'what it took off the base was drawn at random: save it as a plain LoRA (path_initial_model_for_weight_conversion of PEFT)'
      : undefined,
  })
}

function loftqOf({ loftq_config: given }: Readonly<Record<string, unknown>>): LoftqOptions {
  const config: Readonly<Record<string, unknown>> =
    typeof given === 'object' && given !== null ? { ...given } : {}
  const { loftq_bits: bits = 4, loftq_iter: iterations = 1 } = config
  if (bits !== 4 && bits !== 8)
    throw new TrituneError(
      'E_UNSUPPORTED',
      `loftq_config: loftq_bits: ${JSON.stringify(bits)} is not supported`,
      {
        remedy: '4 (nf4) and 8 (int8) are',
      },
    )
  return { bits, iterations: numberOf('loftq_config: loftq_iter', iterations) }
}

function rankOf(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value
  throw new TrituneError('E_ADAPTER', `r: expected a whole number from 1, got ${JSON.stringify(value)}`)
}

/** A text among the numbers would give an adapter that is NaN everywhere. */
function numberOf(key: string, value: unknown, fallback?: number): number {
  const given = value === undefined ? fallback : value
  if (typeof given === 'number' && Number.isFinite(given)) return given
  throw new TrituneError('E_ADAPTER', `${key}: expected a number, got ${JSON.stringify(value)}`)
}

/** Whether it holds decides the scale: `"yes"` is neither. */
function booleanOf(key: string, value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (typeof value === 'boolean') return value
  throw new TrituneError('E_ADAPTER', `${key}: expected true or false, got ${JSON.stringify(value)}`)
}

function patternOf(fields: Readonly<Record<string, unknown>>, key: string): Record<string, number> {
  return Object.fromEntries(
    Object.entries(fields[key] ?? {}).map(([name, value]) => [name, numberOf(`${key}: ${name}`, value)]),
  )
}
