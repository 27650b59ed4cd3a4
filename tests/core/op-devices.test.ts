/**
 * The CPU device against the reference, forward and backward, f32 and bf16; and what each device runs.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { type Device, explain, referenceDevice, tensor, tensorScope, useDevice } from '../../core/mod.ts'
import { openCpuOrReference } from '../../plugins/cpu/mod.ts'
import { caseInputs, type OpCase, runCase } from '../cases/op-case.ts'
import { OP_CASES } from '../cases/ops.ts'
import { supportMatrix } from '../cases/support-matrix.ts'
import { rmsNormForward } from '../../core/ops/mod.ts'

const { device: cpu, note } = openCpuOrReference({ threads: 2 })
if (note) console.log(`skipped: ${note}`)

const TOLERANCE = { f32: 3e-5, bf16: 2e-2 } as const

/** Every output and gradient of a case on a device, as numbers. */
function resultsOn(device: Device, op: OpCase, dtype: 'f32' | 'bf16'): Record<string, Float32Array> {
  using _device = useDevice(device)
  using _scope = tensorScope()
  const { outputs, gradients } = runCase(op, caseInputs(op, { dtype, device }))
  return Object.fromEntries([
    ...outputs.map((y, i) => [`output ${i}`, y.toArray()] as const),
    ...Object.entries(gradients).map(
      ([name, gradient]) => [`gradient of ${name}`, gradient.toArray()] as const,
    ),
  ])
}

function expectClose(subject: string, got: Float32Array, expected: Float32Array, tolerance: number): void {
  expect(got.length).toBe(expected.length)
  let scale = 0
  for (const value of expected) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value))
  for (let i = 0; i < expected.length; i++) {
    const same = Object.is(got[i], expected[i]) || Math.abs(got[i] - expected[i]) <= tolerance * scale
    if (!same) throw new Error(`${subject}[${i}]: got ${got[i]}, expected ${expected[i]} (largest ${scale})`)
  }
}

describe.skipIf(note !== null)('the CPU gives what the reference gives', () => {
  const before = cpu.memory().live
  for (const op of OP_CASES) {
    for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const)) {
      test(`${op.name}, ${dtype}`, () => {
        const expected = resultsOn(referenceDevice, op, dtype)
        const got = resultsOn(cpu, op, dtype)
        expect(Object.keys(got)).toEqual(Object.keys(expected))
        const tolerance = op.tolerance?.[dtype] ?? TOLERANCE[dtype]
        for (const [name, values] of Object.entries(expected)) expectClose(name, got[name], values, tolerance)
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
