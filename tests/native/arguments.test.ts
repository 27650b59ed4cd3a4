/**
 * What C refuses by itself: sizes that no memory holds, lists that are none. The fuzzer `native` looks for more.
 */
import { describe, expect, test } from 'bun:test'
import { expectArguments } from '../../core/native/arguments.ts'
import { openLibrary } from '../../core/native/library.ts'
import { SYMBOLS } from '../../core/native/symbols.ts'
import { TrituneError } from '../../core/mod.ts'

const { call } = openLibrary('cpu')
const HUGE = 2 ** 52
const MOST = 2 ** 31 - 1
/** Never touched: everything here is refused before. */
const SOMEWHERE = 64

function refusal(run: () => void): string {
  try {
    run()
  } catch (error) {
    if (error instanceof TrituneError) return error.message
    throw error
  }
  return 'no error'
}

describe('sizes that no memory holds', () => {
  const cases: Readonly<Record<string, () => void>> = {
    tt_zero: () => call.tt_zero(SOMEWHERE, HUGE, 0),
    tt_copy: () => call.tt_copy(SOMEWHERE, SOMEWHERE, HUGE, 0),
    tt_fill: () => call.tt_fill(SOMEWHERE, HUGE, 1, 0, 0),
    tt_cast: () => call.tt_cast(SOMEWHERE, SOMEWHERE, HUGE, 0, 1, 0),
    tt_reduce: () => call.tt_reduce(SOMEWHERE, SOMEWHERE, HUGE, HUGE, HUGE, 0, 0, 0),
    tt_softmax_forward: () => call.tt_softmax_forward(SOMEWHERE, SOMEWHERE, MOST, MOST, 0, 0),
    tt_matmul: () =>
      call.tt_matmul(
        SOMEWHERE,
        SOMEWHERE,
        SOMEWHERE,
        MOST,
        MOST,
        MOST,
        MOST,
        HUGE,
        0,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
      ),
    tt_rope: () =>
      call.tt_rope(SOMEWHERE, SOMEWHERE, SOMEWHERE, SOMEWHERE, SOMEWHERE, MOST, MOST, MOST, 2, 1, 0, 0, 0),
    tt_vsa_similarity: () => call.tt_vsa_similarity(SOMEWHERE, SOMEWHERE, SOMEWHERE, MOST, MOST, MOST, 0, 0),
    tt_gather_rows: () => call.tt_gather_rows(SOMEWHERE, SOMEWHERE, SOMEWHERE, MOST, MOST, 1, 0, 0),
    tt_adamw: () =>
      call.tt_adamw(SOMEWHERE, 0, SOMEWHERE, SOMEWHERE, SOMEWHERE, HUGE, 0.1, 0.9, 0.9, 0, 0, 1, 1, 1, 0, 0),
    tt_adamw_list: () =>
      call.tt_adamw_list(
        BigInt64Array.of(64n, 0n, 64n, 64n, 64n, 2n ** 60n, 0n, 0n),
        1,
        0.1,
        0.9,
        0.9,
        0,
        0,
        1,
        1,
        1,
        0,
      ),
    tt_strided_copy: () =>
      call.tt_strided_copy(SOMEWHERE, SOMEWHERE, BigInt64Array.of(4n, 2n ** 62n, 1n), 1, 0, 0, 0),
    tt_binary: () =>
      call.tt_binary(
        SOMEWHERE,
        SOMEWHERE,
        SOMEWHERE,
        BigInt64Array.of(2n ** 40n, 1n, 1n, 2n ** 40n, 0n, 0n),
        2,
        0,
        0,
        0,
      ),
  }
  for (const [name, run] of Object.entries(cases)) {
    test(`${name}() refuses them`, () => expect(refusal(run)).toMatch(/memory can/))
  }

  test('a size of 0 makes it nothing, not an overflow', () => {
    call.tt_binary(0, 0, 0, BigInt64Array.of(2n ** 40n, 1n, 1n, 2n ** 40n, 1n, 1n, 0n, 1n, 1n), 3, 0, 0, 0)
    call.tt_softmax_forward(0, 0, 0, MOST, 0, 0)
  })

  test('tt_alloc() refuses more than the machine has', () => {
    const out = new BigInt64Array(1)
    expect(refusal(() => call.tt_alloc(out, 2 ** 47))).toContain('more than this machine has')
    expect(out[0]).toBe(0n)
  })
})

test('a dtype of 64 bits is not cut down to one that there is', () => {
  const table = BigInt64Array.of(64n, 0n, 64n, 64n, 64n, 1n, 2n ** 32n, 0n)
  expect(refusal(() => call.tt_adamw_list(table, 1, 0.1, 0.9, 0.9, 0, 0, 1, 1, 1, 0))).toContain('w_dtype')
})

test('tt_init(), tt_option_set(), tt_time_stop() and tt_memory_stats() name what is wrong', () => {
  expect(refusal(() => call.tt_init(1, 0, 0))).toContain('device 0')
  expect(refusal(() => call.tt_init(0, -1, 0))).toContain('threads')
  expect(refusal(() => call.tt_init(0, 0, 9))).toContain('isa')
  expect(refusal(() => call.tt_option_set(null, null))).toContain('NULL')
  expect(refusal(() => call.tt_time_stop(null, 0))).toContain('NULL')
  expect(refusal(() => call.tt_memory_stats(null))).toContain('NULL')
})

test('numbers that C would cut are refused before the call', () => {
  const rope = SYMBOLS.tt_softmax_forward
  const values = [0, 0, 2 ** 32, 1, 0, 0]
  expect(() => expectArguments('tt_softmax_forward', rope, values)).toThrow(
    'argument 3 is 4294967296, must be a whole number of 32 bits',
  )
  for (const bad of [NaN, 1.5, Infinity, undefined, '1'])
    expect(() => expectArguments('tt_softmax_forward', rope, values.with(2, bad as number))).toThrow(
      'argument 3',
    )
  expect(() => expectArguments('tt_zero', SYMBOLS.tt_zero, [new Float32Array(9), 1, 0])).toThrow(
    'argument 1 is an object, must be an address',
  )
  expect(() => expectArguments('tt_zero', SYMBOLS.tt_zero, [0, -1, 0])).toThrow(
    'argument 2 is -1, must be a size',
  )
  expect(() => expectArguments('tt_zero', SYMBOLS.tt_zero, [0, 8, 0])).not.toThrow()
})
