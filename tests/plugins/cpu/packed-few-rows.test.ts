/**
 * Packed layers of few rows multiply codes, those of many rows unpack them: both give what the reference gives, whatever the sizes.
 */
import { expect, test } from 'bun:test'
import {
  cast,
  createRandom,
  type Device,
  linearQuantized,
  noGrad,
  quantize4bit,
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

test.each([
  ['nf4', 64, false],
  ['nf4', 32, true],
  ['fp4', 64, true],
  ['nf4', 128, false],
] as const)('%s in blocks of %d', (kind, block, doubleQuant) => {
  const compute = (device: Device, columns: number, rows: number, dtype: 'f32' | 'bf16'): number[] => {
    using _scope = tensorScope()
    return noGrad(() => {
      const of = (name: string, shape: readonly number[]): Tensor =>
        tensor(drawn(shape[0] * (shape[1] ?? 1), name), { shape, device })
      using weight = quantize4bit(of('weight', [37, columns]), { kind, block, doubleQuant })
      const [x, bias] = [cast(of('x', [rows, columns]), dtype), cast(of('bias', [37]), dtype)]
      return [...linearQuantized(x, weight, { bias }).toArray()]
    })
  }
  // Of 96 columns a block of 64 goes on in the next row.
  for (const columns of [64, 96, 128, 640])
    for (const rows of [1, 2, 5, 16, 17])
      for (const dtype of ['f32', 'bf16'] as const) {
        const [ours, reference] = [cpu, referenceDevice].map((device) =>
          compute(device, columns, rows, dtype),
        )
        expect(relativeError(ours, reference)).toBeLessThan(dtype === 'f32' ? 1e-5 : 1e-2)
      }
})
