/**
 * Runs of mixtures of experts: the loss of the router in the loss and in the report, LoRA on experts, what config.json is to say.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { adamw } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { concatenate } from '../../../plugins/data/mod.ts'
import { trainStep } from '../../../plugins/finetune/mod.ts'
import { configOverrides } from '../../../plugins/finetune/model/config-overrides.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import { GOLDEN } from '../../_golden.ts'

const cpu = openCpu()
const BASE = join(GOLDEN, 'moe-models', 'qwen3_moe')

/** Eight steps of a LoRA on all experts and the router. */
function run(
  config: Readonly<Record<string, unknown>>,
  leanMemory = false,
): readonly { readonly loss: number; readonly metrics: Readonly<Record<string, number>> }[] {
  using model = loadModel(BASE, { device: cpu, config })
  using adapter = attachLora(model, {
    rank: 4,
    alpha: 8,
    targetModules: ['gate'],
    targetParameters: ['mlp.experts.gate_up_proj', 'mlp.experts.down_proj'],
  })
  const { parameters } = adapter
  using optimizer = adamw().init(parameters)
  const documents = [7, 12].map((length, line) => {
    const ids = Int32Array.from({ length }, (_, i) => (7 * i + 11 * line + 3) % 61)
    return { ids, labels: ids, source: { file: 'here', line } }
  })
  const batch = concatenate(documents)
  const context = { model, device: cpu, parameters, optimizer, checkpointing: false, leanMemory, seed: 0 }
  return Array.from({ length: 8 }, (_, step) => trainStep(context, [batch], { step, learningRate: 2e-2 }))
}

test('experts learn, and the loss of the router is part of the loss and told', () => {
  const steps = run({ router_aux_loss_coef: 0.5 })
  expect(steps[7].loss).toBeLessThan(0.7 * steps[0].loss)
  // A balance is at least 1 for each token that an expert gets: three of seven.
  for (const { metrics } of steps) expect(metrics['router_aux_loss']).toBeGreaterThan(2.9)
  const without = run({ output_router_logits: false })
  expect(without[0].metrics['router_aux_loss']).toBeUndefined()
  const own = 0.5 * steps[0].metrics['router_aux_loss']
  expect(Math.abs(steps[0].loss - own - without[0].loss)).toBeLessThan(1e-5)
})

test('lean memory gives the same bits', () => {
  expect(run({}, true)).toEqual(run({}, false))
})

test('overrides_of_model_config names fields that there are', () => {
  const overrides = { output_router_logits: false, rope_theta: 5 }
  expect(configOverrides({ overrides_of_model_config: overrides, reinit_weights: false }, BASE)).toEqual({
    config: overrides,
  })
  const of = (key: string, path = BASE): unknown =>
    configOverrides({ overrides_of_model_config: { [key]: 1 }, reinit_weights: false }, path)
  expect(() => of('output_router_logit')).toThrow('output_router_logits')
  expect(() => of('rope_theta', 'model.gguf')).toThrow('a GGUF file has no config.json')
})
