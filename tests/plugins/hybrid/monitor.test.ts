/**
 * When a run diverges: of the numbers alone, and of runs in which a loss jumps, weights become NaN or a gradient is far too long.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  createRandom,
  parameter,
  type StepContext,
  type Strategy,
  tensor,
  type TrituneError,
  type UpdateCheck,
} from '../../../core/mod.ts'
import { prepareRun, type Run, train } from '../../../plugins/finetune/mod.ts'
import { flatWeights, numbersIn } from '../../../plugins/hybrid/flat-weights.ts'
import { createGuard } from '../../../plugins/hybrid/guard.ts'
import { createHybrid } from '../../../plugins/hybrid/strategy.ts'
import { createMonitor } from '../../../plugins/hybrid/monitor.ts'
import { setTensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import { type Changes, cpu, fileBytes, type Workspace, workspace } from '../finetune/_run.ts'

describe('the monitor', () => {
  /** Losses around 3 with deviations of 0.1. */
  function watching(steps: number): {
    readonly monitor: ReturnType<typeof createMonitor>
    verdicts: string[]
  } {
    const monitor = createMonitor()
    const random = createRandom(5, 'losses')
    const verdicts = Array.from({ length: steps }, () => monitor.judgeLoss(3 + 0.1 * random.normal()).verdict)
    return { monitor, verdicts }
  }

  test('lets noise pass, tells a rise of 3 deviations and goes back at 6', () => {
    const { monitor, verdicts } = watching(400)
    expect(verdicts.filter((verdict) => verdict === 'roll back')).toEqual([])
    expect(verdicts.filter((verdict) => verdict === 'warn').length).toBeLessThan(8)
    const { verdict, deviations } = monitor.judgeLoss(3.45)
    expect(verdict).toBe('warn')
    expect(deviations).toBeGreaterThan(3.5)
    expect(deviations).toBeLessThan(5.5)
    expect(monitor.judgeLoss(3.9).verdict).toBe('roll back')
  })

  test('a loss that falls, however far, is none', () => {
    const { monitor } = watching(100)
    expect(monitor.judgeLoss(0.01)).toEqual({ verdict: 'fine', deviations: expect.any(Number) })
  })

  test('mean and deviation are the exponential ones', () => {
    const monitor = createMonitor()
    const losses = Array.from({ length: 200 }, (_, i) => 2 + Math.sin(i))
    let [mean, variance] = [0, 0]
    for (const [i, loss] of losses.entries()) {
      monitor.judgeLoss(loss)
      const weight = Math.max(0.02, 1 / (i + 1))
      const before = mean
      mean = (1 - weight) * mean + weight * loss
      variance = (1 - weight) * (variance + weight * (loss - before) ** 2)
    }
    const { deviations } = monitor.judgeLoss(mean + 2 * Math.sqrt(variance))
    expect(deviations).toBeCloseTo(2, 9)
  })

  test('judges nothing before 20 losses, nor after it has forgotten them', () => {
    const { monitor } = watching(19)
    expect(monitor.judgeLoss(100).verdict).toBe('fine')
    const other = watching(60).monitor
    other.forgetLosses()
    expect(other.judgeLoss(100).verdict).toBe('fine')
  })

  test('a gradient of more than ten times the median is too long, and the median is not taken by one', () => {
    const monitor = createMonitor()
    for (let i = 0; i < 30; i++) expect(monitor.isTooLong(1 + (i % 3) / 10)).toBe(false)
    expect(monitor.isTooLong(12)).toBe(true)
    expect(monitor.isTooLong(10)).toBe(false)
    expect(monitor.isTooLong(1e6)).toBe(true)
  })

  test('goes on as it was saved, and refuses what is not its own', () => {
    const { monitor } = watching(50)
    for (let i = 0; i < 30; i++) monitor.isTooLong(1)
    const again = createMonitor()
    again.loadState(JSON.parse(JSON.stringify(monitor.saveState())))
    for (const loss of [3.4, 2.9, 3.5]) expect(again.judgeLoss(loss)).toEqual(monitor.judgeLoss(loss))
    expect(again.isTooLong(11)).toBe(monitor.isTooLong(11))
    expect(() => createMonitor().loadState({ seen: 3 })).toThrow(
      'no losses that strategy: hybrid has watched',
    )
  })
})

const STEPS = 40
const RUN = { max_steps: STEPS, learning_rate: 3e-4, save_strategy: 'steps', save_steps: 20 }
const NONE = { name: 'hybrid', arm: 'none' }

type Metrics = Readonly<Record<string, number>>

interface Watched {
  readonly losses: readonly number[]
  readonly metrics: readonly Metrics[]
  readonly outputDir: string
}

/** A run in which `harm` comes before some steps, inside of the other strategies; `until` cuts it. */
async function harmed(
  space: Workspace,
  changes: Changes,
  harm: (step: number, run: Run) => void,
  { until = STEPS, resume = false }: { readonly until?: number; readonly resume?: boolean } = {},
): Promise<Watched> {
  using run = await prepareRun(space.config({ ...RUN, ...changes }), { device: cpu })
  const part: Strategy = {
    step({ step }, next) {
      harm(step, run)
      return next()
    },
  }
  const losses: number[] = []
  const metrics: Metrics[] = []
  const stop = new AbortController()
  const { outputDir } = await train(
    { ...run, strategies: [...run.strategies, { name: 'harm', part }] },
    {
      signal: stop.signal,
      ...(resume ? { resume: 'newest' as const } : {}),
      onEvent(event) {
        if (event.type !== 'step') return
        losses.push(event.report.loss)
        metrics.push(event.report.metrics)
        if (event.report.step === until) stop.abort()
      },
    },
  )
  return { losses, metrics, outputDir }
}

/** Multiplies what is trained. */
function scaled({ parameters }: Run, factor: number): void {
  for (const parameter of parameters.values()) {
    const values = Float32Array.from(parameter.toArray(), (value) => factor * value)
    setTensorBytes(parameter, new Uint8Array(values.buffer))
  }
}

const once = (at: number, work: (run: Run) => void): ((step: number, run: Run) => void) => {
  let isDone = false
  return (step, run) => {
    if (step !== at || isDone) return
    isDone = true
    work(run)
  }
}

describe('a run that is watched', () => {
  /** Descent in a bowl around (1, 2), with noise on the loss; `harm` comes before a step. */
  function descent(
    harm: (step: number, w: Float32Array) => void,
    isGuarded = true,
  ): { readonly told: readonly Metrics[]; readonly losses: readonly number[] } {
    const random = createRandom(9, 'bowl')
    using w = parameter(tensor([4, -2]))
    const weights = flatWeights(new Map([['w', w]]))
    let rollbacks = 0
    using guard = createGuard(weights, () => void rollbacks++)
    const told: Metrics[] = []
    const losses: number[] = []
    for (let step = 0; step < 150; step++) {
      const checks: UpdateCheck[] = []
      guard.watch({ step, beforeUpdate: (check) => void (isGuarded && checks.push(check)) })
      const values = numbersIn(w)
      harm(step, values)
      const { loss, metrics } = guard.make(() => {
        const away = [values[0] - 1, values[1] - 2]
        const found = 3 + 0.05 * random.normal() + away[0] ** 2 + away[1] ** 2
        const factor = checks.reduce((product, check) => product * check({ loss: found, gradNorm: 1 }), 1)
        for (const [i, d] of away.entries()) if (factor > 0) values[i] -= 0.05 * factor * d
        return { loss: found, metrics: {} }
      })
      told.push(metrics)
      losses.push(loss)
    }
    expect(rollbacks).toBe(told.filter((one) => 'hybrid_rolled_back' in one).length)
    return { told, losses }
  }

  test('goes back where the loss jumps: to weights from before, once, and without that step', () => {
    const jump = (step: number, w: Float32Array): void => {
      if (step === 120) w.set([30, 30])
    }
    const { told, losses } = descent(jump)
    expect(told[120]).toEqual({ hybrid_deviations: expect.any(Number), hybrid_rolled_back: 1 })
    expect(told[120].hybrid_deviations).toBeGreaterThan(6)
    expect(told.filter((one) => 'hybrid_rolled_back' in one).length).toBe(1)
    expect(losses[120]).toBeGreaterThan(1000)
    expect(losses[121]).toBeLessThan(3.3)
    expect(descent(jump, false).losses[121]).toBeGreaterThan(1000)
  })

  test('what comes right after a guess that was kept is told too', () => {
    using w = parameter(tensor([0, 0]))
    const unused = (): never => {
      throw new Error('not of this strategy')
    }
    const options = { arm: 'reuse', warmup: 24, every: 1, exploration: 1, confidence: 0 } as const
    const run = {
      get model() {
        return unused()
      },
      parameters: new Map([['w', w]]),
      totalSteps: 60,
      seed: 1,
    }
    const strategy = createHybrid(options, run)
    const told: Metrics[] = []
    for (let step = 0; step < 26; step++) {
      const checks: UpdateCheck[] = []
      let asked = 0
      const context: StepContext = {
        parameters: run.parameters,
        totalSteps: 60,
        step,
        learningRate: 1,
        get model() {
          return unused()
        },
        evaluate: unused,
        evaluateEach: () => [1, 2, 3].map((loss, i) => loss - asked++ - i / 10),
        backward: unused,
        update: unused,
        beforeUpdate: (check) => void checks.push(check),
      }
      const { metrics } = strategy.step(context, () => {
        const loss = step === 24 ? 900 : 5 - step / 100
        for (const check of checks) check({ loss, gradNorm: 1 })
        return { loss, metrics: {} }
      })
      told.push(metrics)
    }
    expect(told[24]).toMatchObject({ hybrid_accepted: 1, hybrid_rolled_back: 1 })
    strategy[Symbol.dispose]?.()
  })

  test('a loss that stays high is taken for what it is: it goes back once in 20 steps at most', () => {
    const { told } = descent((step, w) => {
      if (step >= 100) w.set([30, 30])
    })
    const at = told.flatMap((one, step) => ('hybrid_rolled_back' in one ? [step] : []))
    expect(at).toEqual([100])
  })

  test('goes back where weights became NaN, and on at half the rate; without it, it is E_NAN', async () => {
    using space = workspace()
    const poison = (): ReturnType<typeof once> => once(25, (run) => scaled(run, Number.NaN))
    const plain = harmed(space, { output_dir: join(space.path, 'plain') }, poison())
    await expect(plain).rejects.toMatchObject({ code: 'E_NAN' } satisfies Partial<TrituneError>)
    const guarded = await harmed(space, { output_dir: join(space.path, 'kept'), strategy: NONE }, poison())
    expect(guarded.metrics[25]).toMatchObject({ hybrid_rolled_back: 1, hybrid_rate_factor: 0.5 })
    expect(guarded.losses.length).toBe(STEPS)
    for (const loss of guarded.losses) expect(loss).toBeFinite()
  })

  test('does not follow a gradient that is far too long: weights and moments stay', () => {
    using w = parameter(tensor([1, 2]))
    const weights = flatWeights(new Map([['w', w]]))
    using guard = createGuard(weights, () => {})
    const factors: number[] = []
    const told: Metrics[] = []
    for (let step = 0; step < 40; step++) {
      const checks: UpdateCheck[] = []
      guard.watch({ step, beforeUpdate: (check) => void checks.push(check) })
      const { metrics } = guard.make(() => {
        const gradNorm = step === 30 ? 11 : 1
        factors.push(...checks.map((check) => check({ loss: 3, gradNorm })))
        return { loss: 3, metrics: {} }
      })
      told.push(metrics)
    }
    expect(factors).toEqual(Array.from({ length: 40 }, (_, step) => (step === 30 ? 0 : 1)))
    expect(told[30]).toEqual({ hybrid_skipped: 1 })
    expect(told.flatMap((metrics) => Object.keys(metrics))).toEqual(['hybrid_skipped'])
  })

  test('NaN that comes from weights that were fine is the error that it is', async () => {
    using space = workspace()
    const always = harmed(space, { output_dir: join(space.path, 'always'), strategy: NONE }, (step, run) => {
      if (step >= 25) scaled(run, Number.NaN)
    })
    await expect(always).rejects.toMatchObject({ code: 'E_NAN' })
  })

  test('interrupted is as uninterrupted, before and after it went back', async () => {
    using space = workspace()
    for (const strategy of [NONE, { name: 'hybrid', warmup: 4, every: 2, exploration: 1, confidence: 0 }]) {
      const name = 'arm' in strategy ? 'none' : 'guesses'
      const harm = (): ReturnType<typeof once> => once(25, (run) => scaled(run, Number.NaN))
      const whole = await harmed(space, { output_dir: join(space.path, name), strategy }, harm())
      for (const until of [23, 27]) {
        const changes = { output_dir: join(space.path, `${name} ${until}`), strategy }
        const shared = harm()
        await harmed(space, changes, shared, { until })
        const rest = await harmed(space, changes, shared, { resume: true })
        expect(rest.losses).toEqual(whole.losses.slice(until))
        const file = 'adapter_model.safetensors'
        expect(fileBytes(rest.outputDir, file).equals(fileBytes(whole.outputDir, file))).toBe(true)
      }
    }
  })
})
