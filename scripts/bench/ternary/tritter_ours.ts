/**
 * Training steps of one tritter preset on random tokens, for `bench tritter`: prints what they took as one line of JSON.
 *
 *   bun scripts/bench/ternary/tritter_ours.ts --preset tritter-small [--rows 4] [--length 512] [--steps 3] [--checkpointing 1] [--bitnet 1]
 */
import { parseArgs } from 'node:util'
import {
  adamw,
  chain,
  clipByGlobalNorm,
  createRandom,
  flatGradients,
  tensor,
  type WeightSource,
} from '../../../core/mod.ts'
import { bitLinearForms } from '../../../plugins/bitnet/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { trainStep } from '../../../plugins/finetune/mod.ts'
import { countWeights } from '../../../plugins/finetune/model/count-weights.ts'
import { MODELS, tritterPreset } from '../../../plugins/models/mod.ts'
import { trainAllWeights } from '../../../plugins/peft/mod.ts'
import { median } from '../_measure.ts'
import { randomBatch } from '../_random-step.ts'

const { values } = parseArgs({
  options: {
    preset: { type: 'string' },
    rows: { type: 'string', default: '4' },
    length: { type: 'string', default: '512' },
    steps: { type: 'string', default: '3' },
    threads: { type: 'string', default: '0' },
    checkpointing: { type: 'string', default: '0' },
    bitnet: { type: 'string', default: '0' },
  },
})
if (!values.preset) throw new Error('--preset is missing')
const [rows, length] = [Number(values.rows), Number(values.length)]
const config = tritterPreset(values.preset)
const device = openCpu({ threads: Number(values.threads) })
const source = pooledWeights()
const forms = bitLinearForms()
const form = values.bitnet === '1' ? forms.form : undefined
using model = MODELS.tritter.create(config, { ...source, ...(form && { form }) })
const parameters = trainAllWeights(model)
using gradients = flatGradients(parameters)
using optimizer = chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.1 })).init(parameters)
const batch = randomBatch(model.info.vocabSize, { batch: rows, length, seed: 0 })
const checkpointing = values.checkpointing === '1'
const context = { model, device, parameters, optimizer, gradients, checkpointing, seed: 0 }
const held = device.memory().live
const seconds: number[] = []
const losses: number[] = []
for (let step = 0; step < Number(values.steps); step++) {
  const began = performance.now()
  losses.push(trainStep(context, [batch], { step, learningRate: 1e-4 }).loss)
  seconds.push((performance.now() - began) / 1000)
}
console.log(
  JSON.stringify({
    ready: true,
    parameters: countWeights(model),
    held,
    peak: device.memory().peak,
    tokensPerSecond: (rows * length) / median(seconds),
    losses,
  }),
)

/** Speed and memory do not depend on the numbers: a million of them serve for all. */
function pooledWeights(): WeightSource {
  const random = createRandom(1, 'bench/weights')
  const pool = Float32Array.from({ length: 2 ** 20 }, () => 0.02 * random.normal())
  return {
    place: 'random weights',
    has: () => true,
    names: () => [],
    load(name, shape) {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
      if (shape.length === 1) values.fill(name.endsWith('.bias') ? 0 : 1)
      else
        for (let at = 0; at < values.length; at += pool.length)
          values.set(pool.subarray(0, Math.min(pool.length, values.length - at)), at)
      return tensor(values, { shape, dtype: 'f32', device })
    },
  }
}
