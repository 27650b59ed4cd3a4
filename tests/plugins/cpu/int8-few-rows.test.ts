/**
 * int8 layers of few rows multiply bytes, those of many rows bf16: both give what the reference gives, whatever the sizes.
 */
import { expect, test } from 'bun:test'
import {
  createRandom,
  type Device,
  linearQuantized,
  noGrad,
  quantizeInt8,
  referenceDevice,
  tensor,
  type Tensor,
  tensorScope,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { relativeError } from '../../_golden.ts'

const cpu = openCpu()
const SIZES = [
  [64, 4],
  [100, 37],
  [7, 5],
  [576, 33],
  [129, 70],
] as const

function drawn(length: number, name: string, outlier = -1): Float32Array {
  const random = createRandom(3, name)
  return Float32Array.from({ length }, (_, i) => random.normal() * (i === outlier ? 40 : 1))
}

function run(
  device: Device,
  [inputs, outputs]: readonly [number, number],
  rows: number,
  threshold: number,
  rank: number,
): number[] {
  using _scope = tensorScope()
  return noGrad(() => {
    const of = (name: string, shape: readonly number[], outlier?: number): Tensor =>
      tensor(
        drawn(
          shape.reduce((a, b) => a * b, 1),
          name,
          outlier,
        ),
        { shape, device },
      )
    using weight = quantizeInt8(of('weight', [outputs, inputs]), { threshold })
    const lora =
      rank > 0 ? { a: of('a', [rank, inputs]), b: of('b', [outputs, rank]), scale: 0.5 } : undefined
    const x = of('x', [rows, inputs], threshold > 0 ? 3 : -1)
    return [...linearQuantized(x, weight, { bias: of('bias', [outputs]), lora }).toArray()]
  })
}

test.each(SIZES)('%d columns, %d rows of the weight', (inputs, outputs) => {
  for (const rows of [1, 2, 3, 5, 7, 16, 17])
    for (const [threshold, rank] of [
      [0, 0],
      [6, 0],
      [0, 2],
      [6, 2],
    ]) {
      const [ours, reference] = [cpu, referenceDevice].map((device) =>
        run(device, [inputs, outputs], rows, threshold, rank),
      )
      expect(relativeError(ours, reference)).toBeLessThan(1e-5)
    }
})
