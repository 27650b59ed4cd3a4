/**
 * LoRA on a model, with PEFT's rank and alpha patterns.
 */
import type { Model } from '../../core/mod.ts'
import { attachAdapter, type AttachedAdapter } from './attach.ts'
import { lora, type LoraOptions } from './lora.ts'
import { checkPatterns, matchTargets, patternValue, type TargetOptions } from './targets.ts'

export interface LoraModelOptions extends TargetOptions, Partial<LoraOptions> {
  readonly rankPattern?: Readonly<Record<string, number>>
  readonly alphaPattern?: Readonly<Record<string, number>>
  readonly seed?: number
}

/** E_ADAPTER when a target or a pattern matches no layer. */
export function attachLora(
  model: Model,
  {
    rank = 8,
    alpha = 8,
    dropout = 0,
    rsLora = false,
    init = true,
    rankPattern = {},
    alphaPattern = {},
    seed = 0,
    ...targets
  }: LoraModelOptions,
): AttachedAdapter {
  const { matched } = matchTargets(model.layers.keys(), targets)
  checkPatterns('rank_pattern', rankPattern, matched)
  checkPatterns('alpha_pattern', alphaPattern, matched)
  const options = lora.options.validate({ rank, alpha, dropout, rsLora, init })
  return attachAdapter(model, lora, options, {
    ...targets,
    seed,
    optionsFor: (path, shared) => ({
      ...shared,
      rank: patternValue(path, rankPattern, shared.rank),
      alpha: patternValue(path, alphaPattern, shared.alpha),
    }),
    config: loraConfig(model, {
      ...options,
      ...targets,
      targetModules: savedTargets(targets, matched),
      rankPattern,
      alphaPattern,
    }),
  })
}

/** PEFT refuses `layers_to_transform` beside an expression, so the file then lists the modules that it matched. */
function savedTargets(
  { targetModules, layersToTransform }: TargetOptions,
  matched: readonly string[],
): readonly string[] | string {
  return typeof targetModules === 'string' && layersToTransform?.length ? matched : targetModules
}

/** adapter_config.json of a LoRA as PEFT 0.21 writes it (`LoraConfig`), without the fields that every adapter has. */
function loraConfig(
  model: Model,
  o: LoraOptions & TargetOptions & { rankPattern: object; alphaPattern: object },
): Record<string, unknown> {
  return {
    alora_invocation_tokens: null,
    alpha_pattern: o.alphaPattern,
    arrow_config: null,
    bias: 'none',
    corda_config: null,
    ensure_weight_tying: false,
    eva_config: null,
    exclude_modules: o.excludeModules == null || o.excludeModules.length === 0 ? null : o.excludeModules,
    fan_in_fan_out: [...model.layers.values()].some(({ transposed }) => transposed),
    init_lora_weights: o.init,
    kasa_config: null,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: o.layersToTransform?.length ? o.layersToTransform : null,
    loftq_config: {},
    lora_ga_config: null,
    lora_alpha: o.alpha,
    lora_bias: false,
    lora_dropout: o.dropout,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: null,
    monteclora_config: null,
    peft_type: 'LORA',
    qalora_group_size: 16,
    r: o.rank,
    rank_pattern: o.rankPattern,
    target_modules: o.targetModules,
    target_parameters: null,
    trainable_token_indices: null,
    use_bdlora: null,
    use_dora: false,
    use_qalora: false,
    use_rslora: o.rsLora,
    velora_config: null,
  }
}
