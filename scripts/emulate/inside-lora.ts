/**
 * A few LoRA steps in f32 on small models: losses, and the bits of what was trained.
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { adamw, chain, clipByGlobalNorm, type Device } from '../../core/mod.ts'
import { trainStep } from '../../plugins/finetune/training/train-step.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { attachLora } from '../../plugins/peft/mod.ts'
import type { LoraAnswer, TaskOptions } from './tasks.ts'

/** Tokens of the one batch, in two documents. */
const TOKENS = 40
const FIRST = 23

export function runLora(device: Device, { models = [], steps = 3 }: TaskOptions): Omit<LoraAnswer, 'facts'> {
  return { runs: models.map((folder) => runOne(device, folder, steps)) }
}

function runOne(device: Device, folder: string, steps: number): LoraAnswer['runs'][number] {
  using model = loadModel(folder, { device, dtype: 'f32' })
  using adapter = attachLora(model, { rank: 4, alpha: 8, targetModules: 'all-linear' })
  const { parameters } = adapter
  using optimizer = chain(clipByGlobalNorm(1), adamw()).init(parameters)
  const ids = Int32Array.from({ length: TOKENS }, (_, i) => (i * i * 5 + 3) % model.info.vocabSize)
  const isLast = (i: number): boolean => i === FIRST - 1 || i === TOKENS - 1
  const batch = {
    ids,
    positions: ids.map((_, i) => (i < FIRST ? i : i - FIRST)),
    targets: ids.map((_, i) => (isLast(i) ? -100 : ids[i + 1])),
    offsets: Int32Array.of(0, FIRST, TOKENS),
    trainedTokens: TOKENS - 2,
    rows: 1,
    examples: [],
  }
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
  const losses = Array.from(
    { length: steps },
    (_, step) => trainStep(context, [batch], { step, learningRate: 1e-2 }).loss,
  )
  const hash = createHash('sha256')
  for (const weight of parameters.values()) hash.update(weight.toArray())
  return { name: basename(folder), losses, weights: hash.digest('hex') }
}
