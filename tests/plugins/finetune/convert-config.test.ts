/** Files of mlx-lm and LLaMA-Factory as files of a run: no key is lost, and what comes out is one. The keys and values are those of the tools' own examples. */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { type ConvertedConfig, convertConfig, finetuneConfig } from '../../../plugins/finetune/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

type Keys = Readonly<Record<string, unknown>>

const MLX: Keys = {
  model: './nowhere',
  train: true,
  fine_tune_type: 'lora',
  optimizer: 'adamw',
  data: 'data',
  seed: 0,
  num_layers: 1,
  batch_size: 4,
  iters: 1000,
  val_batches: 25,
  learning_rate: 1e-5,
  steps_per_report: 10,
  steps_per_eval: 200,
  grad_accumulation_steps: 1,
  resume_adapter_file: null,
  adapter_path: 'adapters',
  save_every: 100,
  test: false,
  test_batches: 100,
  max_seq_length: 2048,
  grad_checkpoint: false,
  lora_parameters: { keys: ['self_attn.q_proj', 'self_attn.v_proj'], rank: 8, scale: 20, dropout: 0 },
}

const SFT: Keys = {
  model_name_or_path: 'Qwen/Qwen3-4B-Instruct-2507',
  trust_remote_code: true,
  stage: 'sft',
  do_train: true,
  finetuning_type: 'lora',
  lora_rank: 8,
  lora_target: 'all',
  dataset: 'identity,conversations',
  template: 'qwen3_nothink',
  cutoff_len: 2048,
  max_samples: 1000,
  preprocessing_num_workers: 16,
  dataloader_num_workers: 4,
  output_dir: 'saves/sft',
  logging_steps: 10,
  save_steps: 500,
  plot_loss: true,
  overwrite_output_dir: true,
  save_only_model: false,
  report_to: 'none',
  per_device_train_batch_size: 1,
  gradient_accumulation_steps: 8,
  learning_rate: 1e-4,
  num_train_epochs: 3,
  lr_scheduler_type: 'cosine',
  warmup_ratio: 0.1,
  bf16: true,
  ddp_timeout: 180000000,
  resume_from_checkpoint: null,
}

const DPO: Keys = { ...SFT, stage: 'dpo', pref_beta: 0.1, pref_loss: 'sigmoid', dataset: 'pairs' }

const INFO = {
  identity: { file_name: 'identity.json' },
  conversations: {
    file_name: 'chats.json',
    formatting: 'sharegpt',
    columns: { messages: 'conversations', tools: 'tools' },
  },
  pairs: {
    file_name: 'pairs.json',
    ranking: true,
    formatting: 'sharegpt',
    columns: { messages: 'conversations' },
  },
  tagged: {
    file_name: 'tagged.json',
    ranking: true,
    formatting: 'openai',
    columns: { messages: 'messages', chosen: 'good', rejected: 'bad' },
    tags: { role_tag: 'role', content_tag: 'content', user_tag: 'user', assistant_tag: 'assistant' },
  },
  labelled: { file_name: 'labelled.json', columns: { kto_tag: 'liked', history: 'history' } },
  labelled_chats: { file_name: 'chats.json', formatting: 'sharegpt', columns: { kto_tag: 'liked' } },
  online: { hf_hub_url: 'org/name', subset: 'en', split: 'test', num_samples: 7 },
}

function space(): { readonly path: string } & Disposable {
  const folder = temporaryFolder()
  writeTinyModel(join(folder.path, 'model'), {})
  mkdirSync(join(folder.path, 'data'))
  writeFileSync(join(folder.path, 'data/dataset_info.json'), JSON.stringify(INFO))
  writeFileSync(join(folder.path, 'data/train.jsonl'), '{"prompt": "a", "completion": "b"}\n')
  writeFileSync(join(folder.path, 'data/valid.jsonl'), '{"prompt": "c", "completion": "d"}\n')
  return folder
}

const convert = (keys: Keys, datasetDir?: string): Promise<ConvertedConfig> =>
  convertConfig(stringify(keys), 'their.yaml', datasetDir === undefined ? {} : { datasetDir })

function refusals({ account }: ConvertedConfig): string[] {
  return account.filter(({ fate }) => fate === 'refused').map(({ key, said }) => `${key}: ${said}`)
}

function expectAll(keys: Keys, found: ConvertedConfig): void {
  expect(found.account.map(({ key }) => key).filter((key) => Object.hasOwn(keys, key))).toEqual(
    Object.keys(keys),
  )
}

describe('mlx-lm', () => {
  test('its file is one of a run, with every key accounted for', async () => {
    using folder = space()
    const [model, data] = ['model', 'data'].map((name) => join(folder.path, name))
    const keys = { ...MLX, model, data }
    const found = await convert(keys)
    expectAll(keys, found)
    expect([found.tool, refusals(found)]).toEqual(['mlx-lm', []])
    const written: unknown = parse(found.text)
    expect(finetuneConfig.validate(written)).toMatchObject({
      base_model: model,
      adapter: 'lora',
      lora_r: 8,
      lora_alpha: 160,
      lora_target_modules: ['self_attn.q_proj', 'self_attn.v_proj'],
      peft_layers_to_transform: [1],
      micro_batch_size: 4,
      max_steps: 1000,
      eval_steps: 200,
      save_steps: 100,
      weight_decay: 0.01,
      lr_scheduler: 'constant',
      warmup_steps: 0,
      max_grad_norm: 0,
      train_on_inputs: true,
      sequence_len: 2048,
      excess_length_strategy: 'truncate',
    })
    expect(written).toMatchObject({
      datasets: [{ path: join(data, 'train.jsonl') }],
      test_datasets: [{ path: join(data, 'valid.jsonl'), split: 'train[:100]' }],
    })
  })

  test('its data are told by the first record, after a byte order mark too', async () => {
    using folder = space()
    const data = join(folder.path, 'data')
    writeFileSync(
      join(data, 'train.jsonl'),
      '\uFEFF{"messages": [{"role": "user", "content": "a"}]}\n{"text": "b"}\n',
    )
    const { text } = await convert({ ...MLX, data, num_layers: -1 })
    expect(parse(text)).toMatchObject({ datasets: [{ type: 'chat_template', field_messages: 'messages' }] })
  })

  test('its steps are micro-batches', async () => {
    using folder = space()
    const { text } = await convert({
      ...MLX,
      data: join(folder.path, 'data'),
      num_layers: -1,
      grad_accumulation_steps: 4,
    })
    expect(parse(text)).toMatchObject({
      max_steps: 250,
      eval_steps: 50,
      save_steps: 25,
      gradient_accumulation_steps: 4,
    })
  })

  test('a schedule becomes one', async () => {
    const lr_schedule = {
      name: 'cosine_decay',
      warmup: 100,
      warmup_init: 1e-7,
      arguments: [1e-4, 1000, 1e-6],
    }
    const found = await convert({ ...MLX, num_layers: -1, lr_schedule })
    const written: unknown = parse(found.text)
    expect(written).toMatchObject({ lr_scheduler: 'cosine', warmup_steps: 100, learning_rate: 1e-4 })
    expect(Reflect.get(Object(written), 'cosine_min_lr_ratio')).toBeCloseTo(0.01, 12)
    expect(refusals(await convert({ ...MLX, num_layers: -1, lr_schedule: { name: 'step_decay' } }))).toEqual([
      'lr_schedule: there is no step_decay; cosine_decay is there',
    ])
  })

  test('what is not there is refused with the reason', async () => {
    const found = await convert({
      ...MLX,
      resume_adapter_file: 'adapters.safetensors',
      test: true,
      mistake: 3,
    })
    expect(refusals(found).map((line) => line.split(':')[0])).toEqual([
      'num_layers',
      'resume_adapter_file',
      'test',
      'mistake',
    ])
    expect(found.text).toContain(
      '# NOT carried over:\n#   num_layers: how many layers the model has is not known',
    )
  })
})

describe('LLaMA-Factory', () => {
  test('its SFT file is one of a run, with every key accounted for and its data looked up', async () => {
    using folder = space()
    const data = join(folder.path, 'data')
    const found = await convert(SFT, data)
    expectAll(SFT, found)
    expect([found.tool, refusals(found)]).toEqual(['LLaMA-Factory', []])
    const written: unknown = parse(found.text)
    expect(finetuneConfig.validate(written)).toMatchObject({
      lora_r: 8,
      lora_alpha: 16,
      lora_target_linear: true,
      gradient_checkpointing: true,
      lr_scheduler: 'cosine',
      warmup_ratio: 0.1,
      num_epochs: 3,
    })
    expect(written).toMatchObject({
      datasets: [
        {
          path: join(data, 'identity.json'),
          split: 'train[:1000]',
          type: { field_instruction: 'instruction' },
        },
        {
          path: join(data, 'chats.json'),
          type: 'chat_template',
          field_messages: 'conversations',
          field_tools: 'tools',
          message_property_mappings: { role: 'from', content: 'value' },
        },
      ],
    })
  })

  test('its DPO file asks for DPO', async () => {
    using folder = space()
    const data = join(folder.path, 'data')
    const found = await convert(DPO, data)
    expectAll(DPO, found)
    expect(parse(found.text)).toMatchObject({
      rl: 'dpo',
      rl_beta: 0.1,
      datasets: [{ path: join(data, 'pairs.json'), type: 'chat_template.default' }],
    })
  })

  test('pairs have the tags of their dataset, and the keys of other stages have no effect', async () => {
    using folder = space()
    const keys = { ...DPO, dataset: 'tagged', kto_chosen_weight: 1, simpo_gamma: 0.5, dpo_label_smoothing: 0 }
    const found = await convert(keys, join(folder.path, 'data'))
    expectAll(keys, found)
    expect(refusals(found)).toEqual([])
    const written: unknown = parse(found.text)
    expect(finetuneConfig.validate(written).objective.name).toBe('dpo')
    expect(written).toMatchObject({
      datasets: [
        {
          type: 'chat_template.default',
          field_messages: 'messages',
          field_chosen: 'good',
          field_rejected: 'bad',
          message_property_mappings: { role: 'role', content: 'content' },
          roles: { user: ['user'] },
        },
      ],
    })
    const sft = await convert({ ...SFT, pref_beta: 0.1, pref_ftx: 0 }, join(folder.path, 'data'))
    expect(refusals(sft)).toEqual([])
  })

  test('KTO takes rows with a label, and refuses conversations', async () => {
    using folder = space()
    const data = join(folder.path, 'data')
    const keys = { ...SFT, stage: 'kto', pref_beta: 0.1, dataset: 'labelled' }
    const found = await convert(keys, data)
    expect(refusals(found)).toEqual([])
    expect(finetuneConfig.validate(parse(found.text)).objective.name).toBe('kto')
    expect(parse(found.text)).toMatchObject({
      rl: 'kto',
      datasets: [{ type: { field_prompt: 'instruction', field_completion: 'output', field_label: 'liked' } }],
    })
    expect(found.account.find(({ key }) => key === 'dataset')?.said).toContain('history')
    expect(refusals(await convert({ ...keys, dataset: 'labelled_chats' }, data))[0]).toStartWith(
      'dataset: labelled_chats: conversations with a label',
    )
  })

  test.each([['sigmoid'], ['hinge']])('pref_ftx is sft beside %s', async (pref_loss) => {
    using folder = space()
    const found = await convert({ ...DPO, pref_ftx: 0.5, pref_loss }, join(folder.path, 'data'))
    expect(refusals(found)).toEqual([])
    expect(finetuneConfig.validate(parse(found.text)).objective).toMatchObject({
      name: 'dpo',
      options: { loss_type: [pref_loss, 'sft'], loss_weights: [1, 0.5] },
    })
  })

  test('several keys make one mapping', async () => {
    using folder = space()
    const found = await convert(
      { ...SFT, quantization_bit: 4, quantization_type: 'fp4', double_quantization: false },
      join(folder.path, 'data'),
    )
    expect(parse(found.text)).toMatchObject({
      bnb_config_kwargs: { bnb_4bit_quant_type: 'fp4', bnb_4bit_use_double_quant: false },
    })
  })

  test('data on the hub, in 4 bits, and by default', async () => {
    using folder = space()
    const { lr_scheduler_type: _, learning_rate: _rate, ...rest } = SFT
    const found = await convert(
      { ...rest, dataset: 'online', quantization_bit: 4, quantization_method: 'bnb' },
      join(folder.path, 'data'),
    )
    expect(parse(found.text)).toMatchObject({
      load_in_4bit: true,
      lr_scheduler: 'linear',
      learning_rate: 5e-5,
      datasets: [{ path: 'org/name', name: 'en', split: 'test[:7]' }],
    })
  })

  test('names that dataset_info.json lacks, and a file without it, are refused', async () => {
    using folder = space()
    const data = join(folder.path, 'data')
    expect(refusals(await convert({ ...SFT, dataset: 'identity,other' }, data))[0]).toContain('other: not in')
    expect(refusals(await convert(SFT, join(folder.path, 'none')))[0]).toContain('dataset_info.json to look')
    writeFileSync(join(data, 'dataset_info.json'), '{')
    expect(convert(SFT, data)).rejects.toThrow('is no valid JSON')
  })

  test('other ways to train are refused, and what is wrong with the result is told', async () => {
    using folder = space()
    const found = await convert(
      { ...SFT, use_galore: true, stage: 'ppo', learning_rate: -1 },
      join(folder.path, 'data'),
    )
    expect(refusals(found).map((line) => line.split(':')[0])).toEqual([
      'stage',
      'use_galore',
      'learning_rate',
    ])
  })
})

test('a file of neither is an error', () => {
  expect(convertConfig('base_model: x\n', 'a.yaml')).rejects.toThrow('no file of mlx-lm or LLaMA-Factory')
  expect(convertConfig('- a\n', 'a.yaml')).rejects.toThrow('expected a mapping')
})
