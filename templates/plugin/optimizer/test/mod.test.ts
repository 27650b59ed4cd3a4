import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parameter, tensor } from 'tritune/core'
import { optimizerContract } from 'tritune/testing'
import { myOptimizer, plugin } from '../src/mod.ts'
import { trainExample } from '../../common/test/train-example.ts'

// What every optimizer promises, as checks that come with tritune.
for (const { name, run } of optimizerContract(myOptimizer, { wrongOptions: [{ beta1: 1 }] })) test(name, run)

test('moves each weight by the learning rate against the sign of its gradient', () => {
  const weight = parameter(tensor([1, 1, 1]))
  weight.grad = tensor([2, -0.01, 0])
  const options = myOptimizer.options.validate({})
  const transform = myOptimizer.create(options, { weightDecay: 0, decays: () => false })
  const state = transform.init(new Map([['weight', weight]]))
  state.apply({ step: 0, learningRate: 0.125, gradScale: 1, metrics: {} })
  assert.deepEqual([...weight.toArray()], [0.875, 1.125, 1])
  state[Symbol.dispose]()
  weight.grad?.dispose()
  weight.grad = null
  weight.dispose()
})

test('it trains, and a resumed run has the same losses to the last bit', { timeout: 60_000 }, async () => {
  const { losses, resumed } = await trainExample(plugin)
  assert.ok(Math.min(...losses.slice(4)) < losses[0]!, `the loss does not fall: ${losses.join(' ')}`)
  assert.deepEqual(resumed, losses.slice(4))
})
