/**
 * The arithmetic of GPTQ against plain f64: factors, scales as they are stored, the walk over the columns, and what it is for.
 */
import { describe, expect, test } from 'bun:test'
import {
  dequantizeWeight,
  matrix,
  quantize4bit,
  type QuantizedWeight,
  tensor,
  TrituneError,
} from '../../../../core/mod.ts'
import { nf4Code, fp4Code, FP4, NF4 } from '../../../../core/ops/_codebooks.ts'
import { searchScales, storeScales } from '../../../../plugins/qlora/gptq/block-scales.ts'
import { codeTable } from '../../../../plugins/qlora/gptq/code-table.ts'
import { inverseFactor } from '../../../../plugins/qlora/gptq/inverse-factor.ts'
import { layerInputs } from '../../../../plugins/qlora/gptq/layer-inputs.ts'
import { roundColumns } from '../../../../plugins/qlora/gptq/round-columns.ts'
import { roundWeight } from '../../../../plugins/qlora/gptq/round-weight.ts'
import { relativeError } from '../../../_golden.ts'
import { cpu } from '../../finetune/_run.ts'
import { correlated, innerProduct, inverseOf, lostOutputs, normal } from './_reference.ts'

const [TOKENS, COLUMNS, ROWS] = [256, 96, 24]

function randomWeight(seed: number, size = ROWS * COLUMNS): Float64Array {
  const draw = normal(seed)
  return Float64Array.from({ length: size }, () => Math.fround(0.1 * draw()))
}

function numbersOf(packed: QuantizedWeight): Float32Array {
  using weight = dequantizeWeight(packed)
  return weight.toArray()
}

describe('inverseFactor()', () => {
  test.each([1, 3, 4, 5, 30])('of %i columns: R is upper triangular and RᵀR the inverse', (n) => {
    const x = correlated(n + 20, n, n)
    const h = innerProduct(x, x, n + 20)
    const { data: r } = inverseFactor(matrix(n, n, h.slice()))
    for (let i = 0; i < n; i++) {
      expect(r[i * n + i]).toBeGreaterThan(0)
      for (let j = 0; j < i; j++) expect(r[i * n + j]).toBe(0)
    }
    expect(relativeError(innerProduct(r, r, n), inverseOf(h, n))).toBeLessThan(1e-9)
  })

  test('refuses what is not positive definite', () => {
    expect(() => inverseFactor(matrix(2, 2, Float64Array.of(1, 2, 2, 1)))).toThrow('not positive definite')
    expect(() => inverseFactor(matrix(1, 1, Float64Array.of(-1)), 'a.b')).toThrow('a.b: the matrix')
    expect(() => inverseFactor(matrix(1, 1, Float64Array.of(NaN)))).toThrow(TrituneError)
  })
})

describe('codeTable()', () => {
  test.each(['nf4', 'fp4'] as const)(
    '%s: every value is its own nearest, and between two the nearer one wins',
    (kind) => {
      const { values, codes, indexOf } = codeTable(kind)
      const byCode = kind === 'nf4' ? NF4 : FP4
      expect([...values]).toEqual(byCode.toSorted((a, b) => a - b))
      const codeOf = kind === 'nf4' ? nf4Code : fp4Code
      for (let x = -1.2; x < 1.2; x += 0.0037) {
        const index = indexOf(x)
        for (const value of values)
          expect(Math.abs(values[index] - x)).toBeLessThanOrEqual(Math.abs(value - x))
        // bitsandbytes' borders are rounded to some digits.
        expect(Math.abs(byCode[codes[index]] - x)).toBeCloseTo(Math.abs(byCode[codeOf(x)] - x), 3)
      }
    },
  )
})

describe('searchScales()', () => {
  test('is never worse than the largest magnitude, by the weights of the columns', () => {
    const weight = Float32Array.from(randomWeight(1))
    const importance = Float64Array.from({ length: COLUMNS }, (_, i) => 1 + (i % 7) ** 2)
    const table = codeTable('nf4')
    const scales = searchScales(weight, importance, { block: 64, table })
    expect(scales.length).toBe(Math.ceil(weight.length / 64))
    const cost = (b: number, scale: number): number =>
      weight
        .subarray(b * 64, (b + 1) * 64)
        .reduce(
          (sum, w, i) =>
            sum +
            importance[(b * 64 + i) % COLUMNS] * (w - scale * table.values[table.indexOf(w / scale)]) ** 2,
          0,
        )
    let lower = 0
    for (const [b, scale] of scales.entries()) {
      const largest = weight
        .subarray(b * 64, (b + 1) * 64)
        .reduce((most, w) => Math.max(most, Math.abs(w)), 0)
      expect(cost(b, scale)).toBeLessThanOrEqual(cost(b, largest) * (1 + 1e-6))
      if (cost(b, scale) < 0.9 * cost(b, largest)) lower++
    }
    expect(lower).toBeGreaterThan(scales.length / 2)
  })

  test('of a block of zeros is 0', () => {
    const options = { block: 32, table: codeTable('nf4') } as const
    expect([...searchScales(new Float32Array(64), new Float64Array(64).fill(1), options)]).toEqual([0, 0])
  })
})

describe('roundColumns()', () => {
  test.each([
    ['nf4', 32],
    ['nf4', 64],
    ['fp4', 64],
  ] as const)('%s in blocks of %i is the walk of the paper in f64', (kind, block) => {
    const weight = randomWeight(2)
    const x = correlated(TOKENS, COLUMNS, 3)
    const h = innerProduct(x, x, TOKENS)
    for (let j = 0; j < COLUMNS; j++) h[j * COLUMNS + j] += 1
    const table = codeTable(kind)
    const scales = searchScales(Float32Array.from(weight), new Float64Array(COLUMNS).fill(1), {
      block,
      table,
    })
    const order = Int32Array.from({ length: COLUMNS }, (_, i) => (i * 7) % COLUMNS)
    expect(new Set(order).size).toBe(COLUMNS)
    const sorted = matrix(
      COLUMNS,
      COLUMNS,
      h.map((_, at) => h[order[Math.floor(at / COLUMNS)] * COLUMNS + order[at % COLUMNS]]),
    )
    const codes = roundColumns(Float32Array.from(weight), {
      block,
      table,
      scales,
      order,
      factor: inverseFactor(sorted),
      device: cpu,
    })
    const expected = walked(weight, { h, order: [...order], scales, block, values: table.values })
    const byCode = kind === 'nf4' ? NF4 : FP4
    const different = expected.filter((value, i) => value !== byCode[codes[i]]).length
    // f32 products: a number on a border may fall to its other side.
    expect(different).toBeLessThanOrEqual(4)
  })
})

describe('roundWeight()', () => {
  const form = { kind: 'nf4', block: 64, doubleQuant: true, place: 'layer' } as const

  test('loses less of what comes out than rounding to the nearest, where inputs are correlated', () => {
    const x = correlated(TOKENS, COLUMNS, 4)
    const weight = randomWeight(5)
    using inputs = tensor(x, { shape: [TOKENS, COLUMNS], device: cpu })
    using plain = tensor(weight, { shape: [ROWS, COLUMNS], device: cpu })
    using known = layerInputs(inputs, inputs, 'layer')
    using nearest = quantize4bit(plain, form)
    using walked = roundWeight(plain, known, form)
    const lost = (made: QuantizedWeight): number =>
      lostOutputs(x, x, { weight, made: numbersOf(made), columns: COLUMNS })
    expect(lost(walked)).toBeLessThan(0.5 * lost(nearest))
    expect(walked.bytes).toBe(nearest.bytes)
  })

  test('makes up for inputs that are not those of the plain model', () => {
    const x = correlated(TOKENS, COLUMNS, 6)
    const draw = normal(7)
    const other = x.map((value) => 0.8 * value + 0.05 * draw())
    const weight = randomWeight(8)
    using plain = tensor(weight, { shape: [ROWS, COLUMNS], device: cpu })
    using inputs = tensor(x, { shape: [TOKENS, COLUMNS], device: cpu })
    using changed = tensor(other, { shape: [TOKENS, COLUMNS], device: cpu })
    const lost = (by: Parameters<typeof layerInputs>): number => {
      using known = layerInputs(...by)
      using made = roundWeight(plain, known, form)
      return lostOutputs(x, other, { weight, made: numbersOf(made), columns: COLUMNS })
    }
    expect(lost([changed, inputs, 'layer'])).toBeLessThan(0.5 * lost([changed, changed, 'layer']))
  })

  test('where columns have nothing to do with one another, every number goes to the nearest code of its scale', () => {
    using identity = tensor(identityOf(COLUMNS), { shape: [COLUMNS, COLUMNS], device: cpu })
    const weight = randomWeight(9)
    using plain = tensor(weight, { shape: [ROWS, COLUMNS], device: cpu })
    using known = layerInputs(identity, identity, 'layer')
    using made = roundWeight(plain, known, form)
    const { values } = storedScales(weight)
    const table = codeTable('nf4')
    const nearest = weight.map((w, i) => {
      const scale = values[Math.floor(i / 64)]
      return Math.fround(table.values[table.indexOf(w / scale)] * scale)
    })
    expect(numbersOf(made)).toEqual(Float32Array.from(nearest))
  })

  test.each([true, false])('doubleQuant %p: meets the scales that the bytes stand for', (doubleQuant) => {
    const x = correlated(TOKENS, COLUMNS, 10)
    using inputs = tensor(x, { shape: [TOKENS, COLUMNS], device: cpu })
    using plain = tensor(randomWeight(11), { shape: [ROWS, COLUMNS], device: cpu })
    using known = layerInputs(inputs, inputs, 'layer')
    using made = roundWeight(plain, known, { ...form, doubleQuant })
    const wanted = searchScales(plain.toArray(), known.importance, { block: 64, table: codeTable('nf4') })
    const { values, parts, offset } = storeScales(wanted, doubleQuant, cpu)
    using _scale = parts.scale
    using _nested = parts.nested
    expect(offset).toBe(made.offset)
    expect(made.parts.scale.toArray()).toEqual(parts.scale.toArray())
    // The largest code of a block is ±1 times what is stored, so numbers are multiples of it.
    const numbers = numbersOf(made)
    for (const [i, number] of numbers.entries()) {
      const scale = values[Math.floor(i / 64)]
      expect(NF4.map((code) => Math.fround(code * scale))).toContain(number)
    }
    if (!doubleQuant) expect(values).toEqual(wanted)
    else expect(relativeError(values, wanted)).toBeLessThan(0.02)
  })

  test('columns that nothing goes into, and layers that nothing at all goes into, keep their numbers', () => {
    const x = correlated(TOKENS, COLUMNS, 12).map((value, i) => (i % COLUMNS === 5 ? 0 : value))
    const weight = randomWeight(13)
    using plain = tensor(weight, { shape: [ROWS, COLUMNS], device: cpu })
    for (const given of [x, new Float64Array(TOKENS * COLUMNS)]) {
      using inputs = tensor(given, { shape: [TOKENS, COLUMNS], device: cpu })
      using known = layerInputs(inputs, inputs, 'layer')
      using made = roundWeight(plain, known, form)
      const numbers = numbersOf(made)
      for (let r = 0; r < ROWS; r++)
        expect(Math.abs(numbers[r * COLUMNS + 5] - weight[r * COLUMNS + 5])).toBeLessThan(0.08)
    }
  })

  test('refuses what is not finite, and names the layer', () => {
    const x = Float32Array.from(correlated(TOKENS, COLUMNS, 14))
    using good = tensor(x, { shape: [TOKENS, COLUMNS], device: cpu })
    x[100] = NaN
    using bad = tensor(x, { shape: [TOKENS, COLUMNS], device: cpu })
    expect(() => layerInputs(bad, bad, 'a.b')).toThrow('what goes into a.b is not finite')
    // Of the plain model alone, which is seen when its numbers meet a weight.
    using half = layerInputs(good, bad, 'a.b')
    const weight = randomWeight(15)
    using whole = tensor(weight, { shape: [ROWS, COLUMNS], device: cpu })
    expect(() => roundWeight(whole, half, { ...form, place: 'a.b' })).toThrow(
      'what goes into a.b is not finite',
    )
    using known = layerInputs(good, good, 'a.b')
    weight[3] = Infinity
    using broken = tensor(weight, { shape: [ROWS, COLUMNS], device: cpu })
    expect(() => roundWeight(broken, known, { ...form, place: 'a.b' })).toThrow('a.b has NaN or Inf')
  })
})

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Walk {
  readonly h: Float64Array
  readonly order: readonly number[]
  readonly scales: Float32Array
  readonly block: number
  readonly values: Float64Array
}

/** Optimal brain quantization as its paper has it: after each column the inverse of what is left is made anew. Values of codes. */
function walked(weight: Float64Array, { h, order, scales, block, values }: Walk): Float64Array {
  const rest = weight.slice()
  const made = new Float64Array(weight.length)
  for (const [step, column] of order.entries()) {
    const left = order.slice(step)
    const inverse = inverseOf(
      Float64Array.from(
        { length: left.length ** 2 },
        (_, at) => h[left[Math.floor(at / left.length)] * COLUMNS + left[at % left.length]],
      ),
      left.length,
    )
    for (let r = 0; r < ROWS; r++) {
      const i = r * COLUMNS + column
      const scale = scales[Math.floor(i / block)]
      const near = values.reduce((best, value) =>
        Math.abs(value * scale - rest[i]) < Math.abs(best * scale - rest[i]) ? value : best,
      )
      made[i] = near
      const error = (rest[i] - near * scale) / inverse[0]
      for (const [k, other] of left.entries()) rest[r * COLUMNS + other] -= error * inverse[k]
    }
  }
  return made
}

function identityOf(n: number): Float32Array {
  return Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0))
}

function storedScales(weight: Float64Array): { readonly values: Float32Array } {
  const importance = new Float64Array(COLUMNS).fill(1)
  const wanted = searchScales(Float32Array.from(weight), importance, { block: 64, table: codeTable('nf4') })
  const { values, parts } = storeScales(wanted, true, cpu)
  parts.scale.dispose()
  parts.nested?.dispose()
  return { values }
}
