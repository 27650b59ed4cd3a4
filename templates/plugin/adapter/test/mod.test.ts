import assert from 'node:assert/strict'
import { test } from 'node:test'
import { denseWeight, type Layer, mergedWeight, noGrad, sub } from 'tritune/core'
import { openCpuOrReference } from 'tritune/plugins/cpu'
import { loadModel } from 'tritune/plugins/models'
import { attachAdapter } from 'tritune/plugins/peft'
import { adapterContract } from 'tritune/testing'
import { myAdapter, plugin } from '../src/mod.ts'
import { trainExample } from '../../common/test/train-example.ts'

/** Those of the example, and ones that must be refused: yours. */
const OPTIONS = { scale: 1 }
const WRONG = [{ scale: 0 }]

const MODEL = 'node_modules/tritune/quickstart/model'

// What every adapter promises, as checks that come with tritune.
for (const { name, run } of adapterContract(myAdapter, { wrongOptions: WRONG })) test(name, run)

test('a fresh adapter changes no weight, and one that has learned does', () => {
  const model = loadModel(MODEL, { device: openCpuOrReference().device })
  const adapter = attachAdapter(model, myAdapter, OPTIONS, { targetModules: 'all-linear' })
  const layers = [...model.layers.values()].filter(({ adapters }) => adapters.length > 0)
  assert.ok(layers.length > 0)
  for (const layer of layers) assert.equal(change(layer), 0, layer.path)
  for (const parameter of adapter.parameters.values())
    parameter.set(new Float32Array(parameter.size).fill(0.1))
  for (const layer of layers) assert.notEqual(change(layer), 0, layer.path)
  adapter[Symbol.dispose]()
  model[Symbol.dispose]()
})

test('it trains, and a resumed run has the same losses to the last bit', { timeout: 60_000 }, async () => {
  const { losses, resumed } = await trainExample(plugin)
  assert.ok(Math.min(...losses.slice(4)) < losses[0]!, `the loss does not fall: ${losses.join(' ')}`)
  assert.deepEqual(resumed, losses.slice(4))
})

/** Sum of the squares of what merging changes. */
function change(layer: Layer): number {
  return noGrad(() => {
    const [merged, weight] = [mergedWeight(layer), denseWeight(layer)]
    const difference = sub(merged, weight)
    const total = difference.toArray().reduce((sum, value) => sum + value * value, 0)
    for (const one of [merged, weight, difference]) one.dispose()
    return total
  })
}
