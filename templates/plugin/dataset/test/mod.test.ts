import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHost, TrituneError } from 'tritune/core'
import { datasetContract } from 'tritune/testing'
import { myDataset, plugin } from '../src/mod.ts'
import { trainExample } from '../../common/test/train-example.ts'

// What every dataset promises, as checks that come with tritune.
const contract = datasetContract(myDataset, {
  rows: [
    {
      row: { question: 'How many legs has a spider?', answer: 'Eight.' },
      text: '<s>Question: How many legs has a spider?\nAnswer: Eight.</s>',
      trained: ['Eight.</s>'],
    },
  ],
  wrongRows: [{ row: { question: 'Why?' }, says: 'answer' }],
})
for (const { name, run } of contract) test(name, run)

test('provides the type under its name', () => {
  const host = createHost({ plugins: [plugin] })
  assert.equal(host.find('dataset', 'my-dataset'), myDataset)
  host[Symbol.dispose]()
})

test('what is no option of it is refused', () => {
  assert.throws(() => myDataset.options?.validate({ promt: '{question}' }), TrituneError)
})

test('it trains, and a resumed run has the same losses to the last bit', { timeout: 60_000 }, async () => {
  const { losses, resumed } = await trainExample(plugin)
  assert.ok(Math.min(...losses.slice(4)) < losses[0]!, `the loss does not fall: ${losses.join(' ')}`)
  assert.deepEqual(resumed, losses.slice(4))
})
