/**
 * LoRA steps of the bundled model on wasm: those of the native CPU to the last digits, the same bits with the same threads, and
 * nothing left behind.
 */
import { expect, test } from 'bun:test'
import { fileURLToPath } from 'node:url'
import { adamw, chain, clipByGlobalNorm, type Device } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { trainStep } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import { openWasm } from '../../../plugins/wasm/mod.ts'
import { randomBatch } from '../../../scripts/bench/_random-step.ts'

const MODEL = fileURLToPath(new URL('../../../quickstart/model', import.meta.url))
const STEPS = 4

interface Steps {
  readonly losses: number[]
  readonly weights: Readonly<Record<string, Float32Array>>
}

function steps(device: Device): Steps {
  using model = loadModel(MODEL, { device, dtype: 'f32' })
  using attached = attachLora(model, { rank: 4, alpha: 8, targetModules: 'all-linear', seed: 3 })
  using optimizer = chain(clipByGlobalNorm(1), adamw()).init(attached.parameters)
  const context = {
    model,
    device,
    parameters: attached.parameters,
    optimizer,
    checkpointing: false,
    seed: 1,
  }
  const losses = Array.from({ length: STEPS }, (_, step) => {
    const batch = randomBatch(model.info.vocabSize, { batch: 2, length: 48, seed: step })
    return trainStep(context, [batch], { step, learningRate: 1e-3 }).loss
  })
  const weights = Object.fromEntries([...attached.parameters].map(([name, one]) => [name, one.toArray()]))
  return { losses, weights }
}

function relativeDifference(got: Float32Array, expected: Float32Array): number {
  let [difference, size] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    difference += (got[i] - expected[i]) ** 2
    size += expected[i] ** 2
  }
  return Math.sqrt(difference / size)
}

test('the steps are those of the native CPU: losses to 1e-5', () => {
  const expected = steps(openCpu({ threads: 2 }))
  const device = openWasm({ threads: 2 })
  const got = steps(device)
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
  expect(steps(device)).toEqual(steps(device))
}, 60_000)
