/**
 * `adapter: qlora`, `load_in_4bit`, `load_in_8bit` and `bnb_config_kwargs`: which quantizer they stand for, and what does not go together.
 */
import { describe, expect, test } from 'bun:test'
import { ConfigError, isQuantized } from '../../../core/mod.ts'
import { finetuneConfig, prepareRun, summarize, train } from '../../../plugins/finetune/mod.ts'
import { cpu, fileBytes, workspace } from './_run.ts'

const BASE = { base_model: 'm', learning_rate: 1e-4, datasets: [{ path: 'd.jsonl', type: 'alpaca' }] }
const quantizerOf = (keys: object): unknown => {
  const { adapter, quantizer } = finetuneConfig.validate({ ...BASE, adapter: 'lora', ...keys })
  expect(adapter).toBe('lora')
  return quantizer
}
const faultsOf = (keys: object): string[] => {
  try {
    finetuneConfig.validate({ ...BASE, ...keys })
  } catch (error) {
    if (error instanceof ConfigError)
      return error.failures.map(({ path, what }) => `${path.join('.')}: ${what}`)
    throw error
  }
  return []
}

describe('axolotl', () => {
  test('takes nf4 with double quantization for 4 bits, a threshold of 6 for 8', () => {
    const four = { name: 'nf4', options: { double_quant: true } }
    expect(quantizerOf({ adapter: 'qlora', load_in_4bit: true })).toEqual(four)
    expect(quantizerOf({ adapter: 'qlora' })).toEqual(four)
    expect(quantizerOf({ load_in_4bit: true })).toEqual(four)
    expect(quantizerOf({ load_in_8bit: true })).toEqual({ name: 'int8', options: { threshold: 6 } })
    expect(quantizerOf({ load_in_8bit: false, load_in_4bit: false })).toBeNull()
    expect(quantizerOf({ adapter: 'qlora', quantizer: { name: 'fp4', block: 128 } })).toEqual({
      name: 'fp4',
      options: { block: 128 },
    })
  })

  test('reads the fields of BitsAndBytesConfig', () => {
    const bnb_config_kwargs = {
      bnb_4bit_quant_type: 'fp4',
      bnb_4bit_use_double_quant: false,
      bnb_4bit_quant_storage: 'bfloat16',
      llm_int8_threshold: 0,
    }
    expect(quantizerOf({ load_in_4bit: true, bnb_config_kwargs })).toEqual({
      name: 'fp4',
      options: { double_quant: false },
    })
    expect(quantizerOf({ load_in_8bit: true, bnb_config_kwargs })).toEqual({
      name: 'int8',
      options: { threshold: 0 },
    })
    const bf16Of = (dtype: string, bf16?: boolean): unknown =>
      finetuneConfig.validate({
        ...BASE,
        bf16,
        adapter: 'qlora',
        bnb_config_kwargs: { bnb_4bit_compute_dtype: dtype },
      }).bf16
    expect([bf16Of('float32'), bf16Of('bfloat16'), bf16Of('float16'), bf16Of('bfloat16', false)]).toEqual([
      false,
      true,
      true,
      false,
    ])
    const { notes } = finetuneConfig.validate({ ...BASE, adapter: 'lora', bnb_config_kwargs })
    expect(notes.join()).toContain('bnb_config_kwargs is ignored')
  })
})

test('what does not go together is named', () => {
  expect(faultsOf({ load_in_4bit: true })).toEqual([
    'load_in_4bit: packed weights cannot be trained, and without an adapter all are',
  ])
  expect(faultsOf({ adapter: 'lora', load_in_4bit: true, load_in_8bit: true })).toEqual([
    'load_in_8bit: give either load_in_4bit or load_in_8bit, not both',
  ])
  expect(faultsOf({ adapter: 'qlora', load_in_8bit: true })[0]).toContain('for 8 bits write adapter: lora')
  expect(faultsOf({ adapter: 'lora', load_in_4bit: true, quantizer: 'nf4' })).toEqual([
    'quantizer: give either quantizer or load_in_4bit, not both',
  ])
  expect(faultsOf({ adapter: 'qlora', bnb_config_kwargs: { bnb_4bit_quant_type: 'int4' } })[0]).toStartWith(
    'bnb_config_kwargs.bnb_4bit_quant_type: expected one of nf4, fp4',
  )
  expect(faultsOf({ adapter: 'qlora', bnb_config_kwargs: { llm_int8_has_fp16_weight: true } })).toHaveLength(
    1,
  )
})

test('a QLoRA of an axolotl file trains on a packed base and saves a LoRA', async () => {
  using space = workspace({ hidden_size: 64, intermediate_size: 128 })
  const config = space.config({
    adapter: 'qlora',
    load_in_4bit: true,
    gptq: false,
    bnb_config_kwargs: { llm_int8_skip_modules: ['down_proj'] },
  })
  using run = await prepareRun(config, { device: cpu })
  const packed = [...run.model.layers.values()].filter(({ weight }) => isQuantized(weight))
  expect(packed.map(({ path }) => path.split('.').at(-1))).not.toContain('down_proj')
  expect(packed).toHaveLength(12)
  expect(summarize(run).join('\n')).toContain('quantizer  nf4')
  await train(run)
  const saved = JSON.parse(fileBytes(config.output_dir, 'adapter_config.json').toString())
  expect(saved.peft_type).toBe('LORA')
})
