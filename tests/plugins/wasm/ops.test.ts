/**
 * The device wasm against the reference, forward and backward, f32 and bf16, with one thread and with two.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { OP_CASES } from '../../../testing/mod.ts'
import { expectAsReference, resultsOn } from '../../../testing/ops/compare-devices.ts'
import { supportMatrix } from '../../cases/support-matrix.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { openWasm } from '../../../plugins/wasm/mod.ts'

describe.each([1, 2])('wasm with %i threads gives what the reference gives', (threads) => {
  const device = openWasm({ threads })
  const before = device.memory().live
  for (const op of OP_CASES) {
    for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const)) {
      test(`${op.name}, ${dtype}`, () => {
        expectAsReference(device, op, dtype)
      })
    }
  }

  test('the same run twice gives the same bits', () => {
    for (const op of OP_CASES) expect(resultsOn(device, op, 'f32')).toEqual(resultsOn(device, op, 'f32'))
  })

  test('has an implementation of every op', () => {
    const missing = supportMatrix([device]).filter(({ devices }) => !devices.cpu)
    expect(missing.map(({ op }) => op)).toEqual([])
  })

  test('codes and bit planes are those of the native library, byte for byte', () => {
    const cpu = openCpu({ threads: 2 })
    const exact = OP_CASES.filter(({ name }) => /^(quantize|vsa)/.test(name))
    expect(exact.length).toBeGreaterThan(4)
    for (const op of exact)
      for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const))
        expect([op.name, resultsOn(device, op, dtype)]).toEqual([op.name, resultsOn(cpu, op, dtype)])
  })

  test('says how many threads there are', () => {
    expect(device.description).toMatch(threads === 1 ? /1 thread\)/ : /2 threads\)/)
  })

  afterAll(() => {
    if (device.memory().live !== before)
      throw new Error(`${device.memory().live - before} bytes are still in use`)
  })
})
