/**
 * The axolotl keys that would change the result and are not there: refused by name unless they ask for nothing. (A table;
 * names as in axolotl's schemas, https://docs.axolotl.ai/docs/config-reference.html.)
 */

export interface UnsupportedKey {
  /** What the key would do. */
  readonly what: string
  /** Values, besides the empty ones, that ask for nothing. */
  readonly harmless?: readonly (string | number | boolean)[]
  /** How it is done here. Without it: not at all. */
  readonly instead?: string
  /** May repeat the value of this other key. */
  readonly sameAs?: string
  /** A name, or a mapping of one name to its options, is the short form of this key. */
  readonly shortFor?: string
  /** Keys that follow from this one: what is wrong with them is no fault of its own. */
  readonly covers?: readonly string[]
}

const DATASETS = ['datasets', 'test_datasets']
const QUANTIZED = 'quantised base weights'
const PREFERENCE = 'preference and reinforcement learning'
const SCALE = 'training on several devices'
const TOKENS = 'changing the vocabulary'
const STREAMING = 'streaming and pretraining datasets'
const OPTIMIZER = 'this way of setting the optimizer'
const SCHEDULE = 'this learning-rate schedule'
const PRECISION = 'this precision'
const EVALUATION = 'this kind of evaluation'
const MODEL = 'changing how the model is built or loaded'

export const UNSUPPORTED_KEYS: Readonly<Record<string, UnsupportedKey>> = {
  quantization: { what: QUANTIZED, shortFor: 'quantizer' },
  ...unsupported(QUANTIZED, [
    'qat',
    'model_quantization_config',
    'model_quantization_config_kwargs',
    'use_onebitllms',
    'llmcompressor',
    'quantize_moe_experts',
  ]),
  peft_layer_replication: { what: 'layer replication' },
  ...unsupported('ReLoRA', [
    'relora',
    'relora_steps',
    'relora_warmup_steps',
    'relora_anneal_steps',
    'relora_prune_ratio',
    'relora_cpu_offload',
    'jagged_restart_steps',
    'jagged_restart_warmup_steps',
    'jagged_restart_anneal_steps',
  ]),
  ...unsupported('LISA', ['lisa_n_layers', 'lisa_step_interval']),
  ...unsupported('training part of the parameters', ['unfrozen_parameters', 'spectrum_top_fraction']),
  rl: { what: PREFERENCE, covers: DATASETS },
  reward_model: { what: PREFERENCE, covers: DATASETS },
  process_reward_model: { what: PREFERENCE, covers: DATASETS },
  ...unsupported(PREFERENCE, [
    'rl_beta',
    'trl',
    'vllm',
    'num_labels',
    'dpo_use_weighting',
    'dpo_use_logits_to_keep',
    'dpo_label_smoothing',
    'dpo_norm_loss',
    'dpo_padding_free',
    'dpo_generate_during_eval',
    'dpo_loss_type',
    'dpo_loss_weights',
    'precompute_ref_log_probs',
    'orpo_alpha',
    'rpo_alpha',
    'simpo_gamma',
    'cpo_alpha',
    'kto_desirable_weight',
    'kto_undesirable_weight',
    'kd_trainer',
  ]),
  expert_parallel_size: { what: SCALE, harmless: [1] },
  tensor_parallel_size: { what: SCALE, harmless: [1] },
  context_parallel_size: { what: SCALE, harmless: [1] },
  sequence_parallel_degree: { what: SCALE, harmless: [1] },
  ...unsupported(TOKENS, [
    'shrink_embeddings',
    'fix_untrained_tokens',
    'embeddings_skip_upcast',
    'tokenizer_use_mistral_common',
  ]),
  ...unsupported(STREAMING, [
    'pretraining_sample_concatenation',
    'skip_prepare_dataset',
    'push_dataset_to_hub',
    'dataset_shard_num',
    'dataset_shard_idx',
    'num_dataset_shards_to_save',
    'shuffle_before_merging_datasets',
    'curriculum_sampling',
    'train_on_packed_inputs',
    'max_packed_sequence_len',
  ]),
  ...unsupported(OPTIMIZER, [
    'optim_target_modules',
    'adam_epsilon2',
    'adam_beta3',
    'auto_find_batch_size',
    'dion_lr',
    'dion_momentum',
    'dion_rank_fraction',
    'dion_rank_multiple_of',
    'label_smoothing',
  ]),
  ...unsupported(SCHEDULE, ['lr_quadratic_warmup', 'cosine_constant_lr_ratio', 'lr_div_factor']),
  ...unsupported(PRECISION, ['fp16', 'fp8', 'fp8_enable_fsdp_float8_all_gather', 'float16', 'float32']),
  ...unsupported(EVALUATION, [
    'do_causal_lm_eval',
    'eval_causal_lm_metrics',
    'do_bench_eval',
    'bench_dataset',
    'bench_split',
    'generate_samples',
    'greater_is_better',
  ]),
  metric_for_best_model: { what: EVALUATION, harmless: ['eval_loss', 'loss'] },
  ...unsupported(MODEL, [
    'model_config',
    'model_kwargs',
    'overrides_of_model_kwargs',
    'rope_scaling',
    's2_attention',
    'use_pose',
    'pose_split_on_token_ids',
    'pose_max_context_len',
    'pose_num_chunks',
    'llama4_linearized_experts',
    'scaling_softmax',
    'scaling_softmax_factor',
    'scaling_softmax_bias',
    'image_size',
    'image_resize_algorithm',
    'merge_lora',
    'is_preprocess',
    'is_multimodal',
  ]),
  save_first_step: { what: 'a checkpoint after the first step' },
  default_system_message: { what: 'a default system message' },
  chat_template_kwargs: { what: 'arguments of the chat template' },
  dynamic_checkpoint: { what: 'checkpoints on request' },
  diffusion: { what: 'diffusion language models' },
  trainer_cls: { what: 'a trainer of one’s own' },
  use_eaft: { what: 'entropy-aware losses' },
  ebft: { what: PREFERENCE },
  center_rewards_coefficient: { what: PREFERENCE },
  eval_sequence_len: { what: 'another sequence length for evaluation' },
  liger_use_token_scaling: { what: 'losses weighted by token probabilities' },
  role_boundaries: { what: 'images, audio and video' },
  ...unsupported('norms in another precision', ['fp32_norms', 'fp32_norm_classes']),
  ...unsupported('mixtures of experts', [
    'expert_backend',
    'moe_grouped_backend',
    'moe_dequant_chunk_size',
    'moe_bnb_fast',
    'use_scattermoe',
    'use_sonicmoe',
    'dense_mixer',
  ]),
}

export const UNSUPPORTED_DATASET_KEYS: Readonly<Record<string, UnsupportedKey>> = {
  ...unsupported('shards of a dataset', ['shards', 'shards_idx', 'num_shards']),
  message_field_training_detail: { what: 'training parts of a message' },
  ...unsupported('this kind of dataset', [
    'input_transform',
    'input_format',
    'conversation',
    'field_human',
    'field_model',
    'logprobs_field',
    'temperature',
    'step_separator',
    'max_completion_length',
    'train_on_last_step_only',
    'text_column',
    'skip',
    'overlap_len',
  ]),
}

function unsupported(what: string, names: readonly string[]): Record<string, UnsupportedKey> {
  return Object.fromEntries(names.map((name) => [name, { what }]))
}
