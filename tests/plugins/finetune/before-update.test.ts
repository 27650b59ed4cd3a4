/**
 * What a strategy says before the update: a factor on the rate of the step, whoever makes it.
 */
import { expect, test } from 'bun:test'
import { adamw, chain, clipByGlobalNorm, flatGradients, type UpdateCheck } from '../../../core/mod.ts'
import { stepParts, trainStep } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import { concatenate } from '../../../plugins/data/mod.ts'
import { snapshot } from '../../../testing/compare.ts'
import { MODEL } from '../../../scripts/recipes/tiny-llama/paths.ts'
import { cpu } from './_run.ts'

const RATE = 1e-3
const ids = Int32Array.from({ length: 12 }, (_, i) => 5 + ((3 * i) % 90))
const WINDOW = [concatenate([{ ids, labels: ids, source: { file: 'here', line: 1 } }])]

interface Made {
  readonly bytes: Map<string, Uint8Array>
  readonly found: readonly Parameters<UpdateCheck>[0][]
  readonly metrics: Readonly<Record<string, number>>
  readonly loss: number
}

/** Three steps, the last of them with these answers; `isInParts`: by backward() and update(). */
function made(answers: readonly number[], { rate = RATE, isInParts = false, steps = 3 } = {}): Made {
  using model = loadModel(MODEL, { device: cpu })
  using adapter = attachLora(model, { rank: 4, alpha: 8, targetModules: ['q_proj'], seed: 1 })
  const { parameters } = adapter
  using gradients = flatGradients(parameters)
  using optimizer = chain(clipByGlobalNorm(1), adamw()).init(parameters)
  const context = { model, device: cpu, parameters, gradients, optimizer, checkpointing: false, seed: 1 }
  const found: Parameters<UpdateCheck>[0][] = []
  let result = { loss: 0, metrics: {} }
  for (let step = 0; step < steps; step++) {
    const isLast = step === steps - 1
    const at = { step, learningRate: isLast ? rate : RATE, checks: [] }
    const parts = stepParts(context, WINDOW, at, steps)
    for (const answer of isLast ? answers : [])
      parts.beforeUpdate((seen) => {
        found.push(seen)
        return answer
      })
    result = isInParts ? { loss: parts.backward(), metrics: parts.update() } : trainStep(context, WINDOW, at)
  }
  const bytes = snapshot(new Map([...parameters, ...optimizer.tensors()]))
  return { bytes, found, ...result }
}

test('1 is the step as it is, to the bit, and the check has seen its loss and its norm', () => {
  const plain = made([])
  for (const isInParts of [false, true]) {
    const checked = made([1], { isInParts })
    expect(checked.bytes).toEqual(plain.bytes)
    expect(checked.found).toEqual([{ loss: plain.loss, gradNorm: plain.metrics['grad_norm'] }])
    expect(checked.metrics).toEqual(plain.metrics)
  }
})

test('one half is the step at half the rate, to the bit; several are multiplied', () => {
  expect(made([0.5]).bytes).toEqual(made([], { rate: RATE / 2 }).bytes)
  expect(made([0.5, 0.5], { isInParts: true }).bytes).toEqual(made([], { rate: RATE / 4 }).bytes)
})

test('0 leaves weights and moments as they were, and all are asked', () => {
  for (const isInParts of [false, true]) {
    const refused = made([0, 1], { isInParts })
    expect(refused.bytes).toEqual(made([], { steps: 2 }).bytes)
    expect(refused.found.length).toBe(2)
    expect(refused.metrics).toEqual({ grad_norm: refused.found[0].gradNorm })
  }
})
