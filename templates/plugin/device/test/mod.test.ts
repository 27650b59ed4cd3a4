import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Device, noGrad, swiglu, tensor } from 'tritune/core'
import { openCpuOrReference } from 'tritune/plugins/cpu'
import { deviceContract, OP_CASES } from 'tritune/testing'
import { myDevice, plugin } from '../src/mod.ts'
import { trainExample } from '../../common/test/train-example.ts'

const GATE = Float32Array.from({ length: 300 }, (_, i) => Math.sin(i) * 8)
const UP = Float32Array.from({ length: 300 }, (_, i) => Math.cos(3 * i))

// What every device promises, as checks that come with tritune.
const cases = OP_CASES.filter(({ name }) => name.startsWith('swiglu'))
for (const { name, run } of deviceContract(myDevice, { cases })) test(name, run)

test('its op gives what that of the CPU device gives', () => {
  const own = swigluOn(myDevice.open({}), 'f32')
  const expected = swigluOn(openCpuOrReference().device, 'f32')
  for (const [i, value] of expected.entries())
    assert.ok(
      Math.abs((own[i] ?? Number.NaN) - value) <= 2e-6 * Math.max(1, Math.abs(value)),
      `${i}: ${own[i]}, not ${value}`,
    )
})

test('inputs that it does not take go to the CPU device', () => {
  assert.deepEqual(swigluOn(myDevice.open({}), 'bf16'), swigluOn(openCpuOrReference().device, 'bf16'))
})

test(
  'LoRA trains on it, and a resumed run has the same losses to the last bit',
  { timeout: 60_000 },
  async () => {
    const { losses, resumed } = await trainExample(plugin)
    assert.ok(Math.min(...losses.slice(4)) < losses[0]!, `the loss does not fall: ${losses.join(' ')}`)
    assert.deepEqual(resumed, losses.slice(4))
  },
)

function swigluOn(device: Device, dtype: 'f32' | 'bf16'): Float32Array {
  return noGrad(() => {
    const [gate, up] = [tensor(GATE, { device, dtype }), tensor(UP, { device, dtype })]
    const h = swiglu(gate, up)
    const values = h.toArray()
    for (const one of [gate, up, h]) one.dispose()
    return values
  })
}
