/**
 * LoRA as PEFT's adapter_config.json has it (`LoraConfig` of 0.21).
 */
import { type BaseLayer, type PeftFormat, TrituneError } from '../../core/mod.ts'
import type { LoraOptions } from './lora-options.ts'
import { patternValue } from './targets.ts'

export const loraFormat: PeftFormat<LoraOptions> = {
  type: 'LORA',
  write: (options, { layers }) => ({ ...DEFAULTS, ...fieldsOf(options, layers) }),
  read(fields, path) {
    for (const [key, plain] of Object.entries(PLAIN)) {
      const value = fields[key] ?? null
      if (!plain.some((allowed) => JSON.stringify(allowed) === JSON.stringify(value)))
        throw new TrituneError('E_UNSUPPORTED', `${key}: ${JSON.stringify(value)} is not supported yet`)
    }
    return {
      rank: patternValue(path, patternOf(fields, 'rank_pattern'), numberOf('r', fields.r, 8)),
      alpha: patternValue(
        path,
        patternOf(fields, 'alpha_pattern'),
        numberOf('lora_alpha', fields.lora_alpha, 8),
      ),
      dropout: numberOf('lora_dropout', fields.lora_dropout, 0),
      rsLora: fields.use_rslora === true,
      init: true,
    }
  },
}

/** Fields that change the forward pass, with the values that mean plain LoRA. */
const PLAIN: Readonly<Record<string, readonly unknown[]>> = {
  use_dora: [false, null],
  lora_bias: [false, null],
  use_qalora: [false, null],
  use_bdlora: [false, null],
  layer_replication: [null],
  alora_invocation_tokens: [null],
  target_parameters: [null, []],
  init_lora_weights: [true, false, 'gaussian', 'orthogonal', 'eva', null],
}

function fieldsOf(
  { alpha, dropout, rank, rsLora, init }: LoraOptions,
  layers: readonly BaseLayer[],
): Record<string, unknown> {
  return {
    fan_in_fan_out: layers.some(({ transposed }) => transposed),
    init_lora_weights: init,
    lora_alpha: alpha,
    lora_dropout: dropout,
    r: rank,
    use_rslora: rsLora,
  }
}

const DEFAULTS = {
  alora_invocation_tokens: null,
  alpha_pattern: {},
  arrow_config: null,
  bias: 'none',
  corda_config: null,
  ensure_weight_tying: false,
  eva_config: null,
  kasa_config: null,
  layer_replication: null,
  layers_pattern: null,
  loftq_config: {},
  lora_bias: false,
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
  use_dora: false,
  use_qalora: false,
  velora_config: null,
}

/** A text among the numbers would give an adapter that is NaN everywhere. */
function numberOf(key: string, value: unknown, fallback?: number): number {
  const given = value ?? fallback
  if (typeof given === 'number' && Number.isFinite(given)) return given
  throw new TrituneError('E_ADAPTER', `${key}: expected a number, got ${JSON.stringify(value)}`)
}

function patternOf(fields: Readonly<Record<string, unknown>>, key: string): Record<string, number> {
  return Object.fromEntries(
    Object.entries(fields[key] ?? {}).map(([name, value]) => [name, numberOf(`${key}: ${name}`, value)]),
  )
}
