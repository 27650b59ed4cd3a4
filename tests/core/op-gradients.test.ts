/**
 * Every gradient against central differences, in f64 from end to end.
 */
import { describe, expect, test } from 'bun:test'
import * as ops from '../../core/ops/mod.ts'
import { expectGradients } from '../../testing/ops/gradients.ts'
import { OP_CASES } from '../../testing/ops/ops.ts'
import { createWideDevice, isOp } from '../../testing/ops/wide-device.ts'

describe('gradients are the slopes of their ops', () => {
  const device = createWideDevice()
  for (const op of OP_CASES) test(op.name, () => expectGradients(op, device))

  test('the table runs every op there is', () => {
    const ran = new Set(device.ran.map(({ op }) => op.name))
    const missing = Object.values(ops).filter((value) => isOp(value) && !ran.has(value.name))
    expect(missing).toEqual([])
  })
})
