/**
 * Trained weights out of the files of a checkpoint, whatever the files hold otherwise than the model: a resumed run must have the same bits.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { fillFrom } from '../../../plugins/finetune/checkpoints/training-state.ts'
import { saveModel } from '../../../plugins/finetune/mod.ts'
import { fillWeights } from '../../../plugins/finetune/output/fill-weights.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { trainAllWeights } from '../../../plugins/peft/mod.ts'
import { GOLDEN, temporaryFolder } from '../../_golden.ts'

const cpu = openCpu()

test.each(['models/gpt2', 'models/llama-bias', 'moe-models/gpt_oss', 'moe-models/mixtral'])(
  '%s has the weights that were saved',
  (name) => {
    const base = join(GOLDEN, name)
    using folder = temporaryFolder()
    using model = loadModel(base, { device: cpu, writable: true })
    const parameters = trainAllWeights(model)
    const before = new Map([...parameters].map(([key, weight]) => [key, weight.toArray()]))
    saveModel(model, base, folder.path)
    for (const weight of parameters.values()) weight.set(new Float32Array(weight.size).fill(7))
    fillWeights(model, parameters, (tensors) => fillFrom(folder.path, tensors))
    for (const [key, weight] of parameters)
      expect(weight.toArray(), key).toEqual(before.get(key) ?? new Float32Array())
  },
)

test('numbers with a point keep it in config.json: transformers takes no whole number for a float', () => {
  const base = join(GOLDEN, 'moe-models', 'mixtral')
  const text = (path: string): string => readFileSync(join(path, 'config.json'), 'utf8')
  expect(text(base)).toContain('"router_jitter_noise": 0.0,')
  using folder = temporaryFolder()
  using model = loadModel(base, { device: cpu })
  saveModel(model, base, folder.path)
  expect(text(folder.path)).toContain('"router_jitter_noise": 0.0,')
  expect(text(folder.path)).toContain('"num_local_experts": 5,')
})
