/**
 * Runs a case of the op table on a device and compares every output and gradient with the f64 reference.
 */
import { type Device, referenceDevice, tensorScope, useDevice } from '../../core/mod.ts'
import { firstDifference, TOLERANCE } from './difference.ts'
import { caseInputs, type OpCase, runCase } from './op-case.ts'

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
  const difference = firstDifference(got, expected, tolerance)
  if (difference !== null) throw new Error(`${subject}${difference}`)
}

/** Throws when an output or gradient of `op` on `device` is not what the reference gives. */
export function expectAsReference(device: Device, op: OpCase, dtype: 'f32' | 'bf16'): void {
  const expected = resultsOn(referenceDevice, op, dtype)
  const got = resultsOn(device, op, dtype)
  const [names, wanted] = [Object.keys(got).join(', '), Object.keys(expected).join(', ')]
  if (names !== wanted)
    throw new Error(`gave ${names || 'nothing'}, the reference gives ${wanted || 'nothing'}`)
  const tolerance = op.tolerance?.[dtype] ?? TOLERANCE[dtype]
  for (const [name, values] of Object.entries(expected)) expectClose(name, got[name], values, tolerance)
}
