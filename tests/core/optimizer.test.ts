/**
 * AdamW, clipping and learning-rate schedules against torch and transformers.
 */
import { expect, test } from 'bun:test'
import {
  adamw,
  chain,
  clipByGlobalNorm,
  constantSchedule,
  cosineSchedule,
  linearSchedule,
  type OptimizerStep,
  parameter,
  referenceDevice,
  type Schedule,
  tensor,
  TrituneError,
  wsdSchedule,
} from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { absoluteError, goldenJson, relativeError } from '../_golden.ts'

const DEVICES = [openCpu(), referenceDevice].map((device) => [device.name, device] as const)

function stepOf(step: number, learningRate: number): OptimizerStep {
  return { step, learningRate, gradScale: 1, metrics: {} }
}

interface AdamWCase {
  readonly name: string
  readonly options: { lr: number; betas: [number, number]; eps: number; weight_decay: number }
  readonly start: number[]
  readonly steps: { grad: number[]; parameter: number[]; expAvg: number[]; expAvgSq: number[] }[]
}

const adamwCases = goldenJson<{ cases: AdamWCase[] }>('ops', 'adamw.json').cases

test.each(DEVICES)('adamw() on %s equals torch.optim.AdamW', (_, device) => {
  for (const { name, options, start, steps } of adamwCases) {
    using weight = parameter(tensor(start, { device }))
    const { betas, eps, weight_decay, lr } = options
    using state = adamw({ beta1: betas[0], beta2: betas[1], eps, weightDecay: weight_decay }).init(
      new Map([['w', weight]]),
    )
    for (const [i, { grad, parameter: expected, expAvg, expAvgSq }] of steps.entries()) {
      using gradient = tensor(grad, { device })
      weight.grad = gradient
      state.apply(stepOf(i + 1, lr))
      weight.grad = null
      expect(relativeError(weight.toArray(), expected), `${name}, step ${i + 1}`).toBeLessThanOrEqual(1e-6)
      expect(relativeError(state.tensors().get('m.w')?.toArray() ?? [], expAvg), name).toBeLessThanOrEqual(
        1e-6,
      )
      expect(relativeError(state.tensors().get('v.w')?.toArray() ?? [], expAvgSq), name).toBeLessThanOrEqual(
        1e-6,
      )
    }
  }
})

interface ClipCase {
  readonly name: string
  readonly maxNorm: number
  readonly grads: number[][]
  readonly totalNorm: number
  readonly clipped: number[][]
}

const clip = goldenJson<{ shapes: number[][]; cases: ClipCase[] }>('ops', 'clip.json')

test.each(DEVICES)('clipByGlobalNorm() on %s equals clip_grad_norm_', (_, device) => {
  for (const { name, maxNorm, grads, totalNorm, clipped } of clip.cases) {
    using owned = new DisposableStack()
    const parameters = new Map(
      grads.map((values, i) => {
        const weight = owned.use(parameter(tensor(values, { shape: clip.shapes[i], device })))
        weight.grad = owned.use(tensor(values, { shape: clip.shapes[i], device }))
        return [`w${i}`, weight] as const
      }),
    )
    const step = stepOf(1, 0)
    clipByGlobalNorm(maxNorm).init(parameters).apply(step)
    expect(Math.abs(step.metrics.grad_norm - totalNorm), name).toBeLessThanOrEqual(1e-6 * totalNorm)
    for (const [i, values] of clipped.entries())
      expect(
        absoluteError(
          grads[i].map((g) => g * step.gradScale),
          values,
        ),
        name,
      ).toBeLessThanOrEqual(1e-6)
    for (const weight of parameters.values()) weight.grad = null
  }
})

test('clipping and AdamW together move the weights as on clipped gradients', () => {
  const [{ start, steps, options }] = adamwCases
  const run = (maxNorm: number, factor: number): Float32Array => {
    using weight = parameter(tensor(start))
    using state = chain(clipByGlobalNorm(maxNorm), adamw({})).init(new Map([['w', weight]]))
    using gradient = tensor(steps[2].grad.map((g) => g * factor))
    weight.grad = gradient
    state.apply(stepOf(1, options.lr))
    weight.grad = null
    return weight.toArray()
  }
  const norm = Math.hypot(...steps[2].grad)
  expect(relativeError(run(norm / 10, 1), run(0, norm / 10 / (norm + 1e-6)))).toBeLessThanOrEqual(1e-6)
})

test.each([Number.NaN, Number.POSITIVE_INFINITY])('a gradient of %p stops before anything moves', (bad) => {
  using weight = parameter(tensor([1, 2, 3]))
  using state = chain(clipByGlobalNorm(1), adamw({})).init(new Map([['w', weight]]))
  using gradient = tensor([0, bad, 0])
  weight.grad = gradient
  let error: unknown
  try {
    state.apply(stepOf(1, 0.1))
  } catch (caught) {
    error = caught
  }
  weight.grad = null
  expect(error instanceof TrituneError && error.code).toBe('E_NAN')
  expect([...weight.toArray()]).toEqual([1, 2, 3])
})

const golden = goldenJson<{ cases: Record<string, { factors: number[] }> }>('ops', 'schedules.json').cases
const run = { warmupSteps: 4, totalSteps: 20 }
const cosineWithFloor = cosineSchedule({ ...run, minRatio: 0.1 })

test.each<[string, Schedule]>([
  ['constant', constantSchedule()],
  ['constant_with_warmup', constantSchedule(run)],
  ['linear', linearSchedule(run)],
  ['linear-no-warmup', linearSchedule({ totalSteps: 20 })],
  ['cosine', cosineSchedule(run)],
  ['cosine-no-warmup', cosineSchedule({ totalSteps: 20 })],
  ['cosine_with_min_lr', cosineWithFloor],
  ['wsd', wsdSchedule({ ...run, decaySteps: 6 })],
])('schedule %s equals transformers at every step of a run', (name, schedule) => {
  const { factors } = golden[name]
  for (let step = 0; step < 20; step++)
    expect(Math.abs(schedule(step) - factors[step]), `step ${step}`).toBeLessThanOrEqual(1e-12)
})

test('schedules start at 0 with a warm-up, reach 1 after it and stay in [0, 1]', () => {
  for (const schedule of [linearSchedule(run), cosineSchedule(run), cosineWithFloor, constantSchedule(run)]) {
    expect(schedule(0)).toBe(0)
    expect(schedule(4)).toBe(1)
    for (let step = 0; step <= 20; step++) expect(schedule(step) >= 0 && schedule(step) <= 1).toBe(true)
  }
})

test.each(DEVICES)('adamw() on %s moves each parameter at its own learning rate', (_, device) => {
  const decaying = adamw({ weightDecay: 0.1 })
  const run = (names: readonly string[], rate: number, lrScale?: OptimizerStep['lrScale']): number[][] => {
    using owned = new DisposableStack()
    const start = Float32Array.of(1, -2, 3)
    const parameters = new Map(names.map((name) => [name, owned.use(parameter(tensor(start, { device })))]))
    using state = decaying.init(parameters)
    for (let step = 1; step <= 3; step++) {
      for (const weight of parameters.values())
        weight.grad = owned.use(tensor([0.5, step, -0.25], { device }))
      state.apply({ ...stepOf(step, rate), lrScale })
    }
    for (const weight of parameters.values()) weight.grad = null
    return Array.from(parameters.values(), (weight) => [...weight.toArray()])
  }
  const [a, b] = run(['a', 'b'], 0.01, (name) => (name === 'b' ? 16 : 1))
  expect(a).toEqual(run(['a'], 0.01)[0])
  expect(b).toEqual(run(['b'], 0.16)[0])
  expect(b).not.toEqual(a)
})
