/**
 * Trits with a scale for each row or group of columns: the packed form is that of the definition, products use it, and no checkpoint has it.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  backward,
  createRandom,
  dequantizeWeight,
  type Device,
  isQuantized,
  linear,
  mul,
  parameter,
  referenceDevice,
  sum,
  tensor,
  type Tensor,
  tensorScope,
  useDevice,
} from '../../../core/mod.ts'
import { absMax, absMean, bitLinear, ternarize } from '../../../plugins/bitnet/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { prepareRun, saveQuantized, train } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { packLayers } from '../../../plugins/qlora/mod.ts'
import { relativeError } from '../../_golden.ts'
import { cpu, workspace } from '../finetune/_run.ts'

const SHAPE = [8, 128] as const
const DEVICES: readonly (readonly [string, Device])[] = [
  ['reference', referenceDevice],
  ['cpu', openCpu()],
]

function random(shape: readonly number[], seed: string): Tensor {
  const source = createRandom(2, seed)
  const size = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Float32Array.from({ length: size }, () => source.normal()),
    { shape },
  )
}

describe.each(DEVICES)('on %s', (_, device) => {
  test.each([
    ['row', 'absmean', 128],
    ['group', 'absmean', 64],
    ['row', 'absmax', 128],
    ['group', 'absmax', 64],
  ] as const)('%s, %s: codes, scales, product and gradients', (span, scale, block) => {
    using _device = useDevice(device)
    using _scope = tensorScope()
    const quantizer = (scale === 'absmean' ? absMean : absMax)({ span })
    const weight = parameter(random(SHAPE, 'w'))
    const packed = quantizer.quantize(weight)
    const expected = ternarize(Float32Array.from(weight.toArray()), SHAPE, { scale, block })
    expect([...packed.parts.data.toArray()]).toEqual([...expected.packed])
    expect(relativeError(packed.parts.scale.toArray(), expected.scales)).toBeLessThan(1e-6)

    const x = parameter(random([5, 128], 'x'))
    const y = bitLinear(x, weight, { quantizer })
    backward(sum(mul(y, y)))
    // At trits whose x is on the grid of 8 bits the product is the plain one.
    const grid = tensor(
      Float32Array.from({ length: 128 }, (_, i) => (i === 0 ? 127 : (i * 37) % 127)),
      { shape: [1, 128] },
    )
    const dense = dequantizeWeight(packed)
    expect(
      relativeError(bitLinear(grid, packed, { quantizer }).toArray(), linear(grid, dense).toArray()),
    ).toBeLessThan(1e-6)
    expect(weight.grad?.toArray().some((value) => value !== 0)).toBe(true)
    expect(relativeError(quantizer.dequantize(packed).toArray(), dense.toArray())).toBe(0)
  })
})

test('a run with a scale for each row trains a LoRA; no checkpoint has that, and nothing is written', async () => {
  using space = workspace()
  using run = await prepareRun(space.config({ quantizer: { name: 'bitnet', span: 'row' } }), { device: cpu })
  const weights = [...run.model.layers.values()].flatMap(({ weight }) =>
    isQuantized(weight) ? [weight] : [],
  )
  expect(weights.length).toBe(14)
  expect(weights.every(({ block, shape }) => block === shape[1])).toBe(true)
  await train(run)
  const plain = join(space.path, 'model')
  using model = loadModel(plain, { device: cpu, pack: packLayers(absMean({ span: 'row' }), 'f32') })
  const output = join(space.path, 'packed')
  expect(() => saveQuantized(model, plain, output)).toThrow('one scale for a matrix')
  expect(existsSync(join(output, 'model.safetensors'))).toBe(false)
})
