/**
 * The algebra on bit planes on the reference and the CPU library, with each instruction set that this machine has.
 */
import { describe, test } from 'bun:test'
import { referenceDevice } from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { expectVsaLaws, LAW_DIMS } from '../cases/vsa-laws.ts'

const cpu = openCpu({ threads: 2 })

describe.each([
  ['the reference', referenceDevice, 1],
  ['the CPU library', cpu, 3],
] as const)('the laws of bit planes on %s', (_, device, seeds) => {
  test.each([...LAW_DIMS])('with %i dimensions', (dims) => {
    for (let seed = 0; seed < seeds; seed++) expectVsaLaws(device, dims, seed)
  })
})
