import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHost, TrituneError } from 'tritune/core'
import { myDataset, plugin } from '../src/mod.ts'
import { trainExample } from '../../common/test/train-example.ts'

test('provides the type under its name', () => {
  const host = createHost({ plugins: [plugin] })
  assert.equal(host.find('dataset', 'my-dataset'), myDataset)
  host[Symbol.dispose]()
})

test('what is no option of it is refused', () => {
  assert.throws(() => myDataset.options?.validate({ promt: '{question}' }), TrituneError)
})

test('it trains, and a resumed run has the same losses to the last bit', async () => {
  const { losses, resumed } = await trainExample(plugin)
  assert.ok(Math.min(...losses.slice(4)) < losses[0]!, `the loss does not fall: ${losses.join(' ')}`)
  assert.deepEqual(resumed, losses.slice(4))
})
