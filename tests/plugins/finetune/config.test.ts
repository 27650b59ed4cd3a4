import { describe, expect, test } from 'bun:test'
import { TrituneError } from '../../../core/errors.ts'
import {
  IGNORED_DATASET_KEYS,
  IGNORED_KEYS,
  UNSUPPORTED_DATASET_KEYS,
  UNSUPPORTED_KEYS,
} from '../../../plugins/finetune/config/keys/axolotl-keys.ts'
import { finetuneConfig, readFinetuneConfig, warmupSteps } from '../../../plugins/finetune/config/config.ts'
import { finetuneSchema } from '../../../plugins/finetune/config/finetune-schema.ts'

/** Shaped like the LoRA example that axolotl users start from. */
const LORA_YAML = `base_model: NousResearch/Llama-3.2-1B
model_type: LlamaForCausalLM
tokenizer_type: AutoTokenizer
load_in_8bit: false
load_in_4bit: false
strict: false

datasets:
  - path: data/alpaca.jsonl
    type: alpaca
dataset_prepared_path: last_run_prepared
val_set_size: 0.1
output_dir: ./outputs/lora-out

adapter: lora
lora_model_dir:
sequence_len: 2048
sample_packing: true
pad_to_sequence_len: true
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
lora_target_linear: true
lora_fan_in_fan_out:
lora_target_modules:
  - q_proj
  - v_proj

wandb_project:
wandb_entity:
wandb_log_model:

gradient_accumulation_steps: 2
micro_batch_size: 2
num_epochs: 1
optimizer: adamw_torch
lr_scheduler: cosine
learning_rate: 2e-4

train_on_inputs: false
group_by_length: false
bf16: auto
fp16:
tf32: false
gradient_checkpointing: true
gradient_checkpointing_kwargs:
  use_reentrant: false
early_stopping_patience:
resume_from_checkpoint:
local_rank:
logging_steps: 1
flash_attention: true
loss_watchdog_threshold: 5.0
loss_watchdog_patience: 3
warmup_steps: 10
evals_per_epoch: 4
saves_per_epoch: 1
debug:
deepspeed:
weight_decay: 0.0
fsdp:
fsdp_config:
special_tokens:
  pad_token: "<|end_of_text|>"
`

const MINIMAL = { base_model: 'm', learning_rate: 1e-4, datasets: [{ path: 'a.jsonl', type: 'alpaca' }] }

function errorOf(input: object): TrituneError {
  try {
    finetuneConfig.validate({ ...MINIMAL, ...input })
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error(`expected an error for ${JSON.stringify(input)}`)
}

describe('readFinetuneConfig()', () => {
  test('takes a plain axolotl LoRA file as it is', () => {
    const config = readFinetuneConfig(LORA_YAML, 'lora.yml')
    expect(config).toMatchObject({
      adapter: 'lora',
      lora_r: 16,
      lora_target_modules: ['q_proj', 'v_proj'],
      lora_target_linear: true,
      eval_sample_packing: true,
      optimizer: 'adamw',
      learning_rate: 2e-4,
      evals_per_epoch: 4,
      eval_steps: null,
      warmup_steps: 10,
      eval_batch_size: 2,
    })
    expect(config.special_tokens.pad_token).toBe('<|end_of_text|>')
    expect(config.notes.some((note) => note.startsWith('flash_attention is ignored'))).toBe(true)
    expect(config.notes.some((note) => note.startsWith('tf32'))).toBe(false)
  })

  test('puts the line on an unsupported key', () => {
    try {
      readFinetuneConfig(LORA_YAML.replace('lora_fan_in_fan_out:', 'peft_layer_replication: [2]'), 'lora.yml')
      throw new Error('expected an error')
    } catch (error) {
      expect(String(error)).toContain('peft_layer_replication: not supported yet (layer replication)')
    }
  })

  test('names `--set` as the place of an override', () => {
    expect(() => readFinetuneConfig(LORA_YAML, 'lora.yml', { overrides: ['lora_r=0'] })).toThrow(
      '--set lora_r: expected an integer ≥ 1, got 0',
    )
  })

  test('takes less than 10 ms once warm', () => {
    for (let i = 0; i < 20; i++) readFinetuneConfig(LORA_YAML, 'lora.yml')
    const times = Array.from({ length: 20 }, () => {
      const start = performance.now()
      readFinetuneConfig(LORA_YAML, 'lora.yml')
      return performance.now() - start
    })
    expect(Math.min(...times)).toBeLessThan(10)
  })
})

describe('finetuneConfig', () => {
  test('fills in the defaults of axolotl', () => {
    const config = finetuneConfig.validate(MINIMAL)
    expect(config).toMatchObject({
      adapter: null,
      sequence_len: 512,
      micro_batch_size: 1,
      gradient_accumulation_steps: 1,
      num_epochs: 1,
      lr_scheduler: 'cosine',
      excess_length_strategy: 'drop',
      output_dir: './model-out',
      seed: 42,
      save_strategy: 'epoch',
      save_total_limit: 4,
      eval_strategy: 'no',
      load_best_model_at_end: false,
      notes: [],
    })
    expect(config.datasets[0]).toMatchObject({
      roles_to_train: ['assistant'],
      train_on_eos: 'turn',
      field: 'text',
    })
  })

  test('refuses values that do not exist here yet', () => {
    expect(errorOf({ optimizer: 'dion' }).message).toContain('"dion" is not supported yet')
    for (const optimizer of ['soap_8bit', 'paged_soap'])
      expect(errorOf({ optimizer }).message).toContain(`"${optimizer}" is not supported yet`)
    expect(errorOf({ lr_scheduler: 'greedy' }).message).toContain('"greedy" is not supported yet')
    expect(errorOf({ peft_init_lora_weights: 'corda' }).message).toContain('"corda" is not supported yet')
    expect(errorOf({ relora: true }).code).toBe('E_CONFIG_KEY')
    expect(finetuneConfig.validate({ ...MINIMAL, relora: false }).notes).toEqual([])
  })

  test('8-bit AdamW has the names of transformers, also paged', () => {
    for (const optimizer of ['adamw_8bit', 'adamw_bnb_8bit'])
      expect(finetuneConfig.validate({ ...MINIMAL, optimizer })).toMatchObject({
        optimizer: 'adamw_8bit',
        notes: [],
      })
    const paged = finetuneConfig.validate({ ...MINIMAL, optimizer: 'paged_adamw_8bit' })
    expect(paged).toMatchObject({ optimizer: 'adamw_8bit', pagedOptimizer: true, notes: [] })
    expect(finetuneConfig.validate({ ...MINIMAL, optimizer: 'paged_adamw_32bit' }).optimizer).toBe('adamw')
    expect(finetuneConfig.validate(MINIMAL).pagedOptimizer).toBe(false)
  })

  test('optimizers have the names of transformers and axolotl', () => {
    const names = {
      lion_pytorch: 'lion',
      lion_32bit: 'lion',
      lion_8bit: 'lion_8bit',
      muon: 'muon',
      adafactor: 'adafactor',
      soap: 'soap',
    }
    for (const [optimizer, ours] of Object.entries(names))
      expect(finetuneConfig.validate({ ...MINIMAL, optimizer })).toMatchObject({ optimizer: ours, notes: [] })
    const paged = finetuneConfig.validate({ ...MINIMAL, optimizer: 'paged_lion_8bit' })
    expect(paged).toMatchObject({ optimizer: 'lion_8bit', pagedOptimizer: true, notes: [] })
    const free = { ...MINIMAL, optimizer: 'schedule_free_adamw' }
    expect(finetuneConfig.validate(free).notes.join()).toContain('lr_scheduler: constant')
    expect(finetuneConfig.validate({ ...free, lr_scheduler: 'constant' }).notes).toEqual([])
    expect(errorOf({ optimizer: 'adamw_8bit', optim_args: { beta1: 0.5 } }).message).toContain('adam_*')
  })

  test('takes the names of devices, and no other', () => {
    for (const device of ['auto', 'cpu', 'cuda', 'cuda:1', 'cuda-emulated'])
      expect(String(finetuneConfig.validate({ ...MINIMAL, device }).device)).toBe(device)
    expect(errorOf({ device: 'gpu' }).message).toBe(
      'device: expected one of auto, cpu, wasm, cuda, cuda-emulated (did you mean "cpu"?), got "gpu"',
    )
    for (const device of ['cuda:', 'cuda:-1', 'cuda:x', 1]) expect(errorOf({ device }).code).toBe('E_CONFIG')
  })

  test('refuses unknown keys and names the nearest one', () => {
    expect(errorOf({ lora_rr: 8 }).message).toContain('"lora_r"')
    expect(errorOf({ datasets: [{ path: 'a', type: 'alpaca', feild: 'x' }] }).message).toBe(
      'datasets[0].feild: unknown key "feild"; did you mean "field" or "seed"?',
    )
  })

  test('refuses every unsupported key that asks for something, and takes it empty', () => {
    for (const [name, { harmless, shortFor }] of Object.entries(UNSUPPORTED_KEYS)) {
      const asked = shortFor ? { weight_dtype: 'int4', group_size: 32 } : 'something'
      expect(errorOf({ [name]: asked })).toMatchObject({ code: 'E_CONFIG_KEY', place: name })
      for (const empty of [null, false, '', [], {}, ...(harmless ?? [])]) {
        expect(finetuneConfig.validate({ ...MINIMAL, [name]: empty }).notes).toEqual([])
      }
    }
  })

  test('takes every ignored key with a note', () => {
    for (const name of Object.keys(IGNORED_KEYS)) {
      const { notes } = finetuneConfig.validate({ ...MINIMAL, [name]: true })
      expect(notes).toHaveLength(1)
      expect(notes[0]).toStartWith(`${name} is ignored: `)
    }
  })

  test('has each key in one place only', () => {
    const used = Object.keys(Reflect.get(finetuneSchema, 'entries'))
    const all = [...used, ...Object.keys(IGNORED_KEYS), ...Object.keys(UNSUPPORTED_KEYS)]
    expect(all.filter((name, index) => all.indexOf(name) !== index)).toEqual([])
    const inDatasets = [...Object.keys(IGNORED_DATASET_KEYS), ...Object.keys(UNSUPPORTED_DATASET_KEYS)]
    expect(new Set(inDatasets).size).toBe(inDatasets.length)
  })

  test('accepts a configuration path that repeats the model', () => {
    expect(finetuneConfig.validate({ ...MINIMAL, base_model_config: 'm' }).base_model).toBe('m')
    expect(errorOf({ base_model_config: 'other' }).code).toBe('E_CONFIG_KEY')
  })

  test('reads old names', () => {
    const config = finetuneConfig.validate({ ...MINIMAL, val_set_size: 2, evaluation_strategy: 'epoch' })
    expect(config.eval_strategy).toBe('epoch')
    expect(config.notes).toEqual(['evaluation_strategy is read as eval_strategy'])
    expect(errorOf({ dpo_beta: 0.1 }).place).toBe('dpo_beta')
    const [dataset] = finetuneConfig.validate({
      ...MINIMAL,
      datasets: [
        { path: 'a', type: 'chat_template', message_field_role: 'from', message_field_content: 'value' },
      ],
    }).datasets
    expect(dataset.message_property_mappings).toEqual({ role: 'from', content: 'value' })
  })

  test('refuses what does not go together', () => {
    const cases: [object, string][] = [
      [{ warmup_steps: 1, warmup_ratio: 0.1 }, 'either warmup_steps or warmup_ratio'],
      [{ val_set_size: 0.1, eval_steps: 1, evals_per_epoch: 1 }, 'either eval_steps or evals_per_epoch'],
      [{ save_steps: 1, saves_per_epoch: 1 }, 'either save_steps or saves_per_epoch'],
      [{ eval_steps: 5 }, 'nothing to evaluate on'],
      [{ load_best_model_at_end: true }, 'needs evaluation'],
      [{ early_stopping_patience: 2 }, 'needs evaluation'],
      [{ load_best_model_at_end: true, val_set_size: 0.1, save_strategy: 'no' }, 'saving is off'],
      [{ batch_size: 8, gradient_accumulation_steps: 2 }, 'either gradient_accumulation_steps or batch_size'],
      [{ batch_size: 7, micro_batch_size: 2 }, 'multiple of micro_batch_size'],
      [
        { val_set_size: 0.1, test_datasets: [{ path: 'b', type: 'alpaca' }] },
        'either val_set_size or test_datasets',
      ],
      [{ val_set_size: 1.5 }, 'a whole number of examples'],
      [{ chat_template: 'jinja' }, 'needs chat_template_jinja'],
      [{ chat_template: 'chatml', chat_template_jinja: 'x' }, 'chat_template is chatml'],
      [{ lora_model_dir: 'x' }, 'needs an adapter, such as adapter: lora'],
      [{ lr_scheduler_kwargs: { num_decay_steps: 5 } }, 'is for warmup_stable_decay, not for cosine'],
      [{ lr_scheduler: 'cosine_with_min_lr' }, 'needs its lowest learning rate'],
      [
        { lr_scheduler: 'cosine_with_min_lr', lr_scheduler_kwargs: { min_lr: 0, min_lr_rate: 0.1 } },
        'either min_lr or min_lr_rate',
      ],
      [{ lr_scheduler: 'reduce_lr_on_plateau' }, 'reduce_lr_on_plateau needs evaluation'],
      [{ lr_scheduler: 'one_cycle', lr_scheduler_kwargs: { cycle_momentum: true } }, 'cycle_momentum'],
      [{ min_sample_len: 600 }, 'at most sequence_len'],
      [{ val_set_size: 1, eval_strategy: 'epoch', evals_per_epoch: 4 }, 'is epoch, but evals_per_epoch is 4'],
      [{ save_strategy: 'no', save_steps: 4 }, 'is no, but save_steps is 4'],
      [{ save_strategy: 'steps' }, 'needs save_steps or saves_per_epoch'],
      [{ plugins: ['axolotl.integrations.kd.KDPlugin'] }, 'a Python plugin'],
      [{ datasets: [] }, 'at least one dataset'],
      [{ datasets: [{ path: 'a', type: { format: '{x}', fomat: 'y' } }] }, 'did you mean "format"'],
    ]
    for (const [input, message] of cases) expect(errorOf(input).message).toContain(message)
  })

  test('derives the accumulation from batch_size', () => {
    expect(
      finetuneConfig.validate({ ...MINIMAL, batch_size: 8, micro_batch_size: 2 }).gradient_accumulation_steps,
    ).toBe(4)
  })

  test('drops the plugins of axolotl that only save time', () => {
    const config = finetuneConfig.validate({
      ...MINIMAL,
      plugins: ['axolotl.integrations.liger.LigerPlugin', './mine.ts'],
    })
    expect(config.plugins).toEqual(['./mine.ts'])
    expect(config.notes).toHaveLength(1)
  })
})

test('early stopping keeps the best weights unless the file says otherwise', () => {
  const stopping = { ...MINIMAL, val_set_size: 2, early_stopping_patience: 3 }
  const config = finetuneConfig.validate(stopping)
  expect(config.load_best_model_at_end).toBe(true)
  expect(config.notes.join()).toContain('the best weights are kept')
  const last = finetuneConfig.validate({ ...stopping, load_best_model_at_end: false })
  expect(last).toMatchObject({ load_best_model_at_end: false, notes: [] })
})

test('`warmupSteps()` takes steps, a ratio, or 3 % up to 100', () => {
  const { warmup_steps, warmup_ratio } = finetuneConfig.validate({
    ...MINIMAL,
    warmup_steps: 0,
    warmup_ratio: 0.1,
  })
  expect(warmupSteps({ warmup_steps, warmup_ratio }, 1000)).toBe(0)
  expect(warmupSteps({ warmup_steps: 7, warmup_ratio: null }, 1000)).toBe(7)
  expect(warmupSteps({ warmup_steps: null, warmup_ratio: 0.1 }, 1000)).toBe(100)
  expect(warmupSteps({ warmup_steps: null, warmup_ratio: null }, 1000)).toBe(30)
  expect(warmupSteps({ warmup_steps: null, warmup_ratio: null }, 100_000)).toBe(100)
})
