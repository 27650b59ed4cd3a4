/**
 * The op table on the CUDA kernels, emulated, against the reference.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { referenceDevice } from '../../core/mod.ts'
import { expectAsReference } from '../../testing/ops/compare-devices.ts'
import { OP_CASES } from '../../testing/ops/ops.ts'
import { HAS_EMULATOR, openEmulated } from './_emulated.ts'

describe.if(HAS_EMULATOR)('the CUDA kernels give what the reference gives', () => {
  const device = HAS_EMULATOR ? openEmulated() : referenceDevice
  const before = device.memory().live
  for (const op of OP_CASES) {
    for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const)) {
      test(`${op.name}, ${dtype}`, () => {
        expectAsReference(device, op, dtype)
      })
    }
  }

  afterAll(() => {
    expect(device.memory().live).toBe(before)
  })
})
