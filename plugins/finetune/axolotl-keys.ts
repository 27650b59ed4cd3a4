/**
 * Every axolotl key that tritune reads but does not use: those that change nothing here, and those that would change
 * the result and are therefore refused until they exist. (A table: names as in axolotl's schemas,
 * https://docs.axolotl.ai/docs/config-reference.html.)
 *
 * Keys that are used are in `finetune-schema.ts`.
 */

export interface IgnoredKey {
  /** Why leaving it out changes nothing. */
  readonly reason: string
}

export interface UnsupportedKey {
  /** What the key would do. */
  readonly what: string
  /** Values, besides the empty ones, that ask for nothing. */
  readonly harmless?: readonly (string | number | boolean)[]
  /** May repeat the value of this other key. */
  readonly sameAs?: string
}

/** Old or alternative spellings → the key that is used. */
export const RENAMED_KEYS: Readonly<Record<string, string>> = {
  evaluation_strategy: 'eval_strategy',
  model_revision: 'revision_of_model',
  noisy_embedding_alpha: 'neftune_noise_alpha',
  dpo_beta: 'rl_beta',
  type_of_model: 'model_type',
  dataset_num_proc: 'dataset_processes',
}

const OWN_ATTENTION = 'attention is chosen by the device, always exact and never across packed documents'
const OWN_KERNELS = 'fused kernels are always on where the device has them'
const NO_PADDING = 'batches are never padded'
const FROM_CONFIG = 'read from the files of the model'
const NO_LOADER = 'there is no loader process to tune'
const NO_TORCH = 'there is no PyTorch underneath'
const ONE_DEVICE = 'one process, one device'
const SAMPLES_OFF = 'it only matters to sample generation, which is off'
const OUTPUT_ONLY = 'changes only what is printed or profiled'

export const IGNORED_KEYS: Readonly<Record<string, IgnoredKey>> = {
  ...ignored(OWN_ATTENTION, [
    'attention',
    'attn_implementation',
    'flash_attention',
    'sdp_attention',
    'sdpa_attention',
    'xformers_attention',
    'flex_attention',
    'flex_attn_compile_kwargs',
    'eager_attention',
    'sage_attention',
    'flash_optimum',
    'pretrain_multipack_attn',
  ]),
  ...ignored(OWN_KERNELS, [
    'flash_attn_cross_entropy',
    'flash_attn_rms_norm',
    'flash_attn_fuse_qkv',
    'flash_attn_fuse_mlp',
    'lora_mlp_kernel',
    'lora_qkv_kernel',
    'lora_o_kernel',
    'lora_embedding_kernel',
    'unsloth_cross_entropy_loss',
    'unsloth_lora_mlp',
    'unsloth_lora_qkv',
    'unsloth_lora_o',
    'unsloth_rms_norm',
    'unsloth_rope',
    'liger_rope',
    'liger_rms_norm',
    'liger_layer_norm',
    'liger_swiglu',
    'liger_glu_activation',
    'liger_cross_entropy',
    'liger_fused_linear_cross_entropy',
    'cut_cross_entropy',
    'chunked_cross_entropy',
    'chunked_cross_entropy_num_chunks',
    'tiled_mlp',
    'tiled_mlp_num_shards',
    'use_kernels',
    'fused_attn_kernel',
  ]),
  ...ignored(NO_PADDING, [
    'pad_to_sequence_len',
    'group_by_length',
    'batch_flattening',
    'multipack_real_batches',
    'sample_packing_group_size',
    'sample_packing_bin_size',
    'sample_packing_sequentially',
    'sample_packing_mp_start_method',
    'sample_packing_eff_est',
    'total_num_tokens',
    'total_supervised_tokens',
  ]),
  ...ignored(FROM_CONFIG, [
    'model_type',
    'tokenizer_type',
    'processor_type',
    'tokenizer_use_fast',
    'tokenizer_legacy',
    'tokenizer_save_jinja_files',
    'cls_model_config',
    'trust_remote_code',
    'is_falcon_derived_model',
    'is_llama_derived_model',
    'is_mistral_derived_model',
    'is_qwen_derived_model',
    'mean_resizing_embeddings',
  ]),
  ...ignored(NO_LOADER, [
    'dataset_processes',
    'dataset_keep_in_memory',
    'dataloader_pin_memory',
    'dataloader_num_workers',
    'dataloader_prefetch_factor',
    'dataloader_drop_last',
    'remove_unused_columns',
    'accelerator_config',
    'preprocess_iterable',
    'pretrain_multipack_buffer_size',
    'streaming_multipack_buffer_size',
  ]),
  ...ignored(NO_TORCH, [
    'tf32',
    'torch_compile',
    'torch_compile_backend',
    'torch_compile_mode',
    'torchdistx_path',
    'gradient_checkpointing_kwargs',
    'gc_steps',
    'low_cpu_mem_usage',
    'lora_on_cpu',
    'max_memory',
    'gpu_memory_limit',
    'experimental_skip_move_to_device',
    'activation_offloading',
    'layer_offloading',
    'peft_autocast_adapter_dtype',
    'save_safetensors',
    'env_capabilities',
    'capabilities',
    'resources_per_worker',
    'ray_num_workers',
    'ray_run_name',
  ]),
  ...ignored(ONE_DEVICE, [
    'device_map',
    'ddp',
    'ddp_timeout',
    'ddp_bucket_cap_mb',
    'ddp_broadcast_buffers',
    'ddp_find_unused_parameters',
    'local_rank',
    'world_size',
    'heads_k_stride',
    'ring_attn_func',
    'fsdp_version',
    'fsdp_final_state_dict_type',
  ]),
  ...ignored(SAMPLES_OFF, ['eval_max_new_tokens', 'num_generation_samples', 'generation_max_new_tokens']),
  ...ignored(OUTPUT_ONLY, [
    'strict',
    'debug',
    'include_tokens_per_second',
    'include_tkps',
    'profiler_steps',
    'profiler_steps_start',
    'axolotl_config_path',
    'hf_use_auth_token',
    'gradio_title',
    'gradio_share',
    'gradio_server_name',
    'gradio_server_port',
    'gradio_max_new_tokens',
    'gradio_temperature',
    'merge_method',
    'lisa_layers_attribute',
    'wandb_watch',
    'relora_prune_method',
    'loraplus_lr_embedding',
    'max_prompt_len',
  ]),
}

const QUANTIZED = 'quantised base weights'
const PREFERENCE = 'preference and reinforcement learning'
const SCALE = 'training on several devices'
const REPORTING = 'reporting to a tracking service'
const TOKENS = 'changing the vocabulary'
const STREAMING = 'streaming and pretraining datasets'
const OPTIMIZER = 'this way of setting the optimizer'
const SCHEDULE = 'this learning-rate schedule'
const PRECISION = 'this precision'
const EVALUATION = 'this kind of evaluation'
const MODEL = 'changing how the model is built or loaded'
const HUB = 'uploading to the Hub'

export const UNSUPPORTED_KEYS: Readonly<Record<string, UnsupportedKey>> = {
  base_model_config: { what: 'a model configuration from elsewhere', sameAs: 'base_model' },
  tokenizer_config: { what: 'a tokenizer from elsewhere', sameAs: 'base_model' },
  ...unsupported(QUANTIZED, [
    'load_in_8bit',
    'load_in_4bit',
    'gptq',
    'bnb_config_kwargs',
    'quantization',
    'qat',
    'peft',
    'qlora_sharded_model_loading',
    'model_quantization_config',
    'model_quantization_config_kwargs',
    'use_onebitllms',
    'llmcompressor',
    'quantize_moe_experts',
  ]),
  peft_use_dora: { what: 'DoRA' },
  peft_layers_pattern: { what: 'a layer pattern of one’s own' },
  peft_layer_replication: { what: 'layer replication' },
  peft_trainable_token_indices: { what: 'training single tokens' },
  peft_ensure_weight_tying: { what: 'tied adapters' },
  lora_fan_in_fan_out: { what: 'transposed weights' },
  lora_target_parameters: { what: 'LoRA on bare parameters' },
  ...unsupported('LoRA+', ['loraplus_lr_ratio']),
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
  ...unsupported(PREFERENCE, [
    'rl',
    'rl_beta',
    'trl',
    'vllm',
    'reward_model',
    'process_reward_model',
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
  ...unsupported(SCALE, [
    'deepspeed',
    'fsdp',
    'fsdp_config',
    'use_ray',
    'dp_shard_size',
    'dp_replicate_size',
    'expert_parallel_size',
  ]),
  tensor_parallel_size: { what: SCALE, harmless: [1] },
  context_parallel_size: { what: SCALE, harmless: [1] },
  sequence_parallel_degree: { what: SCALE, harmless: [1] },
  ...unsupported(REPORTING, [
    'use_wandb',
    'wandb_project',
    'wandb_entity',
    'wandb_name',
    'wandb_run_id',
    'wandb_log_model',
    'use_mlflow',
    'mlflow_tracking_uri',
    'mlflow_experiment_name',
    'mlflow_run_name',
    'hf_mlflow_log_artifacts',
    'use_comet',
    'comet_api_key',
    'comet_workspace',
    'comet_project_name',
    'comet_experiment_key',
    'comet_mode',
    'comet_online',
    'comet_experiment_config',
    'use_trackio',
    'trackio_project_name',
    'trackio_run_name',
    'trackio_space_id',
    'use_tensorboard',
    'use_otel_metrics',
  ]),
  wandb_mode: { what: REPORTING, harmless: ['disabled'] },
  ...unsupported(TOKENS, [
    'tokens',
    'added_tokens_overrides',
    'resize_token_embeddings_to_32x',
    'shrink_embeddings',
    'fix_untrained_tokens',
    'embeddings_skip_upcast',
    'tokenizer_use_mistral_common',
  ]),
  ...unsupported(STREAMING, [
    'pretraining_dataset',
    'streaming',
    'pretraining_sample_concatenation',
    'skip_prepare_dataset',
    'push_dataset_to_hub',
    'dataset_shard_num',
    'dataset_shard_idx',
    'num_dataset_shards_to_save',
    'dataset_exact_deduplication',
    'shuffle_before_merging_datasets',
    'curriculum_sampling',
    'train_on_packed_inputs',
    'max_packed_sequence_len',
  ]),
  ...unsupported(OPTIMIZER, [
    'optim_target_modules',
    'embedding_lr',
    'embedding_lr_scale',
    'lr_groups',
    'adam_epsilon2',
    'adam_beta3',
    'auto_find_batch_size',
    'neftune_noise_alpha',
    'dion_lr',
    'dion_momentum',
    'dion_rank_fraction',
    'dion_rank_multiple_of',
    'label_smoothing',
    'label_smoothing_factor',
  ]),
  ...unsupported(SCHEDULE, ['lr_quadratic_warmup', 'cosine_constant_lr_ratio', 'lr_div_factor']),
  ...unsupported(PRECISION, [
    'fp16',
    'fp8',
    'fp8_enable_fsdp_float8_all_gather',
    'bfloat16',
    'float16',
    'float32',
  ]),
  ...unsupported(EVALUATION, [
    'eval_table_size',
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
    'overrides_of_model_config',
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
    'image_size',
    'image_resize_algorithm',
    'reinit_weights',
    'merge_lora',
    'is_preprocess',
    'is_multimodal',
  ]),
  ...unsupported(HUB, ['hub_model_id', 'hub_strategy', 'hub_revision']),
  save_only_model: { what: 'checkpoints that cannot be resumed' },
  save_first_step: { what: 'a checkpoint after the first step' },
  default_system_message: { what: 'a default system message' },
  chat_template_kwargs: { what: 'arguments of the chat template' },
  dynamic_checkpoint: { what: 'checkpoints on request' },
  diffusion: { what: 'diffusion language models' },
}

export const IGNORED_DATASET_KEYS: Readonly<Record<string, IgnoredKey>> = {
  ...ignored('datasets are read from local files', ['trust_remote_code', 'preprocess_shards']),
}

export const UNSUPPORTED_DATASET_KEYS: Readonly<Record<string, UnsupportedKey>> = {
  ...unsupported('datasets of the Hub', ['name', 'revision']),
  ...unsupported('shards of a dataset', ['shards', 'shards_idx', 'num_shards']),
  chat_template: { what: 'a chat template for one dataset', harmless: ['tokenizer_default'] },
  chat_template_jinja: { what: 'a chat template for one dataset' },
  ...unsupported('tools in a conversation', ['field_tools']),
  ...unsupported('separate reasoning', ['field_thinking', 'template_thinking_key', 'split_thinking']),
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

/** Plugins of axolotl itself that only make things faster. */
export const IGNORED_PLUGINS: readonly string[] = [
  'axolotl.integrations.liger.LigerPlugin',
  'axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin',
]

function ignored(reason: string, names: readonly string[]): Record<string, IgnoredKey> {
  return Object.fromEntries(names.map((name) => [name, { reason }]))
}

function unsupported(what: string, names: readonly string[]): Record<string, UnsupportedKey> {
  return Object.fromEntries(names.map((name) => [name, { what }]))
}
