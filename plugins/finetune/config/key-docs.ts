/**
 * What is said of each key of a run: the one place. docs/yaml.md, the comments of `FinetuneInput` and the JSON Schema have it from
 * here; `bun scripts/key-docs.ts --write` puts it there.
 */

import type { FinetuneInput } from './finetune-input.ts'

/** What each key of a run's file means, in Markdown whose links start in docs/. */
export const KEY_DOCS: Readonly<Record<keyof FinetuneInput, string>> = {
  // Model
  base_model:
    'a name on the hub (`org/name`, `org/name@revision`, `org/name/file.gguf`), a folder, or a `.gguf` file',
  preset:
    'a model with new weights in one of the sizes of tritter: `tritter-test`, `tritter-small`, `tritter-medium`, `tritter-large`, `tritter-1b`, `tritter-xlarge`, `tritter-huge` ([guides/from-scratch.md](guides/from-scratch.md)); instead of `base_model`',
  base_model_config:
    'a model with new weights in the shape of a `config.json`: the file, or the folder or Hub name of a model. Without `base_model`, or with `reinit_weights`',
  overrides_of_model_config:
    'what is otherwise than in the config.json of the model: of one with new weights its shape, such as `{ vocab_size: 512 }`, of others `{ output_router_logits: true }`, `{ rope_scaling: … }`',
  reinit_weights: 'new weights by `seed` instead of those of `base_model`; all of them are trained',
  tokenizer_config:
    'the tokenizer of a model with new weights: a folder, a Hub name, or `bytes`, one token for each byte. Not set: the one of `base_model`',
  train_tokenizer:
    'a byte-level BPE tokenizer for a model with new weights, trained on `datasets`: a mapping with `vocab_size` (4096) and `min_frequency` (2)',
  revision_of_model: 'a branch, a tag or a commit',
  offline:
    'use only what is in the local cache of the hub; not set: as `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE` say',
  device:
    "`cpu`; `cuda` or `cuda:1`, an NVIDIA GPU (8.0 and newer); `wasm`, the CPU's kernels in WebAssembly; `auto`: the first GPU if it can be used, else the CPU, where that has no native library `wasm`, and the summary says why. `cuda-emulated` runs the GPU kernels on the CPU, for tests; or the name of a plugin's device",
  threads: 'as many as there are cores; at most 256',
  diloco:
    'processes that make some steps each and then meet in the mean, for slow links ([distributed.md](distributed.md#steps-of-their-own)): a mapping with `every`, `codec`, `exchange`, `rate`, `momentum`, `when_cut` and more. Not set: each process has its part of every step',
  zero_stage:
    '`1`: the state of the optimizer is divided over the processes of a job, each of which makes the step of its part and brings it to the others ([distributed.md](distributed.md#the-optimizer-in-parts)); the same weights. `0`: each has all of it',
  shard_base:
    'the frozen weights of the blocks are divided over the processes of a job, and brought together block by block in every pass ([distributed.md](distributed.md#the-base-in-parts)); the same numbers, on the CPU',
  ddp_timeout: 'seconds that a process of a job waits for the others, before the job is ended; not set: 1800',
  memory:
    '`lean` makes the outputs of norms and gates again in the backward pass instead of keeping them, and runs the first eighth of the blocks again: the same bits, less memory; `fast` keeps them; `auto` decides by the memory that is free, and the summary says why',
  bf16: '`auto` computes as the checkpoint is stored (GGUF: f32; f16: bf16); `true`, `full` or `false` decide',
  // Adapter
  adapter:
    "`lora` or `dora` ([adapters/lora.md](adapters/lora.md)); `qlora`, LoRA on a base in 4 bits ([quantization.md](quantization.md)); another method of PEFT ([guides/adapters.md](guides/adapters.md)); the name of a plugin's adapter; or `none` (also when not set): all weights are trained",
  plugins:
    'modules to load: a path from the folder of this file, such as `./mine.ts`, or an installed package, with a range of versions where that matters: `npm:tritune-plugin-foo@^1.2` ([plugins.md](plugins.md))',
  adapter_options:
    "options of any adapter but lora, which checks them itself; those of PEFT's methods are named as PEFT names them",
  quantizer:
    "packs the frozen weights of the linear layers while they are loaded: `nf4` or `fp4` (options `block`, `double_quant`), `int8`, `ternary`, `bitnet` (options `scale`, `span`, `group`), or the name of a plugin's; options as in `{ name: nf4, double_quant: false }`. Without an adapter `bitnet` trains the weights that it rounds (option `sub_norm`: [bitnet.md](bitnet.md)). `quantization: bitnet` is the same. `qat` trains weights that torchao will round to `int4`, `nvfp4` or `mxfp4` (options `weight_dtype`, `activation_dtype`, `group_size`, `fake_quant_after_n_steps`), as axolotl’s `qat:` does",
  load_in_4bit:
    'packs the base into 4 bits while it is loaded: `nf4` with double quantization, unless `bnb_config_kwargs` says otherwise. `adapter: qlora` alone means it too. A base that is stored packed stays as it is ([quantization.md](quantization.md))',
  load_in_8bit: 'packs the base into rows of int8 while it is loaded, with the outlier columns of LLM.int8',
  bnb_config_kwargs:
    "fields of transformers' BitsAndBytesConfig: `bnb_4bit_quant_type` (`nf4`, `fp4`), `bnb_4bit_use_double_quant`, `bnb_4bit_compute_dtype` (decides `bf16: auto`), `llm_int8_threshold`, `llm_int8_skip_modules`",
  lora_model_dir: 'start from this adapter instead of a fresh one',
  lora_r: 'rank; also of other methods that have one, unless `adapter_options` says it',
  lora_alpha: 'the update is scaled by alpha / rank; as `lora_r` for other methods',
  lora_dropout: 'chance to drop an input of the update, below 1; as `lora_r` for other methods',
  lora_target_modules:
    'name endings, or a regular expression on the whole path; not set: `q_proj` and `v_proj` (gpt2: `c_attn`), for ia3 as in PEFT. For every adapter',
  lora_target_linear: 'all linear layers but the output head. For every adapter',
  lora_exclude_modules: 'layers that are left out. For every adapter',
  lora_target_parameters:
    'weights by the names of the parameters (`mlp.down_proj.weight`), as PEFT has it for what is no module. Alone it goes on nothing else; nothing is dropped there',
  peft_layers_to_transform: 'only these layer numbers. For every adapter',
  peft_layers_pattern:
    'what stands before the number of a layer in its path, such as `layers` or an expression, where it is not clear. For every adapter',
  lora_rank_pattern: 'other ranks for some layers: a name or regular expression for each',
  lora_alpha_pattern: 'other alphas for some layers',
  peft_use_rslora: 'scale by alpha / √rank',
  peft_init_lora_weights:
    'how the factors start: `true`, `gaussian`, `orthogonal`; `pissa`, `pissa_niter_16`, `olora` (the main part of the weight), `loftq` (what 4 bits leave of it), `eva` (the main part of what the layer gets, found in the data); `false`: both random, for tests ([adapters/lora.md](adapters/lora.md))',
  peft_use_dora:
    'DoRA: the length of each row of the weight is trained beside its direction; the same as `adapter: dora`',
  peft: '`{ loftq_config: { loftq_bits: 4, loftq_iter: 1 } }`: `loftq` as the start',
  loraplus_lr_ratio: 'LoRA+: B learns so many times as fast as A',
  loraplus_lr_embedding: 'LoRA+: the learning rate of the factors of an embedding',
  lora_modules_to_save:
    'layers and norms that are trained whole and saved beside the adapter, by the endings of their names: `[embed_tokens, lm_head]` ([new-tokens.md](adapters/new-tokens.md))',
  peft_trainable_token_indices:
    'token ids whose rows are trained beside the adapter: of the embedding (and the head that is tied to it), or of layers by name, `{ embed_tokens: [5], lm_head: [5] }`. Rows of new tokens are trained in any case',
  peft_ensure_weight_tying:
    'where embedding and head are one weight: a LoRA on one of them, or what `lora_modules_to_save` makes of it, is the other’s too',
  // Data
  datasets: 'a list; the keys of an entry are below',
  test_datasets: 'entries to evaluate on, instead of `val_set_size`',
  val_set_size:
    'examples kept for evaluation: a part below 1, or a number of them, from the end of the (shuffled) examples',
  max_skipped_share:
    'the largest part of the records of an entry that may have nothing to learn; more stops the run',
  shuffle_merged_datasets: 'shuffle the examples of all datasets once, by `seed`',
  dataset_prepared_path:
    'a folder in which tokens are kept for the next run; those of types of plugins only where the type has a `recipe` ([plugins.md](plugins.md))',
  dataset_processes:
    'threads that tokenise JSON Lines and Parquet; not set: one for each processor, where there is enough to do; `0`: none. The examples are the same',
  dataset_exact_deduplication: 'of examples with the same tokens and labels the first one stays',
  dataset_near_deduplication:
    'of examples that have so large a part of their runs of five tokens in common (such as `0.8`; estimated by MinHash) the first one stays',
  streaming:
    'examples are read, tokenised and shuffled while the run goes on, in memory that does not grow with the data; needs `max_steps`: [guides/data.md](guides/data.md#more-data-than-memory)',
  streaming_multipack_buffer_size:
    'with `streaming`: how many examples are read ahead, shuffled and packed together',
  sequence_len: 'the most tokens of an example, and the length of a packed row',
  excess_length_strategy: 'what happens to longer examples: `drop`, `truncate` or `raise`',
  min_sample_len: 'shorter examples are dropped',
  sample_packing: 'fill rows with whole documents; attention never crosses their borders',
  eval_sample_packing: 'as `sample_packing`',
  train_on_inputs: 'learn the prompt too',
  group_by_length:
    'examples of like length meet in a step, ordered as transformers orders them: mixed, then sorted within blocks of up to 50 steps, the longest first. Packed rows are all of one length and stay mixed',
  curriculum_sampling:
    'examples in the order of the data in every epoch; `shuffle_merged_datasets` mixes several datasets before that',
  sample_packing_sequentially:
    'packed rows are filled one after the other, in the order of the examples, instead of first-fit-decreasing: more rows',
  dataloader_drop_last:
    'leave out of each epoch the examples (or packed rows) that do not fill a step; other ones in each epoch',
  chat_template:
    "the tokenizer's own (`tokenizer_default`), one by its name ([plugins/data/README.md](../plugins/data/README.md#chat-templates)), that where the tokenizer has none (`tokenizer_default_fallback_` and the name), or `jinja`",
  chat_template_jinja:
    'the template itself, or the path of a file with it; parsed at the start, whatever the data',
  eot_tokens: 'tokens that end a turn; not set: the EOS token',
  special_tokens:
    "tokens to use instead of the tokenizer's; those that the vocabulary lacks are added. `additional_special_tokens` is a list of more",
  tokens: 'added to the vocabulary, each as one token ([new-tokens.md](adapters/new-tokens.md))',
  added_tokens_overrides:
    'other texts for tokens that the tokenizer keeps in reserve, by id: `{ 128011: "<|tool|>" }`. Nothing grows',
  resize_token_embeddings_to_32x: 'when the vocabulary grows, to a multiple of 32',
  mean_resizing_embeddings:
    "rows of new tokens start around the mean of the others, as transformers does by default; else, as axolotl does, around 0 with the model's `initializer_range`",
  // Training
  learning_rate:
    'the highest one; `2e-4` may be written without a dot. `auto`: short branches from the start of the run look for it, for at most 15 % of its steps ([optimizers.md](optimizers.md))',
  embedding_lr:
    'the learning rate of input embeddings and output head, where they are trained; they do not decay then',
  embedding_lr_scale: 'the same as a factor on `learning_rate`; it wins',
  lr_groups:
    'learning rates of some parameters: a list of mappings with `name`, `modules` (parts of the names of parameters) and `lr`',
  unfrozen_parameters:
    'without an adapter, only these weights are trained: expressions that are found in their names, in which a dot is a dot, such as `["^lm_head.weight$", "layers.2[0-9]."]`',
  neftune_noise_alpha:
    'noise on the embeddings in training ([NEFTune](https://arxiv.org/abs/2310.05914)), uniform in ± alpha / √(tokens of the row × channels); 5 is usual',
  label_smoothing_factor:
    'share of each label that all tokens get alike (`label_smoothing` of `objective: cross_entropy`), in evaluations too',
  num_epochs: 'may be a fraction',
  max_steps: 'instead of what the epochs take; 0 and -1 are as if not set',
  micro_batch_size:
    'documents, or packed rows, that are computed at once; `auto`: as many as fit in the memory by the [estimate](command.md#estimate), of those that `batch_size` (or `gradient_accumulation_steps`) gives to a step',
  gradient_accumulation_steps:
    'micro-batches of a step; not set: 1, or what `batch_size` gives. `auto`, beside `micro_batch_size: auto` and `learning_rate: auto`: none are accumulated, the micro-batch that learns fastest is the batch, and `batch_size` is the one that `adam_beta2` is for ([optimizers.md](optimizers.md#a-batch-that-is-chosen))',
  batch_size: 'documents of a step: `micro_batch_size` × accumulation',
  eval_batch_size: 'as `micro_batch_size`',
  optimizer:
    "`adamw_torch_fused`, `adamw_torch`, `adamw`, `adamw_apex_fused`, `optimi_adamw` and `paged_adamw_32bit` are the same AdamW here; `adamw_8bit`, `adamw_bnb_8bit` and `paged_adamw_8bit` keep its moments in 8 bits as bitsandbytes does, for tensors from 4096 elements, and so do torchao’s `adamw_torch_8bit` (`ao_adamw_8bit`, `ao_adamw_fp8`, `adamw_torch_4bit`, `ao_adamw_4bit`) with a note; `paged_…` keep their state in a file; `lion` (`lion_pytorch`, `lion_32bit`, `paged_lion_32bit`), `lion_8bit` (`paged_lion_8bit`), `adafactor`, `muon`, `soap`, `schedule_free_adamw`, `sgd`, `rmsprop` ([optimizers.md](optimizers.md)); or the name of a plugin's",
  optim_args:
    "options of the optimizer, which checks them itself ([optimizers.md](optimizers.md)); AdamW's are the `adam_*` keys",
  transforms:
    'what happens to the gradients before they are clipped: names, or mappings with `name` and options; `clip` is built in',
  trl: 'how: `num_generations`, `beta`, `max_completion_length`, `reward_funcs`, …, as in trl and axolotl ([grpo.md](grpo.md))',
  rewards: 'a module whose exported functions are rewards; its path starts at the folder of this file',
  objective: 'the loss: a name, or a mapping with `name` and options',
  rl: 'training from preferences: `dpo`, `ipo`, `orpo`, `kto`, `simpo` or `cpo` ([preferences.md](preferences.md)); or by rewards: `grpo` ([grpo.md](grpo.md))',
  rl_beta: 'how far the model may go from the reference; small values let it go further. Not set: 0.1',
  dpo_loss_type: 'the losses of `rl: dpo`: one or several of trl’s names. Not set: `[sigmoid]`',
  dpo_loss_weights: 'a weight for each of them. Not set: 1',
  dpo_label_smoothing: 'share of the pairs that may be the wrong way round',
  precompute_ref_log_probs:
    'the reference is always computed once, before the first step, so either value gives the same numbers',
  orpo_alpha: 'weight of the odds ratio of `rl: orpo`, another name of `rl_beta`. Not set: 0.1',
  simpo_gamma: 'by how much the better answer is to be ahead in `rl: simpo`. Not set: 0.5',
  cpo_alpha:
    'weight of the negative log-likelihood of the better answers in `rl: simpo` and `cpo`. Not set: 1',
  kto_desirable_weight: 'weight of good answers in `rl: kto`. Not set: 1',
  kto_undesirable_weight: 'weight of bad answers. Not set: 1',
  reward_model: 'train a model that scores answers, from pairs: it gets a head of one score',
  center_rewards_coefficient: 'of a reward model: weight of what keeps its scores around 0; 0.01 is usual',
  num_labels: 'scores of a reward model: 1',
  kd_teacher:
    'learn from a larger model: its folder, its .gguf file or its name on the hub; it has the tokenizer of `base_model` ([preferences.md](preferences.md#distillation))',
  kd_trainer: 'what axolotl asks for distillation with; needs `kd_teacher`',
  kd_temperature: 'by which the logits of both models are divided. Not set: 1',
  kd_alpha: 'weight of the divergence from the larger model. Not set: 0.5',
  kd_ce_alpha: 'weight of the cross-entropy beside it. Not set: 0.5',
  kd_beta: '0: KL(teacher ‖ student), 1: the other way round, between them a mixture. Not set: 0',
  strategy: 'what wraps the training step: one or a list of names or mappings, the first is the outermost',
  sampler: "the order of the examples: a plugin's name or mapping; not set: a shuffle by `seed` and epoch",
  adam_beta1: 'decay of the first moment of AdamW; also of Lion, Muon, SOAP and schedule-free AdamW',
  adam_beta2: 'decay of the second moment of AdamW; also of Lion, Muon, SOAP and schedule-free AdamW',
  adam_beta2_half_life:
    'instead of `adam_beta2`: the tokens in which the second moment forgets half, whatever the batch is ([optimizers.md](optimizers.md#a-second-moment-by-tokens)); `1e7` is usual',
  adam_epsilon: 'added to the root of the second moment, so that nothing is divided by 0',
  weight_decay:
    'decoupled; biases and the weights of norms do not decay, as with transformers. Embeddings do',
  max_grad_norm: 'gradients are scaled down to this norm; 0 does not clip',
  lr_scheduler:
    '`cosine`, `linear`, `constant`, `constant_with_warmup`, `warmup_stable_decay` (or `wsd`), `cosine_with_restarts`, `cosine_with_min_lr`, `cosine_warmup_with_min_lr`, `polynomial`, `inverse_sqrt`, `rex`, `two_stage`, `one_cycle`, or `reduce_lr_on_plateau`, which follows the evaluations ([optimizers.md](optimizers.md#schedules))',
  lr_scheduler_kwargs:
    'options of the schedule, as transformers and torch name them ([optimizers.md](optimizers.md#schedules))',
  cosine_min_lr_ratio: '`cosine` and `rex` never fall below this part of the highest',
  cosine_constant_lr_ratio:
    'with `cosine_min_lr_ratio`: `cosine` is at its lowest after this part of the steps, and stays there',
  lr_quadratic_warmup: 'the warm-up of `cosine` is a parabola',
  warmup_steps: 'or below 1 a part of all steps; not set: 3 % of the steps, at most 100',
  warmup_ratio: 'the same as a part of all steps; `warmup_steps: 0` beside it is no warm-up',
  gradient_checkpointing:
    'less memory, one more forward pass; `offload` and `offload_disk` are `true` with `activation_offloading: true` and `disk`; `unsloth` is read as `true`',
  activation_offloading:
    'what `gradient_checkpointing` keeps waits outside of the device: on a GPU in the memory of the host, on the CPU in a file; `disk`: in a file everywhere; `legacy` is read as `true` ([memory](guides/memory-of-a-run.md#activations-outside-of-memory))',
  activation_offloading_dir: 'the folder of that file; not set: `output_dir`',
  seed: 'decides order, initial values and dropout',
  // Evaluating, saving, stopping
  eval_strategy: '`no`, `steps` or `epoch`; seldom needed beside the next two',
  eval_steps: 'steps between evaluations, or below 1 a part of all steps; 0: none',
  evals_per_epoch:
    'counted in the steps that are run: 4 with `max_steps: 8` and one epoch is every 2 steps. Neither set: at the end of each epoch where there is something to evaluate on; 0: none',
  save_strategy: '`no`, `steps` or `epoch`',
  save_steps: 'steps between checkpoints, or below 1 a part of all steps; 0: none',
  saves_per_epoch: 'as `evals_per_epoch`. Neither set: at the end of each epoch; 0: only at the end',
  save_total_limit: 'keep the newest checkpoints, so many; the best one stays',
  load_best_model_at_end:
    'save the weights of the best evaluation. Not set: with `early_stopping_patience` only',
  metric_for_best_model:
    'what an evaluation is the best by: `loss`, `perplexity`, or another number that evaluations have in metrics.jsonl, with `eval_` or without',
  greater_is_better:
    'whether more of it is better. Not set: not of what ends in `loss`, nor of `perplexity`; else yes',
  early_stopping_patience: 'stop after so many evaluations without a better one',
  loss_watchdog_threshold: 'stop when the loss stays above this',
  loss_watchdog_patience: 'for so many steps',
  advise:
    'who looks at the loss while it goes and says what is odd; nothing is changed by it: `true` (all), `false` (none), or some of `learning_rate`, `curve`, `alerts`, `spikes` ([advise](advise/README.md))',
  logging_steps: 'lines printed when the output is no terminal; `metrics.jsonl` has every step',
  monitors:
    'who watches the run besides metrics.jsonl and the terminal: names, or mappings with `name` and options',
  use_tensorboard:
    'write event files for TensorBoard below `output_dir/tensorboard` ([runs](runs.md#trackers))',
  use_wandb:
    'tell the run to Weights & Biases; needs `WANDB_API_KEY`. A server that is away never ends the run',
  wandb_project: 'the project; naming one asks for the tracker where there is a key',
  wandb_entity: 'user or team; not set: that of the key',
  wandb_name: 'name of the run; not set: that of `output_dir`',
  wandb_run_id: 'id of the run; not set: `run_id` of run.json',
  wandb_mode: '`online`; `offline` and `disabled` tell nothing',
  use_mlflow: 'tell the run to an MLflow server',
  mlflow_tracking_uri: 'its address; not set: `MLFLOW_TRACKING_URI`',
  mlflow_experiment_name:
    'the experiment, made when it is not there; naming one asks for the tracker where there is an address',
  mlflow_run_name: 'name of the run; not set: that of `output_dir`',
  generate_samples:
    'at each evaluation the model goes on with some texts of the validation set, and what it writes is told',
  num_generation_samples: 'how many',
  generation_max_new_tokens: 'how long at most',
  generation_prompt_ratio: 'the part of each text that it is given',
  generation_do_sample: '`false`: the most likely token each time',
  generation_temperature: 'of the sampling',
  generation_top_k: 'only the k most likely tokens',
  generation_top_p: 'only the most likely tokens with this much probability',
  histogram_steps:
    'steps between histograms of the trained weights and their gradients, in histograms.jsonl; not set: none',
  output_dir: 'the adapter (or the model), `metrics.jsonl`, and `checkpoint-N` folders',
  resume_from_checkpoint: "a checkpoint's folder",
  hub_model_id:
    'push the result to this repository of the hub (`org/name`, private, made when it is not there); needs `HF_TOKEN`. A push that fails never ends the run',
  hub_strategy:
    '`end`: at the end; `every_save`: also the weights of each checkpoint, which the run waits for; `checkpoint`: besides, the newest checkpoint as `last-checkpoint`, to resume from; `all_checkpoints`: every checkpoint as its folder',
  hub_revision: 'a branch of the repository; made when it is not there',
  auto_resume_from_checkpoints: 'go on from the newest checkpoint if there is one; `--resume` insists on one',
}

/** A text of `key-docs.ts` without links, for editors. */
export function plainDoc(markdown: string): string {
  return markdown.replace(/\[([^\]]+)\]\([^)]+\)/g, '$1')
}
