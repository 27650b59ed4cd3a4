/**
 * Lion with 8-bit moments against the CPU optimizer of bitsandbytes (tests/oracle/optimizers.py).
 */
import { expect, test } from 'bun:test'
import { parameter, referenceDevice, tensor } from '../../../core/mod.ts'
import { openCpuOrReference } from '../../../plugins/cpu/mod.ts'
import { lion } from '../../../plugins/optim/mod.ts'
import { goldenJson, relativeError } from '../../_golden.ts'

interface Golden {
  readonly n: number
  readonly options: { readonly lr: number; readonly betas: [number, number]; readonly weight_decay: number }
  readonly steps: readonly { readonly weight: number[]; readonly m8: string; readonly mAbsmax: number[] }[]
}

/** `numbers()` of the script. */
function numbers(n: number, seed: number): Float32Array {
  return Float32Array.from({ length: n }, (_, i) => {
    const word = (((i + 1) * 1103515245 + seed * 12345) % 2 ** 31) * 69069 + 1
    const u = (word % 2 ** 31) / 2 ** 30 - 1
    return u * u * u
  })
}

const DEVICES = [referenceDevice, openCpuOrReference({ threads: 2 }).device].map(
  (device) => [device.name, device] as const,
)

test.each(DEVICES)('codes, scales and weights of bitsandbytes on %s', (_, device) => {
  const { n, options, steps } = goldenJson<Golden>('bitsandbytes', 'lion8bit.json')
  const { betas, weight_decay, lr } = options
  using weight = parameter(tensor(numbers(n, 5), { device }))
  using small = parameter(tensor(numbers(4095, 5), { device }))
  using state = lion({ beta1: betas[0], beta2: betas[1], weightDecay: weight_decay, states: '8bit' }).init(
    new Map([
      ['small', small],
      ['w', weight],
    ]),
  )
  const tensors = state.tensors()
  // Below 4096 elements bitsandbytes keeps f32.
  expect([...tensors.keys()].toSorted()).toEqual(['m.small', 'm8.w', 'm_absmax.w'])
  for (const [i, golden] of steps.entries()) {
    using gradient = tensor(numbers(n, 100 + i), { device })
    weight.grad = gradient
    state.apply({ step: i + 1, learningRate: lr, gradScale: 1, metrics: {} })
    weight.grad = null
    expect(relativeError(every48(weight.toArray()), golden.weight)).toBeLessThan(1e-6)
    expect(relativeError(tensors.get('m_absmax.w')?.toArray() ?? [], golden.mAbsmax)).toBeLessThan(1e-6)
    expect(every48(tensors.get('m8.w')?.toArray() ?? [])).toEqual([...Buffer.from(golden.m8, 'hex')])
  }
})

function every48(values: ArrayLike<number>): number[] {
  return Array.from(values).filter((_, i) => i % 48 === 0)
}
