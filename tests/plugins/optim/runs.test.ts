/**
 * Whole runs with every optimizer of a file: they learn, and a run that was stopped and resumed is the run that was not, bit by bit,
 * however often it was evaluated and saved.
 */
import { describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../../../core/mod.ts'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { estimateMemory } from '../../../plugins/finetune/memory/estimate.ts'
import { prepareRun } from '../../../plugins/finetune/mod.ts'
import { readFloats, relativeError } from '../../_golden.ts'
import { type Changes, cpu, fileBytes, metricsOf, type Workspace, workspace } from '../finetune/_run.ts'

const RUNS: Readonly<Record<string, Changes>> = {
  lion_pytorch: { learning_rate: 1e-3 },
  lion_8bit: { learning_rate: 1e-3, adapter: 'none' },
  adafactor: { learning_rate: 1e-2, optim_args: { scale_parameter: false, beta1: 0.9 } },
  muon: { learning_rate: 1e-2, adapter: 'none', bf16: true, weight_decay: 0.1 },
  soap: { learning_rate: 3e-3, optim_args: { precondition_frequency: 2 } },
  schedule_free_adamw: { learning_rate: 2e-2, lr_scheduler: 'constant', optim_args: { warmup_steps: 2 } },
  sgd: { learning_rate: 0.5, optim_args: { momentum: 0.9, nesterov: true } },
  rmsprop: { learning_rate: 1e-3, weight_decay: 0.01 },
}
const ADAPTER = 'adapter_model.safetensors'

describe.each(Object.entries(RUNS))('%s', (optimizer, changes) => {
  test('learns, and resumes to the same bits', async () => {
    using space = workspace()
    const run = { ...changes, optimizer, save_strategy: undefined, save_steps: 2, max_steps: 10 }
    const whole = await space.train({ ...run, output_dir: join(space.path, 'whole') })
    expect(Math.min(...whole.losses.slice(6))).toBeLessThan(whole.losses[0])
    const outputDir = await stopped(space, run, 5)
    const parts = await space.train({ ...run, output_dir: outputDir }, { resume: 'newest' })
    expect(parts.losses).toEqual(whole.losses.slice(5))
    expect(metricsOf(outputDir)).toEqual(metricsOf(whole.outputDir))
    for (const name of readdirSync(join(whole.outputDir, 'checkpoint-10')))
      expect(
        fileBytes(outputDir, 'checkpoint-10', name).equals(fileBytes(whole.outputDir, 'checkpoint-10', name)),
        name,
      ).toBe(true)
  })
})

describe('schedule-free AdamW', () => {
  const free = {
    ...RUNS.schedule_free_adamw,
    optimizer: 'schedule_free_adamw',
    max_steps: 8,
    val_set_size: 3,
  }

  test('trains the same bits however often it is evaluated and saved', async () => {
    using space = workspace()
    const seldom = await space.train({ ...free, eval_steps: 8, output_dir: join(space.path, 'seldom') })
    const often = await space.train({
      ...free,
      eval_steps: 1,
      save_strategy: undefined,
      save_steps: 1,
      output_dir: join(space.path, 'often'),
    })
    expect(often.losses).toEqual(seldom.losses)
    expect(fileBytes(often.outputDir, ADAPTER).equals(fileBytes(seldom.outputDir, ADAPTER))).toBe(true)
  })

  test('saves the average, which is what was evaluated, and not what is trained', async () => {
    using space = workspace()
    const saving = { ...free, save_strategy: undefined, save_steps: 8, eval_steps: 8 }
    const { outputDir, events } = await space.train(saving)
    const folder = join(outputDir, 'checkpoint-8')
    expect(fileBytes(folder, ADAPTER).equals(fileBytes(outputDir, ADAPTER))).toBe(true)
    const [weights, state] = [
      openCheckpoint(join(folder, ADAPTER)),
      openCheckpoint(join(folder, 'state.safetensors')),
    ]
    const name =
      [...state.entries.keys()].find((key) => key.includes('.y.') && key.endsWith('lora_B.weight')) ?? ''
    const part = (letter: string): Float32Array => readFloats(state, name.replace('.y.', `.${letter}.`))
    const [y, z] = [part('y'), part('z')]
    const saved = readFloats(weights, `base_model.model.${name.split('.y.')[1]}`)
    expect(
      relativeError(
        y.map((value, i) => value / 0.9 + z[i] * (1 - 1 / 0.9)),
        saved,
      ),
    ).toBeLessThan(1e-5)
    expect(relativeError(y, saved)).toBeGreaterThan(1e-3)
    // The model that is left evaluates as the last evaluation said.
    const evaluated = events.flatMap((event) => (event.type === 'eval' ? [event.loss] : [])).at(-1)
    const again = await space.train({
      ...saving,
      max_steps: 1,
      learning_rate: 1e-30,
      lora_model_dir: outputDir,
      eval_steps: 1,
      output_dir: join(space.path, 'again'),
    })
    const [first] = again.events.flatMap((event) => (event.type === 'eval' ? [event.loss] : []))
    expect(first).toBeCloseTo(evaluated ?? 0, 5)
  })

  test('leaves the best weights, as their checkpoint has them', async () => {
    using space = workspace()
    const { result, outputDir } = await space.train({
      ...free,
      learning_rate: 1,
      max_grad_norm: 0,
      eval_steps: 1,
      load_best_model_at_end: true,
      save_strategy: undefined,
      save_steps: 4,
    })
    expect(result.best?.step).toBeLessThan(8)
    const best = join(outputDir, `checkpoint-${result.best?.step}`)
    expect(fileBytes(outputDir, ADAPTER).equals(fileBytes(best, ADAPTER))).toBe(true)
  })
})

describe('memory of the states, for each trained parameter', () => {
  test.each([
    ['adamw', 8],
    ['lion', 4],
    ['schedule_free_adamw', 8],
    ['sgd', 0],
  ])('%s: %p bytes', async (optimizer, bytes) => {
    using space = workspace()
    using run = await prepareRun(space.config({ optimizer, lr_scheduler: 'constant' }), { device: cpu })
    const trained = [...run.parameters.values()].reduce((sum, { size }) => sum + size, 0)
    expect(estimateMemory(run).optimizer).toBe(bytes * trained)
  })
})

describe('options of a file', () => {
  test('reach the optimizer; what is wrong is told at its key', async () => {
    using space = workspace()
    const failuresOf = async (changes: Changes): Promise<string[]> => {
      try {
        using _run = await prepareRun(space.config(changes), { device: cpu })
        return []
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error
        return error.failures.map(({ path, what }) => `${path.join('.')}: ${what}`)
      }
    }
    expect(await failuresOf({ optimizer: 'sgd', optim_args: { momentun: 0.5 } })).toEqual([
      expect.stringMatching(/^optim_args\.momentun: .*did you mean "momentum"/),
    ])
    expect(await failuresOf({ optimizer: 'sgd', optim_args: { nesterov: true } })).toEqual([
      'optim_args.nesterov: needs a momentum and no dampening',
    ])
    expect(await failuresOf({ optimizer: 'schedule_free_adamw', adam_beta1: 0 })).toEqual([
      expect.stringContaining('adam_beta1: expected a number > 0'),
    ])
    expect(await failuresOf({ optimizer: 'adafactor', optim_args: { eps: [1] } })).toEqual([
      expect.stringContaining('optim_args.eps: expected two numbers'),
    ])
  })
})

/** Trains until `step`, stops as SIGINT does; the folder. */
async function stopped(space: Workspace, changes: Changes, step: number): Promise<string> {
  const controller = new AbortController()
  const { outputDir } = await space.train(
    { ...changes, output_dir: join(space.path, 'parts') },
    {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'step' && event.report.step === step) controller.abort()
      },
    },
  )
  return outputDir
}
