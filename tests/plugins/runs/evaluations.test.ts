/**
 * What evaluations tell besides the loss: samples, histograms, and which one is the best.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { listCheckpoints } from '../../../plugins/finetune/mod.ts'
import { createBestMetric } from '../../../plugins/finetune/checkpoints/best-metric.ts'
import { readRun, readRunLines } from '../../../plugins/runs/mod.ts'
import { fileBytes, metricsOf, workspace } from '../finetune/_run.ts'

const EVALUATED = { val_set_size: 4, eval_steps: 3 }

test('samples: the same beginnings at each evaluation, and the run is the same as without', async () => {
  using plain = workspace()
  await plain.train(EVALUATED)
  using space = workspace()
  const { outputDir } = await space.train({
    ...EVALUATED,
    generate_samples: true,
    num_generation_samples: 2,
    generation_max_new_tokens: 5,
    generation_prompt_ratio: 0.4,
  })
  const samples = readRunLines(outputDir, 'events').filter(({ type }) => type === 'sample')
  expect(samples.map(({ step }) => step)).toEqual([3, 3, 6, 6])
  expect(samples.slice(0, 2).map(({ prompt }) => prompt)).toEqual(
    samples.slice(2).map(({ prompt }) => prompt),
  )
  for (const { prompt, completion } of samples)
    expect([typeof prompt, typeof completion]).toEqual(['string', 'string'])
  expect(fileBytes(outputDir, 'adapter_model.safetensors')).toEqual(
    fileBytes(plain.path, 'out', 'adapter_model.safetensors'),
  )
  expect(metricsOf(outputDir)).toEqual(metricsOf(join(plain.path, 'out')))
})

test('histograms: every number of every trained tensor is in a bin, and the run is the same as without', async () => {
  using plain = workspace()
  await plain.train()
  using space = workspace()
  const { outputDir } = await space.train({ histogram_steps: 3 })
  const lines = readRunLines(outputDir, 'histograms')
  expect(new Set(lines.map(({ step }) => step))).toEqual(new Set([3, 6]))
  const names = new Set(lines.map(({ name, of }) => `${of} ${name}`))
  expect(names).toContain('gradient model.layers.1.mlp.down_proj.lora_B.weight')
  expect(lines.length).toBe(2 * names.size)
  for (const { edges, counts, min, max, mean, std, odd } of lines) {
    expect(edges.length).toBe(counts.length + 1)
    expect([edges[0], edges.at(-1)]).toEqual([min, max])
    expect(odd).toBe(0)
    expect(counts.reduce((a, b) => a + b, 0)).toBeGreaterThan(0)
    expect(mean).toBeWithin(min - 1e-12, max + 1e-12)
    expect(std).toBeGreaterThanOrEqual(0)
  }
  expect(fileBytes(outputDir, 'adapter_model.safetensors')).toEqual(
    fileBytes(plain.path, 'out', 'adapter_model.safetensors'),
  )
})

test('metric_for_best_model: another number, and more of it, decides which checkpoint is kept', async () => {
  using space = workspace()
  const changes = {
    ...EVALUATED,
    eval_steps: 1,
    save_strategy: undefined,
    save_steps: 1,
    save_total_limit: 2,
    load_best_model_at_end: true,
  }
  // Of the loss the least is the best; asked for the greatest, the first one of a run that learns is.
  const { outputDir, result } = await space.train({
    ...changes,
    metric_for_best_model: 'eval_perplexity',
    greater_is_better: true,
  })
  const losses = readRunLines(outputDir, 'metrics').flatMap(({ step, eval_loss: loss }) =>
    loss ? [{ step, loss }] : [],
  )
  const [worst] = losses.toSorted((a, b) => b.loss - a.loss)
  expect(result.best).toEqual(worst)
  expect(readRun(outputDir)).toMatchObject({ best_step: worst.step, best_loss: worst.loss })
  expect(listCheckpoints(outputDir).map(({ step }) => step)).toEqual([worst.step, 6])
})

test('a resumed run compares with the best of before', async () => {
  using whole = workspace()
  const changes = {
    ...EVALUATED,
    eval_steps: 1,
    save_strategy: undefined,
    save_steps: 2,
    load_best_model_at_end: true,
    metric_for_best_model: 'perplexity',
    greater_is_better: true,
  }
  const { result } = await whole.train(changes)
  using space = workspace()
  const stop = new AbortController()
  await space.train(changes, {
    signal: stop.signal,
    onEvent: (event) => {
      if (event.type === 'step' && event.report.step === 3) stop.abort()
    },
  })
  const resumed = await space.train(changes, { resume: 'newest' })
  expect(resumed.result.best).toEqual(result.best)
  expect(readRun(resumed.outputDir).best_step).toBe(result.best?.step ?? null)
})

test('a number that evaluations do not have is refused with those that they have', async () => {
  using space = workspace()
  const failing = space.train({ ...EVALUATED, metric_for_best_model: 'eval_accuracy' })
  expect(await failing.catch((error: unknown) => String(error))).toContain('no number "accuracy"')
})

test('which way is better follows the name, as in transformers', () => {
  const better = (name: string, greater: boolean | null = null): boolean =>
    createBestMetric({ metric_for_best_model: name, greater_is_better: greater }).isBetter(2, 1)
  expect([
    better('loss'),
    better('my_loss'),
    better('perplexity'),
    better('accuracy'),
    better('loss', true),
    better('accuracy', false),
  ]).toEqual([false, false, false, true, true, false])
})
