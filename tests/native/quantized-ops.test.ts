/**
 * The cases of packed weights, codes and bit planes on every instruction set: tests/core/op-devices.test.ts runs the best
 * one only, and these kernels look numbers up with other instructions on each.
 */
import { afterAll, beforeAll, describe, test } from 'bun:test'
import { type Device, referenceDevice, tensorScope, useDevice } from '../../core/mod.ts'
import { type Isa, openCpu } from '../../plugins/cpu/mod.ts'
import { caseInputs, type OpCase, runCase } from '../../testing/ops/op-case.ts'
import { QUANTIZED_CASES } from '../../testing/ops/quantized-ops.ts'
import { run } from './_header.ts'
import { reachableIsas } from './_library.ts'

const NAMES: readonly Isa[] = ['auto', 'avx2', 'avx512', 'amx']
const TOLERANCE = { f32: 3e-5, bf16: 2e-2 } as const

type Numbers = readonly (readonly [name: string, values: Float32Array])[]

function resultsOn(device: Device, op: OpCase, dtype: 'f32' | 'bf16'): Numbers {
  using _device = useDevice(device)
  using _scope = tensorScope()
  const { outputs, gradients } = runCase(op, caseInputs(op, { dtype, device }))
  return [...outputs.entries(), ...Object.entries(gradients)].map(([name, tensor]) => [
    String(name),
    tensor.toArray(),
  ])
}

function expectClose(got: Numbers, want: Numbers, tolerance: number): void {
  for (const [i, [name, values]] of want.entries()) {
    const actual = got[i][1]
    const scale = values.reduce(
      (most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most),
      0,
    )
    const worst = values.findIndex(
      (value, j) => !Object.is(actual[j], value) && !(Math.abs(actual[j] - value) <= tolerance * scale),
    )
    if (worst >= 0) throw new Error(`${name}[${worst}]: got ${actual[worst]}, expected ${values[worst]}`)
  }
}

afterAll(() => run('tt_init', 0, 0, 0))

// The best instruction set is that of tests/core/op-devices.test.ts.
for (const isa of reachableIsas().slice(0, -1)) {
  describe(`packed weights, codes and bit planes give what the reference gives on ${NAMES[isa]}`, () => {
    let cpu = referenceDevice
    beforeAll(() => {
      cpu = openCpu({ threads: 3, isa: NAMES[isa] })
    })
    for (const op of QUANTIZED_CASES) {
      test(op.name, () => {
        for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const)) {
          const want = resultsOn(referenceDevice, op, dtype)
          expectClose(resultsOn(cpu, op, dtype), want, op.tolerance?.[dtype] ?? TOLERANCE[dtype])
        }
      })
    }
  })
}
