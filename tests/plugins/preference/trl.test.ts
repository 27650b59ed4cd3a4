/**
 * Losses, rewards and gradients beside trl's, and twenty steps of DPO.
 */
import { expect, test } from 'bun:test'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { gradientTolerance, measureCase, measureSteps, openTrl } from './_trl.ts'

const cpu = openCpu()
const golden = openTrl()

test.each(Object.keys(golden.expected.cases))('%s: loss, rewards and gradients equal trl', (name) => {
  const { loss, metrics, gradients, compared } = measureCase(golden, name, cpu)
  expect(loss).toBeLessThanOrEqual(1e-5)
  expect(metrics).toBeLessThanOrEqual(1e-5)
  expect(gradients).toBeLessThanOrEqual(gradientTolerance(name))
  expect(compared).toBeGreaterThanOrEqual(2)
})

test('twenty steps of DPO with LoRA have the losses of trl', () => {
  expect(golden.expected.steps).toHaveLength(20)
  expect(measureSteps(golden, cpu)).toBeLessThanOrEqual(1e-4)
})
