/**
 * Ends of a run other than its last step, and which checkpoints are left.
 */
import { expect, test } from 'bun:test'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { countLiveTensors, TrituneError } from '../../../core/mod.ts'
import { listCheckpoints, prepareRun, train } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter } from '../../../plugins/peft/mod.ts'
import { type Changes, cpu, fileBytes, metricsOf, type Workspace, workspace } from './_run.ts'

async function errorOf(space: Workspace, changes: Changes): Promise<TrituneError> {
  try {
    await space.train(changes)
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('the run went on')
}

const stepsOf = (outputDir: string): number[] => listCheckpoints(outputDir).map(({ step }) => step)

test('a NaN in a weight stops the run at once and names the layer where it shows first', async () => {
  using space = workspace({ num_hidden_layers: 3 })
  using run = await prepareRun(space.config(), { device: cpu })
  const planted = run.parameters.get('model.layers.1.mlp.up_proj.lora_A.weight')
  planted?.set(Array.from({ length: planted.size }, (_, i) => (i === 5 ? Number.NaN : 0.1)))
  const before = countLiveTensors()
  const error = await train(run).then(
    () => null,
    (caught: unknown) => caught,
  )
  expect(error instanceof TrituneError && error.code).toBe('E_NAN')
  expect(String(error)).toContain('step 1')
  expect(String(error)).toContain('model.layers.1.mlp.up_proj.lora_A.weight')
  expect(existsSync(join(run.config.output_dir, 'adapter_model.safetensors'))).toBe(false)
  // Gradients that were made, and the two tables of rope.
  expect(countLiveTensors() - before).toBeLessThanOrEqual(run.parameters.size + 2)
})

test('an activation that overflows is named by its place', async () => {
  using space = workspace({ num_hidden_layers: 3 })
  using run = await prepareRun(space.config(), { device: cpu })
  for (const factor of ['A', 'B']) {
    const planted = run.parameters.get(`model.layers.1.mlp.gate_proj.lora_${factor}.weight`)
    planted?.set(Array.from({ length: planted.size }, () => 1e30))
  }
  const error = await train(run).then(
    () => null,
    (caught: unknown) => caught,
  )
  expect(String(error)).toContain('first in the output of model.layers.1.mlp')
})

test('a run that diverges stops, says where, and keeps its last checkpoint', async () => {
  using space = workspace()
  const error = await errorOf(space, {
    learning_rate: 1e25,
    max_grad_norm: 0,
    max_steps: 50,
    save_strategy: undefined,
    save_steps: 1,
  })
  expect(error.code).toBe('E_NAN')
  expect(error.message).toMatch(/step \d+/)
  expect(error.message).toMatch(/the (weight|output of|gradient of) model\./)
  expect(error.remedy).toContain('learning_rate')
  const last = listCheckpoints(join(space.path, 'out')).at(-1)
  expect(last).toBeDefined()
  using model = loadModel(join(space.path, 'model'), { device: cpu })
  using _adapter = loadAdapter(model, last?.folder ?? '')
})

test('save_total_limit keeps the newest checkpoints', async () => {
  using space = workspace()
  const { outputDir, events } = await space.train({
    save_strategy: undefined,
    save_steps: 1,
    save_total_limit: 2,
  })
  expect(events.filter(({ type }) => type === 'save')).toHaveLength(6)
  expect(stepsOf(outputDir)).toEqual([5, 6])
})

/**
 * A model that knows English learns nonsense, and is evaluated on English after each step: the first step has learning
 * rate 0 and changes nothing, each one after it does damage.
 */
function gettingWorse(space: Workspace): Changes {
  const write = (name: string, texts: readonly string[]): string => {
    const path = join(space.path, name)
    writeFileSync(path, texts.map((text) => JSON.stringify({ text })).join('\n'))
    return path
  }
  const nonsense = ['zq xv zq xv zq xv zq xv', '## zx ## qv ## zx ## qv', 'qqq vvv xxx zzz qqq vvv']
  const english = ['The people of the United States have been at peace with the nations of the world.']
  return {
    base_model: fileURLToPath(new URL('../../../quickstart/model', import.meta.url)),
    datasets: [{ path: write('nonsense.jsonl', nonsense), type: 'completion' }],
    test_datasets: [{ path: write('english.jsonl', english), type: 'completion' }],
    gradient_accumulation_steps: 1,
    eval_steps: 1,
    learning_rate: 2e-2,
    lr_scheduler: 'constant_with_warmup',
    warmup_steps: 1,
    max_steps: 5,
  }
}

test('load_best_model_at_end keeps the best checkpoint and takes its weights', async () => {
  using space = workspace()
  const { result, outputDir, events } = await space.train({
    ...gettingWorse(space),
    save_strategy: undefined,
    save_steps: 1,
    save_total_limit: 2,
    load_best_model_at_end: true,
  })
  const evaluations = events.flatMap((event) => (event.type === 'eval' ? [event] : []))
  const best = evaluations.toSorted((a, b) => a.loss - b.loss)[0]
  expect(evaluations).toHaveLength(5)
  expect(result.best).toEqual({ loss: best.loss, step: 1 })
  expect(best.step).toBe(1)
  expect(stepsOf(outputDir)).toContain(best.step)
  expect(stepsOf(outputDir).length).toBeLessThanOrEqual(2)
  const file = 'adapter_model.safetensors'
  expect(fileBytes(outputDir, file).equals(fileBytes(outputDir, `checkpoint-${best.step}`, file))).toBe(true)
})

test('early stopping ends the run after as many evaluations without a better one', async () => {
  using space = workspace()
  const { result, events, outputDir } = await space.train({
    ...gettingWorse(space),
    max_steps: 30,
    early_stopping_patience: 2,
  })
  expect(result.stopped).toBe(false)
  expect(result.best?.step).toBe(1)
  expect(result.steps).toBe(3)
  expect(events.some((event) => event.type === 'note' && event.text.includes('stopped early'))).toBe(true)
  expect(existsSync(join(outputDir, 'adapter_model.safetensors'))).toBe(true)
})

test('the watchdog stops a run whose loss stays above the threshold', async () => {
  using space = workspace()
  const error = await errorOf(space, { loss_watchdog_threshold: 0.1, loss_watchdog_patience: 3 })
  expect(error.code).toBe('E_NAN')
  expect(error.message).toContain('the loss has been above 0.1 for 3 steps (step 3)')
  const { result } = await space.train({ loss_watchdog_threshold: 100, loss_watchdog_patience: 1 })
  expect(result.steps).toBe(6)
})

test('evaluations and saves come when they were asked for', async () => {
  using space = workspace()
  const { events, outputDir } = await space.train({
    val_set_size: 2,
    eval_steps: 2,
    save_strategy: undefined,
    save_steps: 3,
    max_steps: 7,
  })
  const at = (wanted: string): number[] =>
    events.flatMap((event) => (event.type === wanted && 'step' in event ? [event.step] : []))
  expect(at('eval')).toEqual([2, 4, 6, 7])
  expect(at('save')).toEqual([3, 6])
  expect(metricsOf(outputDir)).toHaveLength(7 + 4)
  expect(readdirSync(outputDir).filter((name) => name.startsWith('.'))).toEqual([])
})
