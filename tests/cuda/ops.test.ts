/**
 * The op table on the CUDA kernels, emulated, against the reference.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { TrituneError } from '../../core/mod.ts'
import { libraryCandidates } from '../../core/native/library.ts'
import { openCuda } from '../../plugins/cuda/mod.ts'
import { expectAsReference } from '../cases/compare-devices.ts'
import { OP_CASES } from '../cases/ops.ts'

describe('the CUDA kernels give what the reference gives', () => {
  // TEMPORARY, until all kernels are there.
  if (!existsSync(libraryCandidates('cuda-emulated')[0])) return
  const device = openCuda({ emulated: true })
  const before = device.memory().live
  for (const op of OP_CASES) {
    for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const)) {
      test(`${op.name}, ${dtype}`, () => {
        try {
          expectAsReference(device, op, dtype)
        } catch (error) {
          if (!(error instanceof TrituneError && error.message.includes('this build has no'))) throw error
        }
      })
    }
  }

  afterAll(() => {
    expect(device.memory().live).toBe(before)
  })
})
