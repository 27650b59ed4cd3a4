/**
 * createTrainer and its functions: gradients by name around the phase trainer of plugins/vsa-optim.
 */
import { expect, test } from 'bun:test'
import {
  createTrainer,
  type Trainer,
  trainerGetPhase,
  trainerGetStats,
  trainerReset,
  trainerStep,
} from '../../../plugins/accel/mod.ts'
import { thrownBy } from '../vsa-optim/_thrown.ts'

const SHAPES = [
  ['layer.weight', [2, 3]],
  ['layer.bias', [2]],
] as const

/** On a line for each number. */
function gradients(t: number): Record<string, Float32Array> {
  return {
    'layer.weight': Float32Array.from({ length: 6 }, (_, i) => i - t),
    'layer.bias': Float32Array.of(2 * t, 7),
  }
}

function run(trainer: Trainer, steps: number): ReturnType<typeof trainerStep>[] {
  return Array.from({ length: steps }, () => {
    const { totalSteps } = trainerGetStats(trainer)
    const loss = 10 - totalSteps
    return trainerStep(
      trainer,
      trainerGetPhase(trainer) === 'predict' ? { loss } : { gradients: gradients(totalSteps), loss },
    )
  })
}

test('predicts each parameter in its place, and counts', () => {
  const trainer = createTrainer(SHAPES, { warmup: 2, full: 2, predict: 3, correctEvery: 2 })
  const steps = run(trainer, 8)
  expect(steps.map(({ phase }) => phase).join(' ')).toBe(
    'warmup warmup full full predict predict correct full',
  )
  expect(steps.map(({ needsBackward }) => needsBackward)).toEqual([
    true,
    true,
    true,
    false,
    false,
    true,
    true,
    true,
  ])
  for (const [t, { predictedGradients }] of steps.entries()) {
    expect(predictedGradients === null).toBe(![4, 5].includes(t))
    if (predictedGradients === null) continue
    expect(Object.keys(predictedGradients)).toEqual(['layer.weight', 'layer.bias'])
    for (const [name, values] of Object.entries(gradients(t)))
      for (const [i, value] of values.entries()) expect(predictedGradients[name][i]).toBeCloseTo(value, 4)
  }
  const stats = trainerGetStats(trainer)
  expect(stats).toMatchObject({
    totalSteps: 8,
    warmupSteps: 2,
    fullSteps: 3,
    predictSteps: 2,
    correctSteps: 1,
    cycles: 1,
    speedup: 8 / 6,
    currentLoss: 3,
  })
  expect(stats.meanPredictionError).toBeLessThan(1e-5)
  expect(stats.meanPredictionCosine).toBeCloseTo(1, 6)
  expect(steps[7]).toMatchObject({ totalSteps: 8, cycle: 1, speedup: 8 / 6 })
})

test('a reset trainer does the same again', () => {
  const trainer = createTrainer(SHAPES)
  const first = run(trainer, 40)
  trainerReset(trainer)
  expect(trainerGetPhase(trainer)).toBe('warmup')
  expect(run(trainer, 40)).toEqual(first)
})

test('refuses what does not fit, and has not moved then', () => {
  const trainer = createTrainer(SHAPES, { warmup: 1, full: 1 })
  const { 'layer.weight': weight, 'layer.bias': bias } = gradients(0)
  expect(thrownBy(() => trainerStep(trainer))).toEqual(['E_USAGE', 'a step of phase warmup needs a gradient'])
  const step = (given: Record<string, Float32Array>): [string, string] =>
    thrownBy(() => trainerStep(trainer, { gradients: given }))
  expect(step({ 'layer.weight': weight })).toEqual(['E_NAME', 'the gradient of "layer.bias" is missing'])
  expect(step({ ...gradients(0), head: bias })).toEqual(['E_NAME', 'there is no parameter "head"'])
  expect(step({ 'layer.weight': bias, 'layer.bias': bias })).toEqual([
    'E_SHAPE',
    'the gradient of "layer.weight" has 2 numbers, (2, 3) has 6',
  ])
  expect(step({ 'layer.weight': weight, 'layer.bias': Float32Array.of(0, Infinity) })[0]).toBe('E_NAN')
  expect(trainerGetStats(trainer).totalSteps).toBe(0)
  run(trainer, 2)
  expect(step(gradients(2))[0]).toBe('E_USAGE')
  expect(thrownBy(() => createTrainer([]))[0]).toBe('E_VALUE')
  expect(thrownBy(() => createTrainer([...SHAPES, ['layer.bias', [2]]]))).toEqual([
    'E_VALUE',
    'createTrainer: a parameter is there twice',
  ])
  expect(thrownBy(() => createTrainer(SHAPES, { correctEvery: 0 }))[0]).toBe('E_VALUE')
})
