/** Keys that change nothing here, and other ways to write a value: accepted, with a note where something is left out. */
import { describe, expect, test } from 'bun:test'
import { type FinetuneConfig, readFinetuneConfig } from '../../../plugins/finetune/config/config.ts'

const MINIMAL = 'base_model: m\nlearning_rate: 1e-4\ndatasets: [{ path: a.jsonl, type: alpaca }]\n'

function read(text: string): FinetuneConfig {
  return readFinetuneConfig(MINIMAL + text, 'f.yaml')
}

describe('a note', () => {
  test.each([
    ['swanlab_mode: cloud\ncomet_workspace: w\nuse_trackio: true\n', 'this tracker is not there'],
    ['fsdp: [full_shard]\nfsdp_config: { offload_params: false }\n', 'shard_base: true'],
    ['deepspeed: zero3.json\n', 'zero_stage: 1'],
    ['liger_rms_norm_gated: true\n', 'fused kernels'],
    ['context_parallel_size: 4\n', 'every process has the whole model'],
    ['bfloat16: true\n', 'bfloat16 is read as bf16: true'],
    ['fp16: true\n', 'fp16 is read as bf16: true: f16 is computed in bf16'],
    ['optimizer: adamw_torch_8bit\n', 'as bitsandbytes does, in place of torchao’s 8 bits'],
    ['optimizer: ao_adamw_4bit\n', 'in place of 4 bits'],
    ['use_onebitllms: true\n', 'use_onebitllms is read as quantizer: bitnet'],
    ['tokenizer_use_mistral_common: true\n', 'tokenizer_default_fallback_mistral_v7_tekken'],
    ['fp8: true\n', 'fp8 is ignored: products of f8 are computed in bf16'],
    ['float32: true\n', 'float32 is read as bf16: false'],
    ['tokens: { pad_token: <pad> }\n', 'tokens is read as special_tokens'],
    ['gradient_checkpointing: unsloth\n', 'activations stay on the device'],
    ['save_only_model: true\n', 'checkpoints always hold the optimizer'],
    ['eval_table_size: 5\nwandb_log_model: end\n', 'files are not uploaded to trackers'],
    ['eta_min: 1e-7\nadam_eps: 1e-9\ntorch_dtype: bfloat16\n', 'axolotl does not read it either'],
    [
      'gptq_groupsize:\ngptq_model_v1:\n',
      'gptq_groupsize, gptq_model_v1 are ignored: unknown, and without a value',
    ],
    ['plugins: [axolotl.integrations.swanlab.SwanLabPlugin]\n', 'nothing is reported'],
    ['group_by_length: true\nsample_packing: true\n', 'group_by_length is ignored'],
  ])('%j', (text, note) => {
    const { notes } = read(text)
    expect(notes).toHaveLength(1)
    expect(notes[0]).toContain(note)
  })

  test('is one line for all keys with one reason, and shows no values', () => {
    const { notes } = read('comet_api_key: secret\nswanlab_project: e\nuse_comet: true\n')
    expect(notes).toHaveLength(1)
    expect(notes[0]).toStartWith('comet_api_key, swanlab_project, use_comet are ignored: ')
    expect(notes.join()).not.toContain('secret')
  })

  test('does not grow with the file', () => {
    const many = Array.from({ length: 5000 }, (_, i) => `empty_${i}:\n`).join('')
    expect(read(many).notes).toHaveLength(1)
    expect(read(many).notes[0].length).toBeLessThan(400)
  })
})

describe('a value', () => {
  test('of YAML 1.1 is what it is for Python', () => {
    expect(read('sequence_len: 500_000\nval_set_size: 1_000\n')).toMatchObject({
      sequence_len: 500_000,
      val_set_size: 1000,
    })
    expect(readFinetuneConfig(MINIMAL, 'f.yaml', { overrides: ['sequence_len=4_096'] }).sequence_len).toBe(
      4096,
    )
    expect(read('sample_packing: yes\ntrain_on_inputs: Off\n')).toMatchObject({
      sample_packing: true,
      train_on_inputs: false,
    })
    expect(read('weight_decay: 1e-2\nadam_epsilon: "1e-8"\nlora_r: "16"\n')).toMatchObject({
      weight_decay: 0.01,
      adam_epsilon: 1e-8,
      lora_r: 16,
    })
  })

  test('that asks for what is done in another way is that', () => {
    expect(read('bfloat16: true\n').bf16).toBe(true)
    expect(read('gradient_checkpointing: unsloth\n').gradient_checkpointing).toBe(true)
    expect(read('eval_steps: 0.1\nval_set_size: 2\nsave_steps: 0.25\n')).toMatchObject({
      eval_steps: 0.1,
      save_steps: 0.25,
    })
  })

  test('that is no number is told as it stands', () => {
    for (const value of ['.inf', '.nan', '99999999999999999999', '1.5', 'true', '2024-01-01', '[8]'])
      expect(() => read(`lora_r: ${value}\n`)).toThrow('f.yaml:4:1 lora_r: expected an integer ≥ 1')
    for (const value of ['1.5', '-2', '.nan'])
      expect(() => read(`val_set_size: 2\neval_steps: ${value}\n`)).toThrow('eval_steps: expected a')
  })
})

test('what is done in any case is no request', () => {
  for (const text of [
    'do_causal_lm_eval: true\neval_causal_lm_metrics: [perplexity]\n',
    'model_quantization_config: Mxfp4Config\nmodel_quantization_config_kwargs: { dequantize: true }\n',
  ])
    expect(read(text).notes).toEqual([])
  expect(() => read('do_causal_lm_eval: true\n')).toThrow('do_causal_lm_eval: not supported yet')
  expect(() => read('model_quantization_config: Mxfp4Config\n')).toThrow('not supported yet')
})

test('a key that would change the result is still refused', () => {
  for (const key of ['liger_use_token_scaling', 'relora', 'dynamic_checkpoint'])
    expect(() => read(`${key}: 4\n`)).toThrow(`${key}: not supported yet`)
  expect(() => read('gptq: false\nmisspelt_flag: false\n')).toThrow('unknown key "misspelt_flag"')
})

test('`__proto__` is an unknown key like any other', () => {
  expect(() => read('__proto__: { lora_r: 3 }\n')).toThrow('f.yaml:4:1 __proto__: unknown key "__proto__"')
  expect(read('constructor:\n').notes.join()).toContain('constructor is ignored')
})
