import { expect, test } from 'bun:test'
import { BAD_ARGUMENT, call, lastError, reachableIsas, run } from './_library.ts'

const FMA = 0
const AMX_LOAD_FED = 1
const MEMCPY = 2
const MMA_BF16 = 3
const UNSUPPORTED = -4
const DOT_INT8 = 4
const READ = 5

test('tt_bench_peak() measures each kind the machine has', () => {
  run('tt_init', 0, 0, 0)
  const out = new Float64Array(1)
  const kinds = reachableIsas().includes(3) ? [FMA, DOT_INT8, AMX_LOAD_FED] : [FMA, DOT_INT8]
  for (const kind of kinds) {
    run('tt_bench_peak', out, kind, 0, 0.01)
    expect(out[0]).toBeGreaterThan(1e9)
    expect(out[0]).toBeLessThan(1e16)
  }
  for (const kind of [MEMCPY, READ]) {
    run('tt_bench_peak', out, kind, 1 << 22, 0.01)
    expect(out[0]).toBeGreaterThan(1e8)
  }
})

test('tt_bench_peak() of pairs of bf16 is above that of floats, or says that there are none', () => {
  run('tt_init', 0, 0, 0)
  const out = new Float64Array(1)
  const status = call('tt_bench_peak', out, MMA_BF16, 0, 0.05)
  if (status === UNSUPPORTED) return expect(lastError()).toContain('not made in pairs here')
  expect(status).toBe(0)
  const [pairs] = out
  run('tt_bench_peak', out, FMA, 0, 0.05)
  expect(pairs).toBeGreaterThan(1.2 * out[0])
})

test('tt_bench_peak() refuses what it does not know', () => {
  const out = new Float64Array(1)
  expect(call('tt_bench_peak', out, 9, 0, 0.01)).toBe(BAD_ARGUMENT)
  expect(call('tt_bench_peak', out, MEMCPY, 1, 0.01)).toBe(BAD_ARGUMENT)
  expect(call('tt_bench_peak', null, FMA, 0, 0.01)).toBe(BAD_ARGUMENT)
})
