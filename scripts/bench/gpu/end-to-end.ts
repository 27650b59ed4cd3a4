/**
 * Whole LoRA steps of a model with the shape of Llama-3.2-1B and random weights, bf16, rank 16 on every linear layer,
 * checkpointed, against transformers + PEFT with SDPA; and the same with its linear layers in NF4.
 */
import {
  adamw,
  chain,
  clipByGlobalNorm,
  isQuantized,
  type Model,
  quantize4bit,
  tensor,
  type WeightSource,
} from '../../../core/mod.ts'
import { trainStep } from '../../../plugins/finetune/mod.ts'
import { MODELS } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import { median } from '../_measure.ts'
import { randomBatch } from '../_random-step.ts'
import type { Rig } from './rig.ts'

const LLAMA_1B = {
  model_type: 'llama',
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 64,
  vocab_size: 128256,
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  tie_word_embeddings: true,
}
const TINY = {
  ...LLAMA_1B,
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 16,
  vocab_size: 256,
  max_position_embeddings: 128,
}
const RANK = 16

export async function endToEnd(rig: Rig): Promise<void> {
  const { report, size, options } = rig
  const config = size(LLAMA_1B, TINY)
  const rank = size(RANK, 4)
  const length = size(2048, 16)
  const steps = options.quick ? 3 : 8
  for (const batch of size([1, 4], [1])) {
    const tokens = batch * length
    await rig.part(`end to end, ${batch} × ${length}`, async () => {
      const request = { op: 'finetune', config, rank, batch, length, steps, checkpointing: true }
      const first = await rig.torch(request)
      const ours = measure(rig, config, { rank, batch, length, steps, nf4: false })
      const second = await rig.torch(request)
      const theirs = first && second ? median([Number(first.seconds), Number(second.seconds)]) : null
      report({
        name: `LoRA step, ${batch} × ${length}, bf16`,
        ours: tokens / ours.seconds,
        theirs: theirs && tokens / theirs,
        unit: 'tokens/s',
        ratio: theirs && theirs / ours.seconds,
        note: ours.note,
      })
      report({
        name: `peak memory, ${batch} × ${length}, bf16`,
        ours: ours.peak / 2 ** 30,
        theirs: first && Number(first.peakBytes) / 2 ** 30,
        unit: 'GiB',
        ratio: first && Number(first.peakBytes) / ours.peak,
      })
      report({
        name: `start of the loss, ${batch} × ${length}`,
        ok: Number.isFinite(ours.loss),
        note: `${ours.loss.toFixed(3)}${first ? `, torch ${Number(first.loss).toFixed(3)}` : ''}, log of the vocabulary ${Math.log(config.vocab_size).toFixed(3)}`,
      })
      await rig.part(`NF4, ${batch} × ${length}`, () => {
        rig.clear()
        const packed = measure(rig, config, { rank, batch, length, steps, nf4: true })
        report({
          name: `the same on NF4 layers`,
          ours: tokens / packed.seconds,
          unit: 'tokens/s',
          ratio: ours.seconds / packed.seconds,
          note: `against our bf16; peak ${(packed.peak / 2 ** 30).toFixed(2)} GiB; ${packed.note}`,
        })
      })
    })
  }
}

interface Setting {
  readonly rank: number
  readonly batch: number
  readonly length: number
  readonly steps: number
  readonly nf4: boolean
}

function measure(
  rig: Rig,
  config: typeof LLAMA_1B,
  { rank, batch, length, steps, nf4 }: Setting,
): { seconds: number; peak: number; loss: number; note: string } {
  const { device, options } = rig
  using open = new DisposableStack()
  const model = open.use(MODELS.llama.create(config, randomWeights(rig)))
  const adapter = open.use(attachLora(model, { rank, alpha: 2 * rank, targetModules: 'all-linear' }))
  if (nf4) packLayers(model, open)
  const { parameters } = adapter
  const optimizer = open.use(chain(clipByGlobalNorm(1), adamw()).init(parameters))
  const context = { model, device, parameters, optimizer, checkpointing: true, seed: 0 }
  device.resetPeak()
  const times: number[] = []
  const queued: number[] = []
  let loss = Number.NaN
  for (let step = 0; step < steps + 2; step++) {
    const tokens = randomBatch(config.vocab_size, { batch, length, seed: options.seed + step })
    const began = performance.now()
    const result = trainStep(context, [tokens], { step, learningRate: 1e-4 })
    queued.push((performance.now() - began) / 1000)
    device.synchronize?.()
    times.push((performance.now() - began) / 1000)
    if (step === 0) loss = result.loss
  }
  const seconds = median(times.slice(2))
  return {
    seconds,
    peak: device.memory().peak,
    loss,
    note: `${(seconds * 1e3).toFixed(1)} ms a step, first ${(times[0] * 1e3).toFixed(0)} ms`,
  }
}

/** The linear layers as NF4; their full weights are freed, which nothing but this benchmark may do to a model. */
function packLayers(model: Model, open: DisposableStack): void {
  for (const layer of model.layers.values()) {
    const { kind, weight } = layer
    if (kind !== 'linear' || isQuantized(weight)) continue
    layer.weight = open.use(quantize4bit(weight))
    weight.dispose()
  }
}

function randomWeights(rig: Rig): WeightSource {
  return {
    place: 'random weights',
    has: (name) => !name.endsWith('.bias') && name !== 'lm_head.weight',
    names: () => [],
    load(_name, shape) {
      if (shape.length > 1) return rig.random(shape, 'bf16', 0.02)
      return tensor(new Float32Array(shape[0]).fill(1), { shape, dtype: 'bf16', device: rig.device })
    },
  }
}
