/**
 * Outputs that are brought to another length: the product and both of its gradients, in f32 and in bf16.
 */
import { describe, expect, test } from 'bun:test'
import {
  add,
  backward,
  cast,
  createRandom,
  type Device,
  mul,
  parameter,
  referenceDevice,
  sum,
  tensor,
  type Tensor,
  tensorScope,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { gained } from '../../../plugins/peft/gained.ts'
import { relativeError } from '../../_golden.ts'
import { HAS_EMULATOR, openEmulated } from '../../cuda/_emulated.ts'

const ROWS = 5
const COLUMNS = 37

const DEVICES: readonly (readonly [string, Device])[] = [
  ['the CPU', openCpu({ threads: 2 })],
  ['the reference', referenceDevice],
  ...(HAS_EMULATOR ? [['emulated CUDA', openEmulated()] as const] : []),
]

interface Values {
  readonly product: Float32Array
  readonly ofInput: Float32Array
  readonly ofGain: Float32Array
}

/** What the columns are multiplied by, with its gradients; `size` of the numbers. */
function through(
  device: Device,
  { dtype, size, by }: { readonly dtype: 'f32' | 'bf16'; readonly size: number; readonly by: typeof gained },
): Values {
  using _scope = tensorScope()
  const random = createRandom(11)
  const drawn = (length: number, from: () => number): Float32Array => Float32Array.from({ length }, from)
  const x = parameter(
    tensor(
      drawn(ROWS * COLUMNS, () => size * random.normal()),
      { shape: [ROWS, COLUMNS], device },
    ),
  )
  const gain = parameter(
    tensor(
      drawn(COLUMNS, () => 1 + 0.3 * random.normal()),
      { device },
    ),
  )
  const weights = tensor(
    drawn(ROWS * COLUMNS, () => random.normal()),
    { shape: [ROWS, COLUMNS], device },
  )
  const y = by(dtype === 'f32' ? x : cast(x, dtype), gain)
  backward(sum(mul(cast(y, 'f32'), weights)))
  const values = {
    product: Float32Array.from(cast(y, 'f32').toArray()),
    ofInput: Float32Array.from(x.grad?.toArray() ?? []),
    ofGain: Float32Array.from(gain.grad?.toArray() ?? []),
  }
  x.grad?.dispose()
  gain.grad?.dispose()
  return values
}

/** As it is defined, in f32. */
const plainly = (y: Tensor, gain: Tensor): Tensor => mul(cast(y, 'f32'), gain)

describe.each(DEVICES)('on %s', (_, device) => {
  test.each([1e-6, 1, 1e4])('f32, numbers of the size %d: as the plain product', (size) => {
    const expected = through(device, { dtype: 'f32', size, by: plainly })
    const found = through(device, { dtype: 'f32', size, by: gained })
    for (const key of ['product', 'ofInput', 'ofGain'] as const)
      expect(relativeError(found[key], expected[key]), key).toBeLessThanOrEqual(1e-6)
  })

  test('bf16: within the rounding of the numbers, the gradient of the gain within that of a sum of them', () => {
    const expected = through(device, { dtype: 'bf16', size: 1, by: plainly })
    const found = through(device, { dtype: 'bf16', size: 1, by: gained })
    for (const key of ['product', 'ofInput', 'ofGain'] as const)
      expect(relativeError(found[key], expected[key]), key).toBeLessThanOrEqual(6e-3)
  })

  test('bf16: a gain that bf16 cannot tell from 1 is one', () => {
    using _scope = tensorScope()
    const y = cast(
      tensor(
        Float32Array.from({ length: 256 }, (_one, i) => 1 + i / 256),
        { shape: [256, 1], device },
      ),
      'bf16',
    )
    const change = (gain: number): number =>
      cast(gained(y, tensor([gain], { device })), 'f32')
        .toArray()
        .reduce((all, one, i) => all + one - cast(y, 'f32').toArray()[i], 0)
    expect(change(1)).toBe(0)
    // 1 + 2⁻⁷ is the next number of bf16; each y that stands between two moves by itself.
    expect(change(1 + 2 ** -7)).toBeGreaterThan(256 * 2 ** -8)
  })

  test('what needs no gradient gets none', () => {
    using _scope = tensorScope()
    const y = parameter(tensor([1, 2], { shape: [1, 2], device }))
    backward(sum(gained(y, tensor([3, 4], { device }))))
    expect([...(y.grad?.toArray() ?? [])]).toEqual([3, 4])
    y.grad?.dispose()
    expect(
      add(gained(tensor([1, 2], { shape: [1, 2], device }), tensor([3, 4], { device })), 0).needsGrad,
    ).toBe(false)
  })
})
