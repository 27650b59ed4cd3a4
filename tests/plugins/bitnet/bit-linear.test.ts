/**
 * BitLinear: it computes what the plain linear at the rounded values does, forward and back; the weights behind the rounding learn.
 */
import { describe, expect, test } from 'bun:test'
import {
  adamw,
  backward,
  cast,
  createRandom,
  denseWeight,
  dequantizeWeight,
  type Device,
  linear,
  mul,
  noGrad,
  parameter,
  quantizedWeight,
  quantizeRows,
  referenceDevice,
  sub,
  sum,
  tensor,
  type Tensor,
  tensorScope,
  useDevice,
} from '../../../core/mod.ts'
import { absMax, absMean, bitLinear, bitLinearForms } from '../../../plugins/bitnet/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import { relativeError, temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

const DEVICES: readonly (readonly [string, Device])[] = [
  ['reference', referenceDevice],
  ['cpu', openCpu()],
]
const [ROWS, IN, OUT] = [7, 24, 12]

function normal(shape: readonly number[], seed: string, dtype: 'f32' | 'bf16' = 'f32'): Tensor {
  const random = createRandom(3, seed)
  const size = shape.reduce((a, b) => a * b, 1)
  return cast(
    tensor(
      Float32Array.from({ length: size }, () => random.normal()),
      { shape },
    ),
    dtype,
  )
}

/** x rounded by rows to 8 bits, and back. */
function roundedRows(x: Tensor): Tensor {
  const { q, absmax } = quantizeRows(x)
  return dequantizeWeight(
    quantizedWeight({ kind: 'int8', shape: x.shape, parts: { data: q, scale: absmax } }),
  )
}

describe.each(DEVICES)('on %s', (_, device) => {
  test.each([
    ['f32', absMean(), 1e-6],
    ['f32', absMax(), 1e-6],
    ['bf16', absMean(), 0.02],
  ] as const)(
    'values and gradients are those of the plain linear at the rounded values (%s)',
    (dtype, quantizer, most) => {
      using _device = useDevice(device)
      using _scope = tensorScope()
      const [x, weight, bias] = [
        parameter(normal([ROWS, IN], 'x', dtype)),
        parameter(normal([OUT, IN], 'w', dtype)),
        parameter(normal([OUT], 'b', dtype)),
      ]
      const direction = normal([ROWS, OUT], 'dy')
      const y = bitLinear(x, weight, { quantizer, bias })
      backward(sum(mul(cast(y, 'f32'), direction)))

      const [xq, wq] = noGrad(() => [roundedRows(x), dequantizeWeight(quantizer.quantize(weight))])
      const plain = [
        parameter(xq),
        parameter(wq),
        parameter(noGrad(() => tensor(cast(bias, 'f32').toArray()))),
      ] as const
      const expected = linear(plain[0], plain[1], { bias: plain[2] })
      backward(sum(mul(expected, direction)))

      expect(relativeError(cast(y, 'f32').toArray(), expected.toArray())).toBeLessThan(most)
      for (const [i, own] of [x, weight, bias].entries()) {
        const [got, wanted] = [own.grad?.toArray() ?? [], plain[i].grad?.toArray() ?? []]
        expect(relativeError(got, wanted)).toBeLessThan(most)
      }
      // Something is rounded: with the numbers as they are it is another product.
      expect(
        relativeError(expected.toArray(), linear(cast(x, 'f32'), cast(weight, 'f32')).toArray()),
      ).toBeGreaterThan(0.05)
    },
  )

  test('where nothing is rounded away, gradients are central differences', () => {
    using _device = useDevice(device)
    using _scope = tensorScope()
    // Trits already, whose mean is kept by a step along all of them; x on the grid of its 8 bits.
    const weight = parameter(tensor([2, -2, 2, -2, 2, 2, -2, -2], { shape: [4, 2] }))
    const x = tensor([127, -64, 3, 127], { shape: [2, 2] })
    const loss = (): number =>
      noGrad(() =>
        sum(
          mul(bitLinear(x, weight, { quantizer: absMean() }), bitLinear(x, weight, { quantizer: absMean() })),
        ).item(),
      )
    const y = bitLinear(x, weight, { quantizer: absMean() })
    backward(sum(mul(y, y)))
    const gradient = weight.grad?.toArray() ?? new Float32Array()
    const values = weight.toArray()
    const along = gradient.reduce((total, g, i) => total + g * Math.sign(values[i]), 0)
    const moved = (by: number): number => {
      weight.set(values.map((value) => value + by * Math.sign(value)))
      return loss()
    }
    const difference = (moved(0.01) - moved(-0.01)) / 0.02
    expect(Math.abs(along / difference - 1)).toBeLessThan(1e-3)
  })

  test('the weights learn what a ternary matrix does', () => {
    using _device = useDevice(device)
    using _scope = tensorScope()
    const [x, target] = noGrad(() => {
      const inputs = normal([64, IN], 'inputs')
      const teacher = dequantizeWeight(absMean().quantize(normal([OUT, IN], 'teacher')))
      return [inputs, linear(inputs, teacher)]
    })
    const weight = parameter(normal([OUT, IN], 'student'))
    using optimizer = adamw().init(new Map([['weight', weight]]))
    const losses: number[] = []
    for (let step = 1; step <= 60; step++) {
      using _step = tensorScope()
      weight.grad?.set(new Float32Array(weight.size))
      const error = sub(bitLinear(x, weight, { quantizer: absMean() }), target)
      const loss = sum(mul(error, error))
      backward(loss)
      losses.push(loss.item())
      noGrad(() => optimizer.apply({ step, learningRate: 0.05, gradScale: 1, metrics: {} }))
    }
    expect(losses.at(-1)).toBeLessThan(losses[0] / 10)
  })
})

describe('as the form of a model', () => {
  test('a LoRA beside it sees x before the norm, and its base has the gradient of no one', () => {
    using temporary = temporaryFolder()
    writeTinyModel(temporary.path)
    using model = loadModel(temporary.path, {
      writable: true,
      forms: bitLinearForms({ subNorm: true, skip: ['o_proj'] }),
    })
    const layers = [...model.layers.values()].filter(({ kind }) => kind === 'linear')
    expect(layers.every(({ path, form }) => (form === null) === path.endsWith('o_proj'))).toBe(true)
    const layer = model.layers.get('model.layers.0.self_attn.q_proj')
    if (!layer) throw new Error('no layer')
    using adapter = attachLora(model, { targetModules: ['q_proj'], init: false })
    using _scope = tensorScope()
    const x = parameter(normal([3, 32], 'x'))
    const slot = layer.adapters[0].adapter
    const own = slot.forward(x, layer)
    const base = layer.form?.forward(x, layer, {}) ?? never()
    const delta = slot.delta?.(x, layer) ?? never()
    expect(relativeError(sub(own, base).toArray(), delta.toArray())).toBeLessThan(1e-4)
    backward(sum(mul(own, own)))
    expect(
      [...adapter.parameters.values()].some(({ grad }) => grad?.toArray().some((value) => value !== 0)),
    ).toBe(true)
    expect(x.grad?.toArray().some((value) => value !== 0)).toBe(true)
    expect(() => denseWeight(layer)).toThrow('no plain layer has a norm of its own')
  })

  test('its dense weight is what it computes with', () => {
    using temporary = temporaryFolder()
    writeTinyModel(temporary.path)
    using model = loadModel(temporary.path, { writable: true, forms: bitLinearForms() })
    const layer = model.layers.get('model.layers.0.mlp.up_proj')
    if (!layer) throw new Error('no layer')
    using dense = denseWeight(layer)
    expect(new Set(dense.toArray().map(Math.abs)).size).toBe(2)
  })
})

function never(): never {
  throw new Error('there is none')
}
