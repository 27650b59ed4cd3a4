/**
 * Packed weights and 8-bit optimizer state as values: what is refused, who owns what, and that linear layers on them are
 * linear layers on the numbers that they stand for.
 */
import { describe, expect, test } from 'bun:test'
import {
  adamw,
  adamw8bit,
  backward,
  countLiveTensors,
  createRandom,
  dequantizeWeight,
  type Device,
  linear,
  linearQuantized,
  mul,
  parameter,
  quantize4bit,
  quantizedWeight,
  type QuantizedWeight,
  quantizeInt8,
  quantizeTernary,
  referenceDevice,
  sum,
  type Tensor,
  tensor,
  tensorScope,
  TrituneError,
  useDevice,
  zeros,
} from '../../core/mod.ts'
import { openCpuOrReference } from '../../plugins/cpu/mod.ts'
import { relativeError } from '../_golden.ts'

const { device: cpu, note } = openCpuOrReference({ threads: 2 })
if (note) console.log(`on the reference only: ${note}`)
const DEVICES: readonly Device[] = note ? [referenceDevice] : [referenceDevice, cpu]

function normal(shape: readonly number[], name: string, scale = 1): Tensor {
  const random = createRandom(11, name)
  const values = Float32Array.from(
    { length: shape.reduce((a, b) => a * b, 1) },
    () => scale * random.normal(),
  )
  return tensor(values, { shape })
}

const PACKERS: Readonly<Record<string, (weight: Tensor) => QuantizedWeight>> = {
  nf4: (weight) => quantize4bit(weight, { doubleQuant: false }),
  'nf4 with nested scales': (weight) => quantize4bit(weight),
  fp4: (weight) => quantize4bit(weight, { kind: 'fp4', block: 128, doubleQuant: false }),
  int8: quantizeInt8,
  ternary: quantizeTernary,
}

/** Root mean square of what rounding may change, as a share of normal numbers. */
const LARGEST_ERROR: Readonly<Record<string, number>> = { nf4: 0.1, fp4: 0.16, int8: 0.012, ternary: 0.6 }

for (const device of DEVICES) {
  describe(`packed weights on the ${device.name}`, () => {
    for (const [name, pack] of Object.entries(PACKERS)) {
      test(`${name} is near to the weight and much smaller`, () => {
        using _device = useDevice(device)
        using _scope = tensorScope()
        const weight = normal([64, 192], name)
        const packed = pack(weight)
        const [before, after] = [weight.toArray(), dequantizeWeight(packed).toArray()]
        const squares = before.reduce((total, value, i) => total + (value - after[i]) ** 2, 0)
        const error = Math.sqrt(squares / before.length)
        expect(error).toBeGreaterThan(0)
        expect(error).toBeLessThan(LARGEST_ERROR[packed.kind])
        expect(packed.bytes).toBeLessThan(weight.bytes / 3.5)
      })

      test(`a linear layer on ${name} is one on its numbers, backward too`, () => {
        using _device = useDevice(device)
        using _scope = tensorScope()
        const packed = pack(normal([64, 192], name))
        const numbers = dequantizeWeight(packed)
        // Whole numbers up to 127, one of them in each row: rounding to int8 changes nothing.
        const values = Array.from({ length: 5 * 192 }, (_, i) =>
          i % 192 === 0 ? 127 : ((i * 37) % 255) - 127,
        )
        const lora = { a: normal([4, 192], 'a', 0.1), b: normal([64, 4], 'b', 0.1), scale: 2 }
        const results = [
          (x: Tensor): Tensor => linearQuantized(x, packed, { lora }),
          (x: Tensor): Tensor => linear(x, numbers, { lora }),
        ].map((layer) => {
          const x = parameter(tensor(values, { shape: [5, 192] }))
          const y = layer(x)
          backward(layerSum(y))
          return [y.toArray(), x.grad?.toArray() ?? []]
        })
        expect(relativeError(results[0][0], results[1][0])).toBeLessThan(2e-6)
        expect(relativeError(results[0][1], results[1][1])).toBeLessThan(2e-6)
      })
    }

    test('outlier columns of int8 layers are exact', () => {
      using _device = useDevice(device)
      using _scope = tensorScope()
      const packed = quantizeInt8(normal([8, 64], 'w'))
      // One large number makes the others of its row vanish, unless its column is left out.
      const values = Array.from({ length: 3 * 64 }, (_, i) => (i % 64 === 5 ? 1000 : Math.sin(i)))
      const x = tensor(values, { shape: [3, 64] })
      const exact = linear(x, dequantizeWeight(packed)).toArray()
      const errorOf = (threshold: number): number =>
        Math.max(
          ...linearQuantized(x, packed, { threshold })
            .toArray()
            .map((y, i) => Math.abs(y - exact[i])),
        )
      expect(errorOf(6)).toBeLessThan(0.2)
      expect(errorOf(0)).toBeGreaterThan(1)
    })

    test('a NaN in x is seen in its row of y and in no other', () => {
      using _device = useDevice(device)
      using _scope = tensorScope()
      for (const rows of [3, 20]) {
        for (const pack of Object.values(PACKERS)) {
          const values = Array.from({ length: rows * 64 }, (_, i) =>
            i === 64 + 7 ? Number.NaN : Math.cos(i),
          )
          const y = linearQuantized(
            tensor(values, { shape: [rows, 64] }),
            pack(normal([8, 64], 'w')),
          ).toArray()
          expect(Array.from(y, Number.isNaN)).toEqual(Array.from(y, (_, i) => i >> 3 === 1))
        }
      }
    })

    test('dispose() frees the parts of a packed weight', () => {
      using _device = useDevice(device)
      const before = countLiveTensors()
      using weight = normal([8, 64], 'w')
      for (const pack of Object.values(PACKERS)) pack(weight)[Symbol.dispose]()
      expect(countLiveTensors()).toBe(before + 1)
    })

    test('adamw() of many parameters gives the bits of one call for each', () => {
      using _device = useDevice(device)
      const train = (group: boolean): Float32Array[] => {
        using owned = new DisposableStack()
        const shapes = [[40, 50], [7], [1], [3, 3000]]
        const weights = shapes.map((shape, i) => {
          const weight = owned.use(parameter(normal(shape, `w${i}`)))
          weight.grad = owned.use(normal(shape, `g${i}`))
          return [`w${i}`, weight] as const
        })
        const options = { weightDecay: 0.1, decayVectors: false }
        const groups = group ? [weights] : weights.map((one) => [one])
        for (const list of groups) {
          using state = adamw(options).init(new Map(list))
          for (const step of [1, 2]) state.apply({ step, learningRate: 0.01, gradScale: 0.5, metrics: {} })
        }
        return weights.map(([, weight]) => {
          weight.grad = null
          return weight.toArray()
        })
      }
      expect(train(true)).toEqual(train(false))
    })

    test('adamw8bit() keeps a quarter of the state, and f32 for small parameters', () => {
      using _device = useDevice(device)
      using weight = parameter(normal([64, 100], 'w'))
      using small = parameter(normal([100], 's'))
      const parameters = new Map([
        ['w', weight],
        ['s', small],
      ])
      using full = adamw().init(parameters)
      using state = adamw8bit().init(parameters)
      expect([...state.tensors().keys()].toSorted()).toEqual(
        ['m.s', 'm8.w', 'm_absmax.w', 'v.s', 'v8.w', 'v_absmax.w'].toSorted(),
      )
      const bytes = (tensors: ReadonlyMap<string, Tensor>): number =>
        [...tensors].reduce((total, [name, { bytes }]) => total + (name.endsWith('.w') ? bytes : 0), 0)
      expect(bytes(state.tensors())).toBeLessThan(bytes(full.tensors()) / 3.9)
    })

    test('adamw8bit() with saved and loaded state goes on to the bit', () => {
      using _device = useDevice(device)
      using gradient = normal([64, 100], 'g')
      const step = (n: number): { step: number; learningRate: number; gradScale: number; metrics: {} } => ({
        step: n,
        learningRate: 0.01,
        gradScale: 1,
        metrics: {},
      })
      using weight = parameter(normal([64, 100], 'w'))
      using state = adamw8bit().init(new Map([['w', weight]]))
      weight.grad = gradient
      state.apply(step(1))
      using copy = parameter(tensor(weight.toArray(), { shape: weight.shape }))
      using resumed = adamw8bit().init(new Map([['w', copy]]))
      for (const [name, saved] of state.tensors()) resumed.tensors().get(name)?.set(saved.toArray())
      copy.grad = gradient
      state.apply(step(2))
      resumed.apply(step(2))
      weight.grad = copy.grad = null
      expect(copy.toArray()).toEqual(weight.toArray())
    })

    test('a NaN gradient leaves its element alone and trains the others', () => {
      using _device = useDevice(device)
      using weight = parameter(tensor(new Float32Array(512).fill(1)))
      using state = adamw8bit({ smallest8bit: 0 }).init(new Map([['w', weight]]))
      using gradient = tensor(Array.from({ length: 512 }, (_, i) => (i % 7 === 2 ? Number.NaN : 1)))
      weight.grad = gradient
      state.apply({ step: 1, learningRate: 0.5, gradScale: 1, metrics: {} })
      weight.grad = null
      expect([...weight.toArray()].every((w, i) => (i % 7 === 2 ? w === 1 : Math.abs(w - 0.5) < 1e-6))).toBe(
        true,
      )
      expect(
        [...(state.tensors().get('m_absmax.w')?.toArray() ?? [])].every((m) => Math.abs(m - 0.1) < 1e-7),
      ).toBe(true)
    })
  })
}

/** A scalar that every element of y reaches with another weight. */
function layerSum(y: Tensor): Tensor {
  const weights = Array.from({ length: y.size }, (_, i) => (i % 5) - 1.5)
  return sum(mul(y, tensor(weights, { shape: y.shape })))
}

function codeOf(fn: () => unknown): string {
  try {
    fn()
  } catch (error) {
    if (error instanceof TrituneError) return error.code
    throw error
  }
  return 'nothing was thrown'
}

test('quantizedWeight() refuses parts that do not fit', () => {
  using _scope = tensorScope()
  const u8 = (n: number): Tensor => zeros([n], { dtype: 'u8' })
  const shape = [4, 32]
  const nf4 = { kind: 'nf4', shape, block: 64 } as const
  const good = { data: u8(64), scale: zeros([2]) }
  expect(quantizedWeight({ ...nf4, parts: good }).bytes).toBe(72)
  expect(codeOf(() => quantizedWeight({ ...nf4, parts: { ...good, data: u8(63) } }))).toBe('E_SHAPE')
  expect(codeOf(() => quantizedWeight({ ...nf4, parts: { ...good, scale: zeros([3]) } }))).toBe('E_SHAPE')
  expect(codeOf(() => quantizedWeight({ ...nf4, parts: { ...good, scale: u8(2) } }))).toBe('E_DTYPE')
  expect(codeOf(() => quantizedWeight({ ...nf4, parts: { ...good, nested: zeros([1]) } }))).toBe('E_DTYPE')
  for (const block of [0, 16, 65, 96, 8192])
    expect(codeOf(() => quantizedWeight({ ...nf4, block, parts: good }))).toBe('E_SHAPE')
  const int8 = { data: zeros(shape, { dtype: 'i8' }), scale: zeros([4]) }
  expect(quantizedWeight({ kind: 'int8', shape, parts: int8 }).bytes).toBe(144)
  expect(codeOf(() => quantizedWeight({ kind: 'int8', shape, parts: { ...int8, nested: zeros([1]) } }))).toBe(
    'E_DTYPE',
  )
  expect(codeOf(() => quantizedWeight({ kind: 'ternary', shape: [6, 32], parts: good }))).toBe('E_SHAPE')
  expect(codeOf(() => quantizeTernary(normal([6, 32], 'w')))).toBe('E_SHAPE')
})
