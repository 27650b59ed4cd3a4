/**
 * The gradients of an op case against central differences, in f64 from end to end.
 */
import { parameter, tensor, type Tensor, tensorScope, useDevice } from '../../core/mod.ts'
import { caseValues, lossWeight, type OpCase, runCase, wantsGradient } from './op-case.ts'
import { createWideDevice, type WideDevice } from './wide-device.ts'

const STEP = 1e-4
const ELEMENTS = 8

/** Throws when a gradient is not the slope, is missing, or is there though nobody asked. */
export function expectGradients(op: OpCase, device: WideDevice = createWideDevice()): void {
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
      if (!(error < 1e-6)) throw new Error(`d/d${name}[${index}]: gradient ${slopes[index]}, slope ${slope}`)
    }
  }
  const wanted = Object.keys(op.inputs).filter((name) => inputs[name].requiresGrad)
  const differentiable = op.run(inputs).some((output) => output.needsGrad)
  const expected = (differentiable ? wanted : []).join(', ')
  const got = Object.keys(gradients).join(', ')
  if (got !== expected) throw new Error(`gradients of: ${got || 'nothing'}, wanted: ${expected || 'none'}`)
}

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

/** The weighted sum of the outputs that the tape sees. */
function lossAt(op: OpCase, device: WideDevice, values: Record<string, Float64Array>): number {
  using _scope = tensorScope()
  let loss = 0
  for (const [output, y] of op.run(makeInputs(op, device, values)).entries()) {
    if (y.needsGrad)
      for (const [i, value] of device.valuesOf(y).entries()) loss += lossWeight(output, i) * value
  }
  return loss
}
