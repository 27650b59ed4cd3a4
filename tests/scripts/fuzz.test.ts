/**
 * The fuzzers: nothing is left out of their tables, mistakes are found, and a short run of each finds none.
 */
import { expect, test } from 'bun:test'
import { SYMBOLS } from '../../core/native/symbols.ts'
import { expectAnswer, expectLinear } from '../../scripts/fuzz/answer.ts'
import { Finding } from '../../scripts/fuzz/fuzzer.ts'
import { NATIVE_ROWS, NO_NATIVE_ROWS } from '../../scripts/fuzz/native/table.ts'
import { functionRow, isOp } from '../../scripts/fuzz/ops/row.ts'
import { runRow } from '../../scripts/fuzz/ops/run-row.ts'
import { fuzzRows, missingRows } from '../../scripts/fuzz/ops/table.ts'
import { createDice } from '../../scripts/fuzz/random.ts'
import { runTarget } from '../../scripts/fuzz/run-target.ts'
import { TARGETS } from '../../scripts/fuzz/targets.ts'
import { referenceDevice, TrituneError, zeros } from '../../core/mod.ts'
import { openCpuOrReference } from '../../plugins/cpu/mod.ts'

const { device: cpu, note } = openCpuOrReference({ threads: 2 })

test('every op and every function of core/ops has a row', () => {
  expect(missingRows()).toEqual([])
  expect(fuzzRows().length).toBeGreaterThan(90)
  expect(isOp({ name: 'x' })).toBe(false)
})

test('every function of the ABI has a row, or a reason', () => {
  const without = Object.keys(SYMBOLS).filter((name) => !(name in NATIVE_ROWS) && !(name in NO_NATIVE_ROWS))
  expect(without).toEqual([])
})

test.skipIf(note !== null)('a device that answers otherwise is a finding', () => {
  const here = functionRow(
    'where',
    () => ({ inputs: {}, params: null }),
    () => (zeros([1]).device.kind === 'cpu' ? 1 : 2),
  )
  const one = functionRow(
    'refuses',
    () => ({ inputs: {}, params: null }),
    () => {
      if (zeros([1]).device.kind === 'cpu') throw new TrituneError('E_SHAPE', 'no')
      return 1
    },
  )
  const broken = functionRow(
    'breaks',
    () => ({ inputs: {}, params: null }),
    () => {
      throw new TypeError('undefined is not a function')
    },
  )
  for (const row of [here, one, broken]) expect(() => runRow(row, cpu, createDice(1))).toThrow(Finding)
  expect(() => runRow(here, referenceDevice, createDice(1))).not.toThrow()
})

test('another error, a long message and a slow answer are findings', () => {
  const refuse = (length: number) => (): never => {
    throw new TrituneError('E_YAML', 'x'.repeat(length))
  }
  expect(() => expectAnswer('x', 1, refuse(10))).not.toThrow()
  expect(() => expectAnswer('x', 1, refuse(200_000))).toThrow('a message of')
  expect(() => expectAnswer('x', 1, () => JSON.parse('{'))).toThrow(Finding)
  let [seconds, power] = [0, 2]
  const work = (text: string): void => {
    seconds += (text.length / 2000) ** power
  }
  const measure = (): void =>
    expectLinear(
      'work',
      (n) => 'x'.repeat(n),
      work,
      () => seconds,
    )
  expect(measure).toThrow('8 times the input takes 64.0 times as long')
  power = 1
  expect(measure).not.toThrow()
})

test('a child that dies or hangs is a finding with its seed', async () => {
  const run = (target: string): ReturnType<typeof runTarget> =>
    runTarget({ target, seed: 5, cases: 1, seconds: 20, environment: {}, patience: 20 })
  const { findings } = await run('no such target')
  expect(findings.map(({ seed }) => seed)).toEqual([5])
  expect(findings[0].what).toContain('the process ended with 1')
}, 60_000)

for (const target of Object.keys(TARGETS)) {
  test.skipIf(note !== null)(
    `${target}: a short run finds nothing`,
    async () => {
      const { cases, findings } = await runTarget({
        target,
        seed: 1,
        cases: 300,
        seconds: 3,
        environment: {},
        patience: 60,
      })
      expect(findings).toEqual([])
      expect(cases).toBeGreaterThan(0)
    },
    120_000,
  )
}
