/**
 * The same 20 training steps on the CPU, on the GPU and by torch with PEFT, from the same files: a tiny random llama and
 * an untrained adapter. Losses must agree.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { adamw, chain, clipByGlobalNorm, type Device } from '../../../core/mod.ts'
import type { Batch } from '../../../plugins/data/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { trainStep } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora, saveAdapter } from '../../../plugins/peft/mod.ts'
import { writeTinyModel } from '../../../tests/_tiny.ts'
import { randomBatch } from '../_random-step.ts'
import type { Rig } from './rig.ts'

const LEARNING_RATE = 1e-3
const WEIGHT_DECAY = 0.01
const LORA = { rank: 8, alpha: 16, targetModules: 'all-linear' } as const

export async function losses(rig: Rig): Promise<void> {
  const { options, report, size } = rig
  const folder = join(options.scratch, 'tiny-llama')
  mkdirSync(folder, { recursive: true })
  const full = {
    hidden_size: 128,
    intermediate_size: 256,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    vocab_size: 1024,
  }
  writeTinyModel(
    folder,
    size(full, { ...full, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 1, vocab_size: 424 }),
  )
  const count = size(20, 3)
  const shape = size({ batch: 2, length: 128 }, { batch: 2, length: 12 })
  const batches = Array.from({ length: count }, (_, seed) =>
    randomBatch(size(1024, 424), { ...shape, seed: options.seed + seed }),
  )
  const adapter = join(options.scratch, 'tiny-adapter')
  saveUntrained(folder, adapter, options.seed)

  for (const dtype of ['f32', 'bf16'] as const) {
    await rig.part(`20 steps, ${dtype}`, async () => {
      const [near, apart] = dtype === 'f32' ? [1e-4, 1e-3] : [1e-2, 3e-2]
      const cpu = lossesOn(openCpu(), folder, batches, dtype, options.seed)
      const gpu = lossesOn(rig.device, folder, batches, dtype, options.seed)
      compare(rig, `${count} steps in ${dtype}: GPU and CPU`, gpu, cpu, near)
      const again = lossesOn(rig.device, folder, batches, dtype, options.seed)
      report({
        name: `${count} steps in ${dtype}: the same bits the second time`,
        ok: String(again) === String(gpu),
      })
      const torch = await rig.torch({
        op: 'train',
        model: folder,
        adapter,
        dtype,
        learningRate: LEARNING_RATE,
        weightDecay: WEIGHT_DECAY,
        length: shape.length,
        tokens: batches.map(({ ids }) => [...ids]),
      })
      if (torch && Array.isArray(torch.losses))
        compare(rig, `${count} steps in ${dtype}: GPU and torch + PEFT`, gpu, torch.losses.map(Number), apart)
    })
  }
}

function compare(
  { report }: Rig,
  name: string,
  got: readonly number[],
  expected: readonly number[],
  tolerance: number,
): void {
  const errors = expected.map((value, i) => Math.abs(got[i] - value) / Math.abs(value))
  const worst = errors.reduce((a, b) => (a >= b ? a : b), 0)
  report({
    name,
    ok: errors.every((error) => error <= tolerance),
    note: `largest difference ${worst.toExponential(1)} at step ${errors.indexOf(worst) + 1}; ${got[0].toFixed(4)} … ${got.at(-1)?.toFixed(4)} and ${expected[0].toFixed(4)} … ${expected.at(-1)?.toFixed(4)}`,
  })
}

function saveUntrained(model: string, folder: string, seed: number): void {
  using base = loadModel(model, { device: openCpu(), dtype: 'f32' })
  using adapter = attachLora(base, { ...LORA, seed })
  saveAdapter(folder, adapter, { baseModel: model })
}

function lossesOn(
  device: Device,
  folder: string,
  batches: readonly Batch[],
  dtype: 'f32' | 'bf16',
  seed: number,
): number[] {
  using model = loadModel(folder, { device, dtype })
  using adapter = attachLora(model, { ...LORA, seed })
  using optimizer = chain(clipByGlobalNorm(1), adamw({ weightDecay: WEIGHT_DECAY })).init(adapter.parameters)
  const context = { model, device, parameters: adapter.parameters, optimizer, checkpointing: false, seed: 0 }
  return batches.map((batch, step) => trainStep(context, [batch], { step, learningRate: LEARNING_RATE }).loss)
}
