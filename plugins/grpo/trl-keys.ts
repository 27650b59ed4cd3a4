/**
 * Keys under `trl:` that are not options here: those that change nothing, and those that would change the result and are not there.
 */
import type { ConfigFailure } from '../../core/mod.ts'

const OWN_ENGINE = 'completions are made by the model that is trained, in one process'

const IGNORED: Readonly<Record<string, string>> = {
  ...each(OWN_ENGINE, [
    'use_vllm',
    'vllm_mode',
    'vllm_server_host',
    'vllm_server_port',
    'vllm_server_timeout',
    'vllm_group_port',
    'vllm_enable_sleep_mode',
    'vllm_gpu_memory_utilization',
    'vllm_tensor_parallel_size',
    'vllm_max_model_length',
    'vllm_model_impl',
    'vllm_importance_sampling_correction',
    'vllm_importance_sampling_mode',
    'vllm_importance_sampling_cap',
    'vllm_importance_sampling_clip_max',
    'vllm_importance_sampling_clip_min',
    'use_transformers_paged',
    'use_transformers_continuous_batching',
    'cache_implementation',
    'ds3_gather_for_generation',
  ]),
  ...each('the loss is the same without it', ['use_liger_loss', 'use_liger_kernel']),
  log_completions: 'completions.jsonl is written in any case (num_completions_to_print)',
}

const REFUSED: Readonly<Record<string, string>> = {
  sync_ref_model:
    'a reference model that follows the training: the reference is the base model with the adapter switched off',
  importance_sampling_level: 'ratios of whole sequences (GSPO)',
  multi_objective_aggregation: 'rewards that are normalised one by one',
  off_policy_mask_threshold: 'masks of completions that are off policy',
  top_entropy_quantile: 'masks by entropy',
  entropy_coef: 'a reward for entropy',
  use_adaptive_entropy: 'a reward for entropy',
  generation_batch_size: 'completions for several steps at once',
  steps_per_generation: 'completions for several steps at once',
  generation_kwargs: 'other options of generation',
  chat_template_kwargs: 'arguments of the chat template',
  vllm_guided_decoding_regex: 'completions that must fit an expression',
  vllm_structured_outputs_regex: 'completions that must fit an expression',
  rollout_func: 'rollouts by a function of Python',
  max_tool_calling_iterations: 'tools that are called while a completion is made',
}

/** Values of refused keys that ask for nothing. */
const HARMLESS: Readonly<Record<string, readonly unknown[]>> = {
  sync_ref_model: [false],
  importance_sampling_level: ['token'],
  multi_objective_aggregation: ['sum_then_normalize'],
  top_entropy_quantile: [1],
  entropy_coef: [0],
  use_adaptive_entropy: [false],
}

const AFTER_SYNC = ['ref_model_mixup_alpha', 'ref_model_sync_steps']

/** What stands under `trl:`, without the keys that are not options. */
export interface SortedTrl {
  readonly kept: Readonly<Record<string, unknown>>
  readonly notes: readonly string[]
  /** With paths from `trl`. */
  readonly failures: readonly ConfigFailure[]
}

/** Keys that are known to nobody stay: the options refuse them by name. */
export function sortTrl(block: Readonly<Record<string, unknown>>): SortedTrl {
  const kept: Record<string, unknown> = {}
  const notes: string[] = []
  const failures: ConfigFailure[] = []
  for (const [key, value] of Object.entries(block)) {
    if (Object.hasOwn(IGNORED, key)) {
      if (value !== null && value !== false) notes.push(`trl.${key} is ignored: ${IGNORED[key]}`)
    } else if (AFTER_SYNC.includes(key)) {
      if (value !== null) notes.push(`trl.${key} is ignored: it only matters with sync_ref_model`)
    } else if (Object.hasOwn(REFUSED, key)) {
      if (value !== null && !HARMLESS[key]?.includes(value))
        failures.push({
          path: [key],
          code: 'E_CONFIG_KEY',
          what: `${REFUSED[key]}: not there yet`,
          remedy: 'take the key out',
        })
    } else kept[key] = value
  }
  return { kept, notes, failures }
}

function each(why: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, why]))
}
