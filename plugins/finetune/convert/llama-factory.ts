/**
 * LLaMA-Factory's training YAMLs (https://github.com/hiyouga/LLaMA-Factory, `llamafactory-cli train`) as the file of a run: SFT, pre-training, DPO, KTO and
 * reward stages, with the defaults of its arguments and of transformers' TrainingArguments.
 */
import {
  as,
  type Converted,
  follow,
  isUnset,
  namesIn,
  none,
  type Outcome,
  refusedUnlessEmpty,
  type Rule,
} from './account.ts'
import { type DatasetInfo, entriesOf } from './dataset-info.ts'

type File = Readonly<Record<string, unknown>>

export interface LlamaFactoryOptions {
  /** The content of dataset_info.json and its folder; null: it is not there. */
  readonly info: DatasetInfo | null
}

/** Where its data are when the file does not say. */
export const DATASET_DIR = 'data'

const TRACKER = none('nothing is reported to a service; metrics.jsonl has the numbers')
const LOADER = none('there is no loader process to tune')
const ATTENTION = none('attention is chosen by the device, always exact')
const KERNELS = none('fused kernels are always on where the device has them')
const ONE_DEVICE = none('one device needs no sharding')
const IN_PARTS = none('what is divided over processes is said by zero_stage: 1 and shard_base: true')
const FROM_MODEL = none('read from the files of the model')
const OTHER_WAY = refusedUnlessEmpty('this way to train is not there')

export function fromLlamaFactory(file: File, { info }: LlamaFactoryOptions): Converted {
  const { keys, ...rest } = follow('LLaMA-Factory', file, rulesOf(info), DEFAULTS)
  const { datasets, test_datasets, ...others } = keys
  return { ...rest, keys: { ...others, datasets, ...(test_datasets === undefined ? {} : { test_datasets }) } }
}

/** What it takes where its file is silent. */
const DEFAULTS: File = {
  learning_rate: 5e-5,
  num_train_epochs: 3,
  per_device_train_batch_size: 8,
  lr_scheduler_type: 'linear',
  warmup_steps: 0,
  lora_rank: 8,
  lora_target: 'all',
  cutoff_len: 2048,
  disable_gradient_checkpointing: false,
  max_grad_norm: 1,
  seed: 42,
}

function rulesOf(info: DatasetInfo | null): Readonly<Record<string, Rule>> {
  return {
    // ---- model
    model_name_or_path: as('base_model'),
    model_revision: as('revision_of_model'),
    adapter_name_or_path: as('lora_model_dir'),
    trust_remote_code: FROM_MODEL,
    use_fast_tokenizer: FROM_MODEL,
    cache_dir: none('HF_HUB_CACHE names another cache'),
    resize_vocab: none('the vocabulary grows where tokens are new'),
    add_tokens: (value) => (isUnset(value) ? { none: 'not set' } : { set: { tokens: namesIn(value) } }),
    rope_scaling: refusedUnlessEmpty('the model computes positions as its config.json says'),
    flash_attn: ATTENTION,
    shift_attn: refusedUnlessEmpty('another attention than that of the model'),
    enable_liger_kernel: KERNELS,
    use_unsloth: KERNELS,
    use_unsloth_gc: none('gradient_checkpointing is what there is'),
    use_reentrant_gc: none('there is no PyTorch underneath'),
    upcast_layernorm: none('norms are computed in f32'),
    quantization_bit: quantizationOf,
    quantization_method: (value) =>
      value === 'bnb' || value === 'bitsandbytes'
        ? { none: 'bitsandbytes is what load_in_4bit and load_in_8bit are' }
        : { refused: 'only the packing of bitsandbytes is there' },
    quantization_type: (value) => ({ set: { bnb_config_kwargs: { bnb_4bit_quant_type: value } } }),
    double_quantization: (value) =>
      value === false
        ? { set: { bnb_config_kwargs: { bnb_4bit_use_double_quant: false } } }
        : { none: 'as without it' },
    // ---- method
    stage: stageOf,
    do_train: none('training is what a run does'),
    do_eval: none('a run evaluates where it has val_size or eval_dataset'),
    do_predict: refusedUnlessEmpty('the command generate writes text'),
    finetuning_type: (value) =>
      value === 'lora' || value === 'oft'
        ? { set: { adapter: value } }
        : value === 'full'
          ? { set: { adapter: 'none' } }
          : { refused: 'some layers alone are trained with unfrozen_parameters, by the names of weights' },
    lora_rank: (value, all) => ({
      set: { lora_r: value, ...(all['lora_alpha'] === undefined ? { lora_alpha: 2 * Number(value) } : {}) },
      ...(all['lora_alpha'] === undefined ? { note: 'lora_alpha is twice the rank' } : {}),
    }),
    lora_alpha: as('lora_alpha'),
    lora_dropout: as('lora_dropout'),
    lora_target: targetsOf,
    oft_target: targetsOf,
    oft_block_size: (value) => ({ set: { adapter_options: { oft_block_size: value } } }),
    additional_target: (value) =>
      isUnset(value) ? { none: 'not set' } : { set: { lora_modules_to_save: namesIn(value) } },
    use_rslora: as('peft_use_rslora'),
    use_dora: as('peft_use_dora'),
    loraplus_lr_ratio: as('loraplus_lr_ratio'),
    loraplus_lr_embedding: as('loraplus_lr_embedding'),
    pissa_init: (value, all) =>
      value !== true
        ? { none: 'not set' }
        : {
            set: {
              peft_init_lora_weights:
                Number(all['pissa_iter'] ?? 16) < 0
                  ? 'pissa'
                  : `pissa_niter_${String(all['pissa_iter'] ?? 16)}`,
            },
          },
    pissa_iter: none('read with pissa_init'),
    pissa_convert: none('adapter convert makes a LoRA of it afterwards'),
    create_new_adapter: refusedUnlessEmpty('merge the adapter first'),
    freeze_trainable_layers: OTHER_WAY,
    freeze_trainable_modules: OTHER_WAY,
    freeze_vision_tower: none('there are no images, audio or video'),
    freeze_multi_modal_projector: none('there are no images, audio or video'),
    freeze_language_model: refusedUnlessEmpty('there are no images, audio or video'),
    use_muon: (value) => (value === true ? { set: { optimizer: 'muon' } } : { none: 'not set' }),
    ...Object.fromEntries(
      [
        ['use_galore', 'use_apollo', 'use_badam', 'use_adam_mini', 'use_llama_pro', 'mixture_of_depths'],
        ['use_dft_loss', 'use_asft_loss', 'asft_alpha', 'use_eaft_loss', 'eaft_alpha'],
        ['use_kt', 'use_mca', 'use_megatron_bridge'],
      ]
        .flat()
        .map((key) => [key, OTHER_WAY]),
    ),
    // ---- preferences
    pref_beta: forPreference('rl_beta', ({ stage }) => stage === 'dpo' || stage === 'kto'),
    pref_loss: (value, all) =>
      all['stage'] !== 'dpo'
        ? { none: 'it only matters to stage: dpo' }
        : value === 'sigmoid' || value === 'orpo' || value === 'simpo' || value === 'ipo'
          ? { none: `read with stage: rl: ${value === 'sigmoid' ? 'dpo' : String(value)}` }
          : value === 'hinge'
            ? { set: dpoLosses(all) }
            : { refused: 'expected sigmoid, hinge, ipo, orpo or simpo' },
    pref_ftx: (value, all) =>
      all['stage'] !== 'dpo' || Number(value) === 0
        ? { none: 'nothing is added to the loss' }
        : isPlainDpo(all)
          ? { set: dpoLosses(all), note: 'sft is a mean over the tokens of a step' }
          : { refused: 'sft beside this loss is not there' },
    dpo_label_smoothing: forPreference('dpo_label_smoothing', isSigmoid),
    kto_chosen_weight: forPreference('kto_desirable_weight', ({ stage }) => stage === 'kto'),
    kto_rejected_weight: forPreference('kto_undesirable_weight', ({ stage }) => stage === 'kto'),
    simpo_gamma: forPreference(
      'simpo_gamma',
      ({ stage, pref_loss }) => stage === 'dpo' && pref_loss === 'simpo',
    ),
    ref_model: refusedUnlessEmpty('the reference is the model before training'),
    // ---- data
    dataset: (value, all) => datasetsOf('datasets', value, all, info),
    eval_dataset: (value, all) => datasetsOf('test_datasets', value, all, info),
    dataset_dir: none('read with dataset'),
    max_samples: none('read with dataset: split'),
    template: templateOf,
    default_system: as('default_system_message'),
    tool_format: none('the chat template of the model writes tools'),
    enable_thinking: none('the chat template of the model decides'),
    cutoff_len: (value) => ({ set: { sequence_len: value, excess_length_strategy: 'truncate' } }),
    train_on_prompt: as('train_on_inputs'),
    mask_history: refusedUnlessEmpty('training on the last turn alone: split the conversations'),
    packing: as('sample_packing'),
    neat_packing: (value) => (value === true ? { set: { sample_packing: true } } : { none: 'not set' }),
    streaming: as('streaming'),
    val_size: as('val_set_size'),
    overwrite_cache: none('prepared data are checked against their files'),
    preprocessing_num_workers: LOADER,
    preprocessing_batch_size: LOADER,
    dataloader_num_workers: LOADER,
    tokenized_path: as('dataset_prepared_path'),
    // ---- training
    output_dir: as('output_dir'),
    overwrite_output_dir: none('finetune --overwrite trains an earlier run again'),
    logging_steps: as('logging_steps'),
    save_steps: as('save_steps'),
    save_strategy: as('save_strategy'),
    save_total_limit: as('save_total_limit'),
    save_only_model: none('checkpoints always hold the optimizer too'),
    plot_loss: TRACKER,
    report_to: TRACKER,
    run_name: TRACKER,
    use_swanlab: TRACKER,
    swanlab_project: TRACKER,
    include_num_input_tokens_seen: none('metrics.jsonl has the tokens of each step'),
    eval_strategy: as('eval_strategy'),
    eval_steps: as('eval_steps'),
    per_device_train_batch_size: as('micro_batch_size'),
    per_device_eval_batch_size: as('eval_batch_size'),
    gradient_accumulation_steps: as('gradient_accumulation_steps'),
    learning_rate: as('learning_rate'),
    num_train_epochs: as('num_epochs'),
    max_steps: as('max_steps'),
    lr_scheduler_type: as('lr_scheduler'),
    warmup_ratio: as('warmup_ratio'),
    warmup_steps: (value, all) =>
      all['warmup_ratio'] === undefined ? { set: { warmup_steps: value } } : { none: 'warmup_ratio says it' },
    optim: as('optimizer'),
    weight_decay: as('weight_decay'),
    adam_beta1: as('adam_beta1'),
    adam_beta2: as('adam_beta2'),
    adam_epsilon: as('adam_epsilon'),
    max_grad_norm: as('max_grad_norm'),
    neftune_noise_alpha: as('neftune_noise_alpha'),
    seed: as('seed'),
    bf16: as('bf16'),
    pure_bf16: as('bf16'),
    fp16: as('fp16'),
    disable_gradient_checkpointing: (value) => ({ set: { gradient_checkpointing: value !== true } }),
    gradient_checkpointing: as('gradient_checkpointing'),
    gradient_checkpointing_kwargs: none('there is no PyTorch underneath'),
    resume_from_checkpoint: as('resume_from_checkpoint'),
    predict_with_generate: refusedUnlessEmpty('an evaluation is the loss'),
    ddp_timeout: ONE_DEVICE,
    deepspeed: IN_PARTS,
    fsdp: IN_PARTS,
    fsdp_transformer_layer_cls_to_wrap: IN_PARTS,
    ray_num_workers: ONE_DEVICE,
    cp_size: ONE_DEVICE,
    cp_mode: ONE_DEVICE,
  }
}

// ---- rules ------------------------------------------------------------------------------------------------------

const PREFERENCES: Readonly<Record<string, string>> = {
  sigmoid: 'dpo',
  hinge: 'dpo',
  ipo: 'ipo',
  orpo: 'orpo',
  simpo: 'simpo',
}

function isSigmoid({ stage, pref_loss: loss = 'sigmoid' }: File): boolean {
  return stage === 'dpo' && loss === 'sigmoid'
}

/** What `dpo_loss_type` can have other losses beside. */
function isPlainDpo(file: File): boolean {
  return isSigmoid(file) || file['pref_loss'] === 'hinge'
}

function dpoLosses({
  pref_loss: loss = 'sigmoid',
  pref_ftx: sft = 0,
}: File): Readonly<Record<string, unknown>> {
  if (Number(sft) === 0) return { dpo_loss_type: [loss] }
  return { dpo_loss_type: [loss, 'sft'], dpo_loss_weights: [1, Number(sft)] }
}

/** The same value where the stage and the loss take it. */
function forPreference(name: string, counts: (file: File) => boolean): Rule {
  return (value, file) =>
    counts(file) ? as(name)(value, file) : { none: 'it only matters to another stage or loss' }
}

function stageOf(value: unknown, { pref_loss: loss = 'sigmoid' }: File): Outcome {
  switch (value) {
    case 'sft':
    case 'pt':
      return { none: 'what a run does without rl' }
    case 'dpo':
      return { set: { rl: PREFERENCES[String(loss)] ?? 'dpo' } }
    case 'kto':
      return { set: { rl: 'kto' } }
    case 'rm':
      return { set: { reward_model: true } }
    default:
      return { refused: `there is no stage ${String(value)}` }
  }
}

function targetsOf(value: unknown): Outcome {
  const names = namesIn(value)
  if (names.includes('all')) return { set: { lora_target_linear: true } }
  return { set: { lora_target_modules: names } }
}

function quantizationOf(value: unknown): Outcome {
  if (isUnset(value)) return { none: 'not set' }
  if (Number(value) === 4) return { set: { load_in_4bit: true } }
  if (Number(value) === 8) return { set: { load_in_8bit: true } }
  return { refused: 'bases are packed in 4 or 8 bits' }
}

/** Its templates write what the models' own do. */
function templateOf(value: unknown): Outcome {
  if (isUnset(value) || value === 'empty') return { none: 'not set' }
  return {
    set: { chat_template: 'tokenizer_default' },
    note: `the model's own, which ${String(value)} imitates`,
  }
}

function datasetsOf(key: string, value: unknown, file: File, info: DatasetInfo | null): Outcome {
  if (isUnset(value)) return { none: 'not set' }
  const folder = String(file['dataset_dir'] ?? DATASET_DIR)
  if (info === null)
    return { refused: `there is no ${folder}/dataset_info.json to look its names up in: name its folder` }
  const most = isUnset(file['max_samples']) ? null : Number(file['max_samples'])
  const found = entriesOf(namesIn(value), info, { stage: String(file['stage'] ?? 'sft'), most })
  if (found.missing.length > 0)
    return { refused: `${found.missing.join(', ')}: not in ${folder}/dataset_info.json` }
  if (found.refused.length > 0) return { refused: found.refused.join('; ') }
  return {
    set: { [key]: found.entries },
    ...(found.notes.length > 0 ? { note: found.notes.join('; ') } : {}),
  }
}
