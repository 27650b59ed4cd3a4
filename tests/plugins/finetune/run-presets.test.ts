/**
 * The bundled files that a run can extend: each is right, and says what its name stands for.
 */
import { expect, test } from 'bun:test'
import { type FinetuneConfig, readFinetuneConfig, runPresets } from '../../../plugins/finetune/mod.ts'

function extending(name: string, overrides: readonly string[] = []): FinetuneConfig {
  const text = `extends: ${name}\npretraining_dataset:\n  - path: books.jsonl\n`
  return readFinetuneConfig(text, 'run.yaml', { overrides })
}

/** Learning rate, its lowest, weight decay, β2, warm-up, decay, steps, micro-batch, accumulation, tokens, dropout. */
const TABLE = {
  fast_iteration_100m: [3e-4, 3e-6, 0.01, 0.999, 0.01, 0.1, 10_000, 4, 2, 512, 0.1],
  generalist_100m: [1e-3, 1e-5, 0.05, 0.999, 0.02, 0.2, 100_000, 2, 16, 2048, 0.05],
  production_100m: [3e-4, 1e-5, 0.1, 0.95, 0.03, 0.3, 100_000, 2, 16, 2048, 0],
  research_assistant_100m: [6e-5, 6e-7, 0.1, 0.95, 0.05, 0.2, 50_000, 2, 8, 1024, 0.05],
  specialist_100m: [6e-4, 1e-5, 0.1, 0.95, 0.05, 0.3, 50_000, 2, 12, 1024, 0.1],
} as const

test('all of them are here', () => {
  expect([...runPresets().keys()]).toEqual(Object.keys(TABLE))
})

test.each(Object.entries(TABLE))('%s', (name, row) => {
  const config = extending(name)
  const { num_decay_steps: decay = 0, min_lr_ratio: least = 0 } = config.lr_scheduler_kwargs
  const { learning_rate: rate, max_steps: steps } = config
  const found = [
    rate,
    Number((rate * least).toPrecision(2)),
    config.weight_decay,
    config.adam_beta2,
    config.warmup_ratio,
    decay / Number(steps),
    steps,
    config.micro_batch_size,
    config.gradient_accumulation_steps,
    config.sequence_len,
    config.overrides_of_model_config['dropout'],
  ]
  expect(found).toEqual([...row])
  expect(config.preset).toBe('tritter-small')
})

test('what the file and the command line say holds', () => {
  const config = extending('fast_iteration_100m', [
    'overrides_of_model_config.num_hidden_layers=2',
    'max_steps=5',
  ])
  expect(config.max_steps).toBe(5)
  expect(config.overrides_of_model_config).toMatchObject({ num_hidden_layers: 2, intermediate_size: 3072 })
  expect(extending('./none.yaml', ['extends=fast_iteration_100m']).learning_rate).toBe(3e-4)
})
