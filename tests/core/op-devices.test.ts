/**
 * The CPU device against the reference, forward and backward, f32 and bf16; and what each device runs.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { explain, tensor, tensorScope } from '../../core/mod.ts'
import { openCpuOrReference } from '../../plugins/cpu/mod.ts'
import { expectAsReference, resultsOn } from '../../testing/ops/compare-devices.ts'
import { OP_CASES } from '../../testing/ops/ops.ts'
import { supportMatrix } from '../cases/support-matrix.ts'
import { rmsNormForward } from '../../core/ops/mod.ts'

const { device: cpu, note } = openCpuOrReference({ threads: 2 })
if (note) console.log(`skipped: ${note}`)

describe.skipIf(note !== null)('the CPU gives what the reference gives', () => {
  const before = cpu.memory().live
  for (const op of OP_CASES) {
    for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const)) {
      test(`${op.name}, ${dtype}`, () => {
        expectAsReference(cpu, op, dtype)
      })
    }
  }

  test('the same run twice gives the same bits', () => {
    for (const op of OP_CASES) expect(resultsOn(cpu, op, 'f32')).toEqual(resultsOn(cpu, op, 'f32'))
  })

  afterAll(() => {
    if (cpu.memory().live !== before) throw new Error(`${cpu.memory().live - before} bytes are still in use`)
  })
})

describe('what runs where', () => {
  test.skipIf(note !== null)('the CPU has an implementation of every op', () => {
    const missing = supportMatrix([cpu]).filter(({ devices }) => !devices.cpu)
    expect(missing.map(({ op }) => op)).toEqual([])
  })

  test.skipIf(note !== null)('explain() names who runs an op', () => {
    using _scope = tensorScope()
    const x = tensor([1, 2], { device: cpu })
    expect(explain(rmsNormForward, { x, residual: undefined, weight: x }, { eps: 0 })[0]).toBe('cpu: yes')
  })
})
