/**
 * Gradients against central differences, in f64 from end to end (ops/wide-device.ts).
 */
import { type Parameters, type Tensor, tensorScope } from '../core/mod.ts'
import { Broken, expectKept, tensorText } from './check.ts'
import type { WideDevice } from './ops/wide-device.ts'

const STEP = 1e-4
/** Of the largest slope of the tensor. */
const TOLERANCE = 1e-4
const ELEMENTS = 4

export interface SlopesOptions {
  readonly device: WideDevice
  /** The loss; its tape is there unless `noGrad` is around. */
  loss(): Tensor
  backward(loss: Tensor): void
  /** What to look at when one is wrong. */
  readonly lookAt: string
}

/** Throws when the gradient of a parameter is not the slope of the loss, or is missing. Gradients are cleared afterwards. */
export function expectSlopes(
  parameters: Parameters,
  { device, loss, backward, lookAt }: SlopesOptions,
): void {
  const valueAt = (): number => {
    using _scope = tensorScope()
    return device.valuesOf(loss())[0]
  }
  {
    using _scope = tensorScope()
    backward(loss())
  }
  const gradients = new Map([...parameters].map(([name, leaf]) => [name, takeGradient(device, name, leaf)]))
  for (const [name, leaf] of parameters) {
    const gradient = gradients.get(name) ?? new Float64Array()
    const values = device.valuesOf(leaf).slice()
    const tried = chosen(values.length).map((index) => {
      const at = (delta: number): number => {
        device.assign(leaf, values.with(index, values[index] + delta))
        return valueAt()
      }
      const slope = (at(STEP) - at(-STEP)) / (2 * STEP)
      device.assign(leaf, values)
      return { index, slope }
    })
    const largest = Math.max(1e-6, ...tried.map(({ slope }) => Math.abs(slope)))
    for (const { index, slope } of tried)
      expectKept(Math.abs(slope - gradient[index]) <= TOLERANCE * largest, () => ({
        expected: `the gradient of ${tensorText(name, leaf)} at [${index}] is the slope of the loss, ${slope}`,
        got: String(gradient[index]),
        lookAt,
      }))
  }
}

function takeGradient(device: WideDevice, name: string, leaf: Tensor): Float64Array {
  const { grad } = leaf
  if (!grad)
    throw new Broken({
      expected: `${tensorText(name, leaf)} gets a gradient from backward()`,
      got: 'none: nothing that it is used for is on the tape',
      lookAt: 'where forward uses it: inside noGrad, or through toArray() and numbers',
    })
  const values = device.valuesOf(grad).slice()
  grad.dispose()
  leaf.grad = null
  return values
}

/** Which elements to try: all of a small tensor, some of a large one. */
function chosen(size: number): number[] {
  const stride = Math.max(1, Math.floor(size / ELEMENTS))
  return Array.from({ length: Math.min(size, ELEMENTS) }, (_, i) => (i * stride + (i % stride)) % size)
}
