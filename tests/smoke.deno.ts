/**
 * The smoke test of Deno: a plain script, because Deno has no `bun:test`. It opens the CPU library, compares a few ops
 * with their TypeScript reference and ends with `… N passed, N failed`. Everything else is tested under Bun.
 */
import { fileURLToPath } from 'node:url'
import {
  adamw,
  addRmsNorm,
  attention,
  chain,
  clipByGlobalNorm,
  countLiveTensors,
  type Device,
  linear,
  linearCrossEntropy,
  referenceDevice,
  rmsNorm,
  type Shape,
  swiglu,
  type Tensor,
  tensor,
  tensorScope,
} from '../core/mod.ts'
import { openCpu } from '../plugins/cpu/mod.ts'
import { openCuda } from '../plugins/cuda/mod.ts'
import { trainStep } from '../plugins/finetune/training/train-step.ts'
import { loadModel } from '../plugins/models/mod.ts'
import { attachLora } from '../plugins/peft/mod.ts'

const checks: Record<string, (device: Device) => void> = {
  'the CPU device describes itself'(device) {
    if (!/^cpu \(\w+, \d+ threads\)$/.test(device.description)) throw new Error(device.description)
  },
  'ops agree with their reference'(device) {
    expectClose(someOps(device), someOps(referenceDevice))
  },
  'LoRA steps agree with the reference and lower the loss'(device) {
    const losses = loraLosses(device)
    expectClose(losses, loraLosses(referenceDevice))
    if (!(losses[2] < losses[0])) throw new Error(`losses ${losses.join(', ')}`)
  },
  'the emulated GPU agrees with the reference'() {
    const gpu = openCuda({ emulated: true })
    expectClose(someOps(gpu), someOps(referenceDevice))
  },
  'no tensor is left behind'() {
    if (countLiveTensors() !== 0) throw new Error(`${countLiveTensors()} tensors are alive`)
  },
}

/** Everything that a few ops give on a device. */
function someOps(device: Device): number[] {
  using _scope = tensorScope()
  const wave = (shape: Shape, phase: number): Tensor => {
    const n = shape.reduce((a, b) => a * b, 1)
    return tensor(
      Array.from({ length: n }, (_, i) => Math.sin(phase + i * 0.7)),
      { shape, device },
    )
  }
  const { h, y } = addRmsNorm(wave([4, 32], 0), wave([4, 32], 1), wave([32], 2))
  const projected = linear(y, wave([48, 32], 3), {
    lora: { a: wave([2, 32], 4), b: wave([48, 2], 5), scale: 2 },
  })
  const gated = swiglu(projected, wave([4, 48], 6))
  const offsets = tensor([0, 3, 4], { dtype: 'i32', device })
  const options = { offsetsQ: offsets, offsetsK: offsets, scale: 0.25 }
  const mixed = attention(gated.view([4, 3, 16]), wave([4, 1, 16], 7), wave([4, 1, 16], 8), options)
  const targets = tensor([1, -100, 3, 0], { dtype: 'i32', device })
  const loss = linearCrossEntropy(mixed.view([4, 48]), wave([5, 48], 9), targets, { scale: 1 / 3 })
  return [h, rmsNorm(gated, wave([48], 1)), mixed, loss].flatMap((result) => [...result.toArray()])
}

/** Losses of three steps on one batch. */
function loraLosses(device: Device): number[] {
  const folder = fileURLToPath(new URL('golden/models/llama/', import.meta.url))
  using model = loadModel(folder, { device, dtype: 'f32' })
  using adapter = attachLora(model, { rank: 4, alpha: 8, targetModules: 'all-linear' })
  const { parameters } = adapter
  using optimizer = chain(clipByGlobalNorm(1), adamw()).init(parameters)
  const ids = Int32Array.from({ length: 12 }, (_, i) => (i * 5) % model.info.vocabSize)
  const batch = {
    ids,
    positions: ids.map((_, i) => i),
    targets: ids.map((_, i) => ids[i + 1] ?? -100),
    offsets: Int32Array.of(0, 12),
    trainedTokens: 11,
    rows: 1,
    examples: [],
  }
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
  return [0, 1, 2].map((step) => trainStep(context, [batch], { step, learningRate: 1e-2 }).loss)
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  for (const [i, value] of expected.entries()) {
    if (!(Math.abs(actual[i] - value) <= 1e-4 * (1 + Math.abs(value))))
      throw new Error(`element ${i}: expected ${value}, got ${actual[i]}`)
  }
}

let failed = 0
const names = Object.keys(checks)
try {
  const device = openCpu({ threads: 2 })
  for (const name of names) {
    try {
      checks[name](device)
      console.log(`ok      ${name}`)
    } catch (error) {
      failed++
      console.log(`not ok  ${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
} catch (error) {
  failed = names.length
  console.log(`not ok  open the CPU device: ${error instanceof Error ? error.message : String(error)}`)
}
console.log(`checks under Deno — ${names.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
