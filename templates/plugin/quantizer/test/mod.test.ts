import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Tensor, tensor } from 'tritune/core'
import { quantizerContract } from 'tritune/testing'
import { myQuantizer, plugin } from '../src/mod.ts'
import { trainExample } from '../../common/test/train-example.ts'

// What every quantizer promises, as checks that come with tritune.
for (const { name, run } of quantizerContract(myQuantizer, { error: 0.01 })) test(name, run)

test('each value comes back within half a step of its row', () => {
  const values = Float32Array.from({ length: 3 * 64 }, (_, i) => Math.sin(i) * 10 ** (Math.floor(i / 64) - 1))
  const back = roundTrip(tensor(values, { shape: [3, 64] }))
  for (const [i, value] of values.entries()) {
    const row = values.subarray(Math.floor(i / 64) * 64, Math.floor(i / 64) * 64 + 64)
    const step = Math.max(...row.map(Math.abs)) / 127
    assert.ok(Math.abs((back[i] ?? Number.NaN) - value) <= 0.5001 * step, `value ${i}`)
  }
})

test('a row of zeros stays one, and packing twice gives the same values', () => {
  assert.deepEqual([...roundTrip(tensor(new Float32Array(8), { shape: [2, 4] }))], Array(8).fill(0))
  const once = roundTrip(tensor([3, -1, 0.5, 2], { shape: [1, 4] }))
  assert.deepEqual(roundTrip(tensor(once, { shape: [1, 4] })), once)
})

test(
  'LoRA trains on packed weights, and a resumed run has the same losses to the last bit',
  { timeout: 60_000 },
  async () => {
    const { losses, resumed } = await trainExample(plugin)
    assert.ok(Math.min(...losses.slice(4)) < losses[0]!, `the loss does not fall: ${losses.join(' ')}`)
    assert.deepEqual(resumed, losses.slice(4))
  },
)

function roundTrip(weight: Tensor): Float32Array {
  const quantizer = myQuantizer.create({})
  const packed = quantizer.quantize(weight)
  const back = quantizer.dequantize(packed, 'f32')
  const values = back.toArray()
  for (const one of [weight, back]) one.dispose()
  packed[Symbol.dispose]()
  return values
}
