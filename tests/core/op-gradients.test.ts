/**
 * Every gradient against central differences, in f64 from end to end.
 */
import { describe, expect, test } from 'bun:test'
import * as ops from '../../core/ops/mod.ts'
import { parameter, tensor, Tensor, tensorScope, useDevice } from '../../core/mod.ts'
import { caseValues, lossWeight, type OpCase, runCase, wantsGradient } from '../../testing/ops/op-case.ts'
import { OP_CASES } from '../../testing/ops/ops.ts'
import { createWideDevice, isOp, type WideDevice } from '../../testing/ops/wide-device.ts'

const STEP = 1e-4
const ELEMENTS = 8

function makeInputs(
  op: OpCase,
  device: WideDevice,
  values: Record<string, Float64Array>,
): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(op.inputs).map(([name, spec]) => {
      const { shape, dtype = 'f32' } = spec
      if (dtype !== 'f32') return [name, tensor(values[name], { shape, dtype, device })]
      const made = device.tensor(values[name], shape)
      return [name, wantsGradient(spec) ? parameter(made) : made]
    }),
  )
}

/** Which elements of an input to try: all of a small one, some of a large one. */
function chosen(size: number): number[] {
  const stride = Math.max(1, Math.floor(size / ELEMENTS))
  return Array.from({ length: Math.min(size, ELEMENTS) }, (_, i) => (i * stride + (i % stride)) % size)
}

/** The weighted sum of the outputs that the tape sees, when one number is `delta` larger. */
function lossAt(op: OpCase, device: WideDevice, values: Record<string, Float64Array>): number {
  using _scope = tensorScope()
  let loss = 0
  for (const [output, y] of op.run(makeInputs(op, device, values)).entries()) {
    if (y.needsGrad)
      for (const [i, value] of device.valuesOf(y).entries()) loss += lossWeight(output, i) * value
  }
  return loss
}

describe('gradients are the slopes of their ops', () => {
  const device = createWideDevice()
  for (const op of OP_CASES) {
    test(op.name, () => {
      using _device = useDevice(device)
      using _scope = tensorScope()
      const values = caseValues(op)
      const inputs = makeInputs(op, device, values)
      const lossWith = (name: string, index: number, delta: number): number => {
        const moved = values[name].with(index, values[name][index] + delta)
        return lossAt(op, device, { ...values, [name]: moved })
      }
      const { gradients } = runCase(op, inputs)
      for (const [name, gradient] of Object.entries(gradients)) {
        if (op.straightThrough?.includes(name)) continue
        const slopes = device.valuesOf(gradient)
        for (const index of chosen(slopes.length)) {
          const slope = (lossWith(name, index, STEP) - lossWith(name, index, -STEP)) / (2 * STEP)
          const error = Math.abs(slope - slopes[index]) / Math.max(1, Math.abs(slope))
          if (!(error < 1e-6))
            throw new Error(`d/d${name}[${index}]: gradient ${slopes[index]}, slope ${slope}`)
        }
      }
      const wanted = Object.keys(op.inputs).filter((name) => inputs[name].requiresGrad)
      const differentiable = op.run(inputs).some((output) => output.needsGrad)
      expect(Object.keys(gradients)).toEqual(differentiable ? wanted : [])
    })
  }

  test('the table runs every op there is', () => {
    const ran = new Set(device.ran.map(({ op }) => op.name))
    const missing = Object.values(ops).filter((value) => isOp(value) && !ran.has(value.name))
    expect(missing).toEqual([])
  })
})
