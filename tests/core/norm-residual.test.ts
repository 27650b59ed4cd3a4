/**
 * The norms with a residual normalise the sum that they keep: rounded to the dtype, for that is what their gradients see.
 */
import { expect, test } from 'bun:test'
import {
  addLayerNorm,
  addRmsNorm,
  type Device,
  layerNorm,
  referenceDevice,
  rmsNorm,
  tensor,
  tensorScope,
  useDevice,
} from '../../core/mod.ts'
import { openCpuOrReference } from '../../plugins/cpu/mod.ts'

const { device: cpu, note } = openCpuOrReference({ threads: 2 })
const DEVICES: readonly Device[] = note === null ? [referenceDevice, cpu] : [referenceDevice]

for (const device of DEVICES) {
  test(`on ${device.kind}`, () => {
    using _device = useDevice(device)
    using _scope = tensorScope()
    const make = (values: readonly number[], shape: readonly number[]) =>
      tensor(values, { shape, dtype: 'bf16', device })
    // The sums 1.00390625 and 1.01171875 lie between two numbers of bf16: to 1 and to 1.015625.
    const x = make([1, 1.0078125], [1, 2])
    const residual = make([0.00390625, 0.00390625], [1, 2])
    const weight = make([1, 1], [2])
    for (const [sum, norm] of [
      [addLayerNorm, (h: typeof x) => layerNorm(h, weight)],
      [addRmsNorm, (h: typeof x) => rmsNorm(h, weight)],
    ] as const) {
      const { h, y } = sum(x, residual, weight)
      expect([...h.toArray()]).toEqual([1, 1.015625])
      expect([...y.toArray()]).toEqual([...norm(h).toArray()])
    }
  })
}
