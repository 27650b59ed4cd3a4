/**
 * The check of a GPU before a run trusts it.
 */
import { describe, expect, test } from 'bun:test'
import type { Device, OpImplementation } from '../../core/mod.ts'
import { selfCheck } from '../../plugins/cuda/mod.ts'
import { HAS_EMULATOR, openEmulated } from './_emulated.ts'

/** The device with every output of one op left as it was made: NaN. */
function without(device: Device, name: string): Device {
  return {
    ...device,
    implementationOf(op): OpImplementation | undefined {
      const found = device.implementationOf(op)
      return found && op.name === name ? { ...found, run() {} } : found
    },
  }
}

describe.if(HAS_EMULATOR)('selfCheck()', () => {
  test('passes on the emulated kernels', () => {
    selfCheck(openEmulated())
  })

  test('names what is wrong when a kernel does nothing', () => {
    for (const op of ['linear', 'attention', 'attention_backward', 'linear_cross_entropy'])
      expect(() => selfCheck(without(openEmulated(), op))).toThrow('computes wrong numbers')
  })
})
