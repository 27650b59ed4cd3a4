/**
 * LoRA steps of the bundled model on wasm: those of the native CPU to the last digits, the same bits with the same threads, and
 * nothing left behind.
 */
import { expect, test } from 'bun:test'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { openWasm } from '../../../plugins/wasm/mod.ts'
import { loraSteps, relativeDifference } from '../cpu/_steps.ts'

test('the steps are those of the native CPU: losses to 1e-5', () => {
  const expected = loraSteps(openCpu({ threads: 2 }), 0)
  const device = openWasm({ threads: 2 })
  const got = loraSteps(device, 0)
  for (const [i, loss] of expected.losses.entries()) {
    expect(Math.abs(got.losses[i] / loss - 1)).toBeLessThan(1e-5)
  }
  // Adam divides by the size of a gradient: where that is tiny, the last bits decide the sign of a step.
  for (const [name, values] of Object.entries(expected.weights))
    expect([name, relativeDifference(got.weights[name], values) < 1e-3]).toEqual([name, true])
  expect(device.memory().live).toBe(0)
}, 60_000)

test('twice with two threads: the same bits', () => {
  const device = openWasm({ threads: 2 })
  expect(loraSteps(device, 0)).toEqual(loraSteps(device, 0))
}, 60_000)
