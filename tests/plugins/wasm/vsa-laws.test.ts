/**
 * The algebra on bit planes in WebAssembly.
 */
import { describe, test } from 'bun:test'
import { openWasm } from '../../../plugins/wasm/mod.ts'
import { expectVsaLaws, LAW_DIMS } from '../../cases/vsa-laws.ts'

describe('the laws of bit planes in WebAssembly', () => {
  const device = openWasm({ threads: 2 })
  test.each([...LAW_DIMS])('with %i dimensions', (dims) => {
    for (let seed = 0; seed < 2; seed++) expectVsaLaws(device, dims, seed)
  })
})
