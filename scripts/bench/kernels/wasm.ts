/**
 * `device: wasm` on one thread: its ops beside one thread of AVX2, and a whole step beside the TypeScript reference. The engine is
 * that of the runtime that runs this.
 */
import { adamw, chain, clipByGlobalNorm, type Device, noGrad, referenceDevice } from '../../../core/mod.ts'
import { Disposables } from '../../../core/disposables.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { trainStep } from '../../../plugins/finetune/training/train-step.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import { openWasm } from '../../../plugins/wasm/mod.ts'
import { ROOT } from '../../_setup.ts'
import { createMaker, KERNEL_CASES, type KernelCase } from './_kernel-cases.ts'
import { openCase, timeOf } from './kernels.ts'
import { inTurn, median, medianRatio, seconds } from '../_measure.ts'
import { randomBatch, type RandomStep } from '../_random-step.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

export const wasm: Topic = {
  name: 'wasm',
  async run(context) {
    const device = openWasm({ threads: 1 })
    const rows: Row[] = []
    for (const one of KERNEL_CASES)
      for (const dtype of ['f32', 'bf16'] as const) {
        // AdamW is f32 only: once is enough.
        if (dtype === 'bf16' && one.peer?.dtype === 'f32') continue
        if (context.only !== null && !`${one.name}, ${dtype}`.includes(context.only)) continue
        context.progress(`${one.name} ${dtype}`)
        rows.push(await besideAvx2(one, dtype, device, context))
      }
    if (context.only === null || 'step'.includes(context.only)) {
      context.progress('whole steps of the bundled model')
      rows.push(await besideReference(device, context))
    }
    return rows
  },
}

/** Of one thread of AVX2; measured loops of products must reach it. */
const SHARE_OF_AVX2 = 0.25
const TIMES_THE_REFERENCE = 20

async function besideAvx2(
  one: KernelCase,
  dtype: 'f32' | 'bf16',
  device: Device,
  { quick }: BenchContext,
): Promise<Row> {
  const native = openCpu({ threads: 1, isa: 'avx2' })
  const [ours, peer] = [device, native].map((on) => noGrad(() => openCase(one, createMaker(on, dtype))))
  const amount = one.amount(dtype)
  const rates = await inTurn(
    { ours: () => amount / timeOf([ours]), peer: () => amount / timeOf([peer]) },
    { repeat: quick ? 3 : 9, warmup: 1, maxSeconds: quick ? 2 : 8 },
  )
  for (const { tensors } of [ours, peer]) for (const tensor of tensors) tensor.dispose()
  const isProduct = one.bound === 'matrix'
  return {
    name: `${one.name}, ${dtype}`,
    ours: median(rates.ours) / 1e9,
    peer: median(rates.peer) / 1e9,
    unit: one.bound === 'memory' ? 'GB/s' : 'GFLOP/s',
    ratio: medianRatio(rates.ours, rates.peer),
    floor: isProduct ? SHARE_OF_AVX2 : null,
    goal: isProduct ? 2 * SHARE_OF_AVX2 : null,
    better: 'higher',
    note: 'of AVX2, one thread each',
  }
}

async function besideReference(device: Device, { quick }: BenchContext): Promise<Row> {
  using ours = bundledStep(device)
  using peer = bundledStep(referenceDevice)
  // An engine compiles what is hot again, better.
  for (let i = 0; i < 5; i++) ours.step()
  const times = await inTurn(
    {
      // A step of the reference takes as long as many of ours.
      ours: () => median(Array.from({ length: 5 }, () => seconds(() => ours.step()))),
      peer: () => seconds(() => peer.step()),
    },
    { repeat: quick ? 1 : 3, warmup: quick ? 0 : 1 },
  )
  return {
    name: 'a LoRA step of the bundled model, f32',
    ours: median(times.ours) * 1000,
    peer: median(times.peer) * 1000,
    unit: 'ms',
    ratio: medianRatio(times.peer, times.ours),
    floor: TIMES_THE_REFERENCE,
    goal: 10 * TIMES_THE_REFERENCE,
    better: 'higher',
    note: 'times faster than the reference',
  }
}

/** Steps of two documents of 64 random tokens. */
function bundledStep(device: Device): RandomStep {
  const open = new Disposables()
  const model = open.use(loadModel(`${ROOT}quickstart/model`, { device, dtype: 'f32' }))
  const { parameters } = open.use(attachLora(model, { rank: 32, alpha: 64, targetModules: 'all-linear' }))
  const optimizer = open.use(chain(clipByGlobalNorm(1), adamw()).init(parameters))
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
  const { vocabSize } = model.info
  const batch = randomBatch(vocabSize, { batch: 2, length: 64, seed: 0 })
  let step = 0
  return {
    step: () => void trainStep(context, [batch], { step: step++, learningRate: 1e-4 }),
    [Symbol.dispose]: () => open.dispose(),
  }
}
