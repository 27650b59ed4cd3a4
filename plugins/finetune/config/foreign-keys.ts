/**
 * The keys of other fine-tuning tools, and what each is called here: LLaMA-Factory, TRL, mlx-lm, unsloth, torchtune. For
 * error messages; a file of another tool is not read. (Tables: names as in the tools' own configuration files.)
 */

export interface ForeignTool {
  readonly name: string
  /** Keys that are unknown here → the key to use, or a sentence when there is no single one. */
  readonly keys: Readonly<Record<string, string>>
  /** Keys that are known here too, and mean something else there → the key that means it here. */
  readonly differs?: Readonly<Record<string, string>>
  /** Keys that every file needs here → what the tool takes where its file is silent. */
  readonly defaults?: Readonly<Record<string, string>>
}

const LOCAL_DATA = 'datasets, a list of { path, type }'
const TRACKER = 'nothing: metrics.jsonl has the numbers'
const SFT_ONLY = 'nothing: supervised fine-tuning is what there is'

/** Of the Trainer of transformers, which LLaMA-Factory and TRL have too. */
const TRAINER = {
  model_name_or_path: 'base_model',
  per_device_train_batch_size: 'micro_batch_size',
  per_device_eval_batch_size: 'eval_batch_size',
  num_train_epochs: 'num_epochs',
  lr_scheduler_type: 'lr_scheduler',
  optim: 'optimizer',
  model_revision: 'revision_of_model',
  torch_dtype: 'bf16',
  dtype: 'bf16',
  report_to: TRACKER,
  run_name: TRACKER,
  push_to_hub: 'hub_model_id',
  overwrite_output_dir: 'another output_dir',
  do_train: 'nothing: training is what is done',
  do_eval: 'val_set_size or test_datasets',
} as const

export const FOREIGN_TOOLS: readonly ForeignTool[] = [
  {
    name: 'LLaMA-Factory',
    keys: {
      ...TRAINER,
      stage: SFT_ONLY,
      finetuning_type: 'adapter (lora, or none for all weights)',
      dataset: LOCAL_DATA,
      dataset_dir: LOCAL_DATA,
      eval_dataset: 'test_datasets, a list of { path, type }',
      template: 'chat_template',
      cutoff_len: 'sequence_len',
      max_samples: 'split of a dataset, such as train[:1000]',
      val_size: 'val_set_size',
      lora_rank: 'lora_r',
      lora_target: 'lora_target_modules (all: lora_target_linear: true)',
      additional_target: 'lora_modules_to_save',
      use_rslora: 'peft_use_rslora',
      use_dora: 'peft_use_dora',
      adapter_name_or_path: 'lora_model_dir',
      packing: 'sample_packing',
      neat_packing: 'sample_packing',
      train_on_prompt: 'train_on_inputs',
      flash_attn: 'nothing: attention is chosen by the device',
      overwrite_cache: 'nothing: prepared data is checked against its files',
      preprocessing_num_workers: 'nothing: there are no workers to set',
      plot_loss: TRACKER,
      quantization_bit: 'load_in_4bit',
      quantization_method: 'quantizer',
      disable_gradient_checkpointing: 'gradient_checkpointing',
      include_num_input_tokens_seen: TRACKER,
    },
    // Of transformers' TrainingArguments.
    defaults: { learning_rate: '5e-5' },
  },
  {
    name: 'TRL',
    keys: {
      ...TRAINER,
      dataset_name: LOCAL_DATA,
      dataset_config: LOCAL_DATA,
      dataset_train_split: 'split of a dataset',
      dataset_test_split: 'split of an entry of test_datasets',
      dataset_text_field: 'field of a dataset of type completion',
      max_length: 'sequence_len',
      max_seq_length: 'sequence_len',
      use_peft: 'adapter: lora',
      lora_task_type: 'nothing: causal language models are what there is',
      use_rslora: 'peft_use_rslora',
      use_dora: 'peft_use_dora',
      packing: 'sample_packing',
      completion_only_loss: 'train_on_inputs',
      assistant_only_loss: 'roles_to_train of a dataset',
      chat_template_path: 'chat_template_jinja',
      eos_token: 'special_tokens',
      pad_token: 'special_tokens',
      dataset_num_proc: 'nothing: there are no workers to set',
      neftune_noise_alpha: 'nothing yet: NEFTune is not there',
    },
    // Of SFTConfig.
    defaults: { learning_rate: '2e-5' },
  },
  {
    name: 'mlx-lm',
    keys: {
      model: 'base_model',
      data: LOCAL_DATA,
      train: 'nothing: training is what is done',
      test: 'test_datasets',
      iters: 'max_steps',
      fine_tune_type: 'adapter (lora, or none for all weights)',
      num_layers: 'peft_layers_to_transform, a list of layer numbers',
      lora_layers: 'peft_layers_to_transform, a list of layer numbers',
      lora_parameters: 'lora_r, lora_alpha (scale × rank) and lora_dropout',
      lr_schedule: 'lr_scheduler and warmup_steps',
      optimizer_config: 'adam_beta1, adam_beta2, adam_epsilon and weight_decay',
      max_seq_length: 'sequence_len',
      grad_checkpoint: 'gradient_checkpointing',
      grad_accumulation_steps: 'gradient_accumulation_steps',
      steps_per_eval: 'eval_steps',
      steps_per_report: 'logging_steps',
      save_every: 'save_steps',
      val_batches: 'val_set_size',
      test_batches: 'test_datasets',
      adapter_path: 'output_dir',
      resume_adapter_file: 'lora_model_dir',
      mask_prompt: 'train_on_inputs',
      hf_dataset: LOCAL_DATA,
      prompt_feature: 'type and the fields of a dataset',
      completion_feature: 'type and the fields of a dataset',
      wandb: TRACKER,
      report_to: TRACKER,
      project_name: TRACKER,
    },
    differs: { batch_size: 'micro_batch_size' },
    defaults: { learning_rate: '1e-5' },
  },
  {
    name: 'unsloth',
    keys: {
      model_name: 'base_model',
      max_seq_length: 'sequence_len',
      full_finetuning: 'adapter: none',
      r: 'lora_r',
      target_modules: 'lora_target_modules',
      modules_to_save: 'lora_modules_to_save',
      layers_to_transform: 'peft_layers_to_transform',
      use_rslora: 'peft_use_rslora',
      init_lora_weights: 'peft_init_lora_weights',
      bias: 'nothing: biases are not trained beside an adapter',
      use_gradient_checkpointing: 'gradient_checkpointing',
      random_state: 'seed',
      loftq_config: 'nothing yet; quantizer: nf4 packs the base without it',
      dtype: 'bf16',
      dataset_text_field: 'field of a dataset of type completion',
      per_device_train_batch_size: 'micro_batch_size',
      per_device_eval_batch_size: 'eval_batch_size',
      num_train_epochs: 'num_epochs',
      lr_scheduler_type: 'lr_scheduler',
      optim: 'optimizer',
      packing: 'sample_packing',
      fast_inference: 'nothing: there is no second engine',
      save_method: 'nothing: the command merge writes a merged model',
      report_to: TRACKER,
    },
  },
  {
    name: 'torchtune',
    keys: {
      model: 'base_model, and lora_* for what stands under model',
      tokenizer: 'nothing: the tokenizer is that of base_model',
      checkpointer: 'base_model and output_dir',
      dataset: LOCAL_DATA,
      epochs: 'num_epochs',
      max_steps_per_epoch: 'max_steps',
      loss: 'nothing: cross-entropy is what there is',
      optimizer_in_bwd: 'nothing: it only saves memory there',
      enable_activation_checkpointing: 'gradient_checkpointing',
      enable_activation_offloading: 'activation_offloading',
      clip_grad_norm: 'max_grad_norm',
      dtype: 'bf16',
      compile: 'nothing: there is nothing to compile',
      metric_logger: TRACKER,
      log_every_n_steps: 'logging_steps',
      log_level: TRACKER,
      log_peak_memory_stats: TRACKER,
      profiler: TRACKER,
      shuffle: 'shuffle_merged_datasets',
    },
    differs: { batch_size: 'micro_batch_size' },
  },
]

/** The tool that most of these unknown keys are of; undefined when they are of none. */
export function foreignToolOf(unknown: readonly string[]): ForeignTool | undefined {
  let best: ForeignTool | undefined
  let most = 0
  for (const tool of FOREIGN_TOOLS) {
    const count = unknown.filter((name) => Object.hasOwn(tool.keys, name)).length
    if (count > most) [best, most] = [tool, count]
  }
  return best
}
