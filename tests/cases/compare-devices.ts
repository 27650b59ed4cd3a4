/**
 * Runs a case of the op table on a device and compares every output and gradient with the f64 reference.
 */
import { expect } from 'bun:test'
import { type Device, referenceDevice, tensorScope, useDevice } from '../../core/mod.ts'
import { caseInputs, type OpCase, runCase } from './op-case.ts'

const TOLERANCE = { f32: 3e-5, bf16: 2e-2 } as const

/** Every output and gradient of a case on a device, as numbers. */
export function resultsOn(device: Device, op: OpCase, dtype: 'f32' | 'bf16'): Record<string, Float32Array> {
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

/** Throws when an output or gradient of `op` on `device` is not what the reference gives. */
export function expectAsReference(device: Device, op: OpCase, dtype: 'f32' | 'bf16'): void {
  const expected = resultsOn(referenceDevice, op, dtype)
  const got = resultsOn(device, op, dtype)
  expect(Object.keys(got)).toEqual(Object.keys(expected))
  const tolerance = op.tolerance?.[dtype] ?? TOLERANCE[dtype]
  for (const [name, values] of Object.entries(expected)) expectClose(name, got[name], values, tolerance)
}
