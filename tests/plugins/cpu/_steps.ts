/**
 * Training steps of the bundled model, to compare how a device does them.
 */
import { fileURLToPath } from 'node:url'
import { adamw, chain, clipByGlobalNorm, type Device } from '../../../core/mod.ts'
import { trainStep } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import { randomBatch } from '../../../scripts/bench/_random-step.ts'

const MODEL = fileURLToPath(new URL('../../../quickstart/model', import.meta.url))
const STEPS = 4

export interface Steps {
  readonly losses: number[]
  readonly weights: Readonly<Record<string, Float32Array>>
}

/** Losses and trained weights of a few LoRA steps in f32. */
export function loraSteps(device: Device, dropout: number): Steps {
  using model = loadModel(MODEL, { device, dtype: 'f32' })
  using attached = attachLora(model, { rank: 4, alpha: 8, dropout, targetModules: 'all-linear', seed: 3 })
  using optimizer = chain(clipByGlobalNorm(1), adamw()).init(attached.parameters)
  const { parameters } = attached
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: 1 }
  const losses = Array.from({ length: STEPS }, (_, step) => {
    const batch = randomBatch(model.info.vocabSize, { batch: 2, length: 48, seed: step })
    return trainStep(context, [batch], { step, learningRate: 1e-3 }).loss
  })
  const weights = Object.fromEntries([...parameters].map(([name, one]) => [name, one.toArray()]))
  return { losses, weights }
}

/** |got − expected| / |expected| */
export function relativeDifference(got: Float32Array, expected: Float32Array): number {
  let [difference, size] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    difference += (got[i] - expected[i]) ** 2
    size += expected[i] ** 2
  }
  return Math.sqrt(difference / size)
}
