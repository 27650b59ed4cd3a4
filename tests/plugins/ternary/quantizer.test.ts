/**
 * The quantizer `trit_planes`: its contract, its numbers against the paper's formula, and tensors that it does not take.
 */
import { describe, expect, test } from 'bun:test'
import { tensor, tensorScope } from '../../../core/mod.ts'
import { packedTrits, ternaryAlgebra, tritPlanes, tritQuantizer } from '../../../plugins/ternary/mod.ts'
import { quantizerContract } from '../../../testing/mod.ts'
import { plain } from './_plain.ts'
import { thrown } from './_thrown.ts'

describe('trit_planes keeps the contract of quantizers', () => {
  for (const { name, run } of quantizerContract(tritPlanes, {
    error: 0.6,
    wrongOptions: [{ threshold: -1 }],
  }))
    test(name, run)
})

test('the plugin provides it', () => {
  expect(ternaryAlgebra.provides.quantizer.trit_planes.name).toBe('trit_planes')
})

test('keeps what is above the threshold, with the mean of its sizes as the scale', () => {
  using _scope = tensorScope()
  const rows = [
    [1, -2, 0.1, 3, -0.2],
    [0, 0, 0, 0, 0],
    [5, 5, 5, 5, 5],
  ]
  const x = tensor(rows.flat(), { shape: [3, 5] })
  using packed = tritQuantizer({ threshold: 0.7 }).quantize(x)
  expect([...packed.scale.toArray()]).toEqual([2, 0, 5])
  expect(packed.planes.shape).toEqual([3, 2, 1])
  expect([...packed.planes.toArray()]).toEqual([0b01001, 0b00010, 0, 0, 0b11111, 0])
  expect([...tritQuantizer().dequantize(packed, 'bf16').toArray()].map((v) => v + 0)).toEqual([
    2, -2, 0, 2, 0, 0, 0, 0, 0, 0, 5, 5, 5, 5, 5,
  ])
  expect(packed.bytes).toBe(3 * 8 + 3 * 4)
})

test('with no threshold a vector of trits comes back', () => {
  using _scope = tensorScope()
  const trits = plain.random(1000, 3)
  const quantizer = tritQuantizer({ threshold: 0 })
  using packed = quantizer.quantize(tensor(trits))
  expect(packed.shape).toEqual([1000])
  expect([...quantizer.dequantize(packed).toArray()].map((v) => v + 0)).toEqual([...trits])
  const { plus, minus } = packedTrits.fromArray(trits)
  const words = new Uint32Array(packed.planes.host().buffer, packed.planes.offset, 64)
  expect([...words]).toEqual([...plus, ...minus])
})

test('refuses tensors that it does not take', () => {
  using _scope = tensorScope()
  const { quantize } = tritQuantizer()
  expect(thrown(() => quantize(tensor([1, 2], { dtype: 'i32' })))).toMatchObject({ code: 'E_DTYPE' })
  expect(thrown(() => quantize(tensor([1, 2], { shape: [1, 1, 2] })))).toMatchObject({ code: 'E_SHAPE' })
  expect(thrown(() => quantize(tensor([], { shape: [0, 2] })))).toMatchObject({ code: 'E_SHAPE' })
  for (const wrong of [NaN, Infinity])
    expect(thrown(() => quantize(tensor([1, 2, 3, wrong], { shape: [2, 2] })))).toMatchObject({
      code: 'E_NAN',
      what: expect.stringContaining('row 1'),
    })
  using made = tritPlanes.create({ threshold: 0.7 }).quantize(tensor([1, 2], { shape: [1, 2] }))
  expect(thrown(() => tritPlanes.create({ threshold: 0.7 }).dequantize({ ...made, kind: 'nf4' })).code).toBe(
    'E_DTYPE',
  )
})
