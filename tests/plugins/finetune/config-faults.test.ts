/**
 * What a person reads who gets a file wrong: every fault at once, each at its line, and no consequences of other faults.
 */
import { describe, expect, test } from 'bun:test'
import { TrituneError } from '../../../core/mod.ts'
import { readFinetuneConfig } from '../../../plugins/finetune/config/config.ts'

const MINIMAL = 'base_model: m\nlearning_rate: 1e-4\ndatasets: [{ path: a.jsonl, type: alpaca }]\n'

/** The lines of the message without remedies. */
function faults(text: string): string[] {
  return messageOf(text)
    .split('\n')
    .filter((line) => !line.startsWith('  → '))
}

function messageOf(text: string): string {
  try {
    readFinetuneConfig(text, 'f.yaml')
  } catch (error) {
    if (error instanceof TrituneError) return error.message
    throw error
  }
  throw new Error(`expected an error for ${text}`)
}

describe('a required key', () => {
  test('that is missing is named with a line to write', () => {
    expect(messageOf('lora_r: 8\n')).toBe(
      [
        'f.yaml base_model: this key is required',
        '  → for example base_model: HuggingFaceTB/SmolLM2-135M-Instruct',
        'f.yaml learning_rate: this key is required',
        '  → for example learning_rate: 2e-4',
        'f.yaml datasets: this key is required',
        '  → for example datasets: [{ path: my-data.jsonl, type: alpaca }]',
      ].join('\n'),
    )
    expect(messageOf(MINIMAL.replace('path: a.jsonl, ', ''))).toBe(
      'f.yaml:3:12 datasets[0].path: this key is required\n  → for example path: my-data.jsonl',
    )
  })

  test('that has no value is named too', () => {
    expect(messageOf(MINIMAL.replace('1e-4', ''))).toBe(
      'f.yaml:2:1 learning_rate: this key is required and has no value: expected a number > 0\n  → for example learning_rate: 2e-4',
    )
  })
})

describe('all faults of a file', () => {
  test('are told at once, in the order of the file: unknown keys, values, and what does not go together', () => {
    const text = `${MINIMAL}relora: true
lora_r: eight
warmup_steps: 5
warmup_ratio: 0.1
sequence_len: 100
min_sample_len: 200
leraning_rate: 3
`
    expect(faults(text).map((line) => line.slice(0, 48))).toEqual([
      'f.yaml:4:1 relora: not supported yet (ReLoRA), g',
      'f.yaml:5:1 lora_r: expected an integer ≥ 1, got ',
      'f.yaml:7:1 warmup_ratio: give either warmup_step',
      'f.yaml:9:1 min_sample_len: expected at most sequ',
      'f.yaml:10:1 leraning_rate: unknown key "leraning',
    ])
  })

  test('leave out what is wrong only because of another one', () => {
    expect(faults(`${MINIMAL}adapter: lroa\nlora_r: 16\n`)).toHaveLength(1)
    // Whether there is something to evaluate on cannot be said.
    expect(faults(`${MINIMAL}val_set_size: many\neval_steps: 5\n`)).toHaveLength(1)
    expect(faults(`${MINIMAL}sequence_len: long\nmin_sample_len: 900\n`)).toHaveLength(1)
    // The records of a method are refused with the method that reads them.
    const steps = MINIMAL.replace('type: alpaca', 'type: stepwise_supervised, step_separator: c')
    expect(faults(`${steps}process_reward_model: true\n`)).toHaveLength(1)
    expect(faults(`${MINIMAL}pretraining_dataset: [{ path: x }]\n`)).toEqual([
      'f.yaml:4:1 pretraining_dataset: give either datasets or pretraining_dataset, not both',
    ])
  })

  test('are at most twenty lines and a count, and take no longer than they are many', () => {
    const unknown = (count: number): string =>
      MINIMAL + Array.from({ length: count }, (_, i) => `unknown_key_${i}: ${i}\n`).join('')
    const message = messageOf(unknown(20_000))
    expect(message.split('\n')).toHaveLength(21)
    expect(message).toEndWith('… and 19980 more')
    const seconds = (count: number): number => {
      const text = unknown(count)
      const start = performance.now()
      messageOf(text)
      return performance.now() - start
    }
    seconds(2000)
    const [few, many] = [Math.min(seconds(4000), seconds(4000), seconds(4000)), seconds(32_000)]
    // Eight times as many; quadratic time would be 64 times as long.
    expect(many / few).toBeLessThan(32)
  })

  test('of a wrong value for many keys are counted as well', () => {
    const entries = Array.from({ length: 300 }, () => '{ path: a, typ: alpaca }').join(', ')
    const message = messageOf(MINIMAL.replace(/datasets.*/, `datasets: [${entries}]`))
    expect(message.split('\n')).toHaveLength(21)
    expect(message).toEndWith('… and 280 more')
  })

  test('show neither long names nor long values in full', () => {
    const long = 'x'.repeat(100_000)
    expect(messageOf(`${MINIMAL}? ${long}\n: 1\nlora_r: ${long}\noptimizer: ${long}\n`).length).toBeLessThan(
      200_500,
    )
    expect(messageOf(`${MINIMAL}lora_r: ${long}\nlr_scheduler: ${long}\n`).length).toBeLessThan(600)
  })
})

describe('a file of another tool', () => {
  test('is recognized, and every key says what it is called here', () => {
    const factory = `model_name_or_path: m
stage: sft
finetuning_type: lora
dataset: alpaca_en
template: qwen
cutoff_len: 2048
learning_rate: 1.0e-4
num_train_epochs: 3.0
per_device_train_batch_size: 1
`
    const lines = faults(factory)
    expect(lines[0]).toBe(
      'f.yaml:1:1 model_name_or_path: unknown key "model_name_or_path": this looks like a file of LLaMA-Factory; here the key is base_model',
    )
    // Neither base_model nor datasets is asked for: the file has them under other names.
    expect(lines.map((line) => line.split(': ')[0].split(' ')[1])).toEqual([
      'model_name_or_path',
      'stage',
      'finetuning_type',
      'dataset',
      'template',
      'cutoff_len',
      'num_train_epochs',
      'per_device_train_batch_size',
    ])
  })

  test.each([
    [
      'mlx-lm',
      'model: m\ntrain: true\ndata: d\niters: 600\nfine_tune_type: lora\nbatch_size: 4\n',
      'max_steps',
    ],
    ['TRL', 'model_name_or_path: m\ndataset_name: d\nuse_peft: true\nmax_length: 512\n', 'adapter: lora'],
    ['unsloth', 'model_name: m\nmax_seq_length: 2048\nr: 16\ntarget_modules: [q_proj]\n', 'lora_r'],
    [
      'torchtune',
      'tokenizer: {}\ncheckpointer: {}\ndataset: {}\nepochs: 1\nclip_grad_norm: 1.0\n',
      'max_grad_norm',
    ],
  ])('of %s', (tool, text, here) => {
    const message = messageOf(text)
    expect(message).toContain(`this looks like a file of ${tool}`)
    expect(message).toContain(here)
    expect(message).not.toContain('did you mean')
  })

  test.each([
    [
      'LLaMA-Factory',
      'model_name_or_path: m\nstage: sft\ndo_train: true\nfinetuning_type: lora\nlora_target: all\ndataset: d\ntemplate: qwen\ncutoff_len: 2048\nper_device_train_batch_size: 1\nnum_train_epochs: 3.0\n',
      '5e-5',
    ],
    ['TRL', 'model_name_or_path: m\ndataset_name: d\nuse_peft: true\nmax_length: 512\n', '2e-5'],
    ['mlx-lm', 'model: m\ntrain: true\ndata: d\niters: 600\nfine_tune_type: lora\n', '1e-5'],
  ])(
    'of %s without a learning rate: one is asked for, with what the tool would have taken',
    (tool, text, rate) => {
      expect(messageOf(text)).toContain(
        `f.yaml learning_rate: this key is required\n  → ${tool} takes learning_rate: ${rate} where its file does not say; for example learning_rate: 2e-4`,
      )
    },
  )

  test('has keys that mean something else here', () => {
    const message = messageOf('model: m\niters: 600\nbatch_size: 4\n')
    expect(message).toContain(
      'batch_size: this looks like a file of mlx-lm, where it means what is micro_batch_size',
    )
  })

  test('one foreign key is no file of another tool', () => {
    expect(messageOf(`${MINIMAL}lora_rank: 8\n`)).toContain(
      'it is one of LLaMA-Factory; here the key is lora_r',
    )
  })
})
