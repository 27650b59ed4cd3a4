/**
 * The algebra on bit planes on the CUDA kernels, emulated.
 */
import { describe, test } from 'bun:test'
import { referenceDevice } from '../../core/mod.ts'
import { expectVsaLaws, LAW_DIMS } from '../cases/vsa-laws.ts'
import { HAS_EMULATOR, openEmulated } from './_emulated.ts'

describe.if(HAS_EMULATOR)('the laws of bit planes on the CUDA kernels', () => {
  const device = HAS_EMULATOR ? openEmulated() : referenceDevice
  test.each([...LAW_DIMS])('with %i dimensions', (dims) => {
    expectVsaLaws(device, dims, dims)
  })
})
