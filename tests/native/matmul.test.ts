import { afterAll, describe, expect, test } from 'bun:test'
import { bf16ToNumber } from '../../core/tensor/dtype.ts'
import { BAD_ARGUMENT, BF16, F32, call, lastError, reachableIsas, run } from './_library.ts'
import { guarded, randomInput, randomNumbers, referenceProduct, worstError } from './_matrix.ts'

const SIZES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [37, 45, 51],
  [5, 576, 33],
  [17, 3, 700],
  [33, 65, 31],
  [300, 70, 40],
  [64, 64, 64],
  [61, 530, 65],
]
const LAYOUTS = [
  ['NT', 0, 1],
  ['NN', 0, 0],
  ['TN', 1, 0],
  ['TT', 1, 1],
] as const

afterAll(() => run('tt_init', 0, 0, 0))

/** Rounding of the output, relative to Σ|ab|. */
function tolerance(outType: number): number {
  return outType === BF16 ? 2 ** -8 : 1e-6
}

for (const isa of reachableIsas()) {
  describe(`instruction set ${isa}`, () => {
    for (const [layout, transA, transB] of LAYOUTS) {
      for (const [dtype, outType] of [
        [F32, F32],
        [BF16, F32],
        [BF16, BF16],
      ] as const) {
        test(`tt_matmul() ${layout}, dtype ${dtype} to ${outType}, is the f64 product for odd sizes`, () => {
          run('tt_init', 0, 2, isa)
          for (const [m, n, k] of SIZES) {
            const a = randomInput(m * k, 1, dtype)
            const b = randomInput(k * n, 2, dtype)
            const c = guarded(randomNumbers(m * n, 3), outType)
            const before = c.values()
            const alpha = 0.75
            const beta = m % 2 === 0 ? 0 : 0.5
            run(
              'tt_matmul',
              c.view,
              a.view,
              b.view,
              1,
              m,
              n,
              k,
              0,
              0,
              0,
              transA,
              transB,
              alpha,
              beta,
              outType,
              dtype,
              null,
            )
            const { sum, magnitude } = referenceProduct(
              a.values(),
              b.values(),
              [m, n, k],
              transA === 1,
              transB === 1,
            )
            const want = sum.map((x, i) => alpha * x + beta * before[i])
            const scale = magnitude.map((x, i) => x + Math.abs(before[i]))
            expect(worstError(c.values(), want, scale)).toBeLessThan(tolerance(outType))
            expect(c.intact()).toBe(true)
          }
        })
      }
    }

    test('tt_matmul() of a batch uses the strides, and 0 repeats a matrix', () => {
      run('tt_init', 0, 3, isa)
      const [batch, m, n, k] = [5, 19, 23, 29]
      const a = randomInput(batch * m * k, 1)
      const b = randomInput(k * n, 2)
      const c = guarded(new Float64Array(batch * (m * n + 7)))
      run(
        'tt_matmul',
        c.view,
        a.view,
        b.view,
        batch,
        m,
        n,
        k,
        m * n + 7,
        m * k,
        0,
        0,
        0,
        1,
        0,
        F32,
        F32,
        null,
      )
      const got = c.values()
      for (let i = 0; i < batch; i++) {
        const part = a.values().subarray(i * m * k, (i + 1) * m * k)
        const { sum, magnitude } = referenceProduct(part, b.values(), [m, n, k])
        const start = i * (m * n + 7)
        expect(worstError(got.subarray(start, start + m * n), sum, magnitude)).toBeLessThan(1e-6)
        if (i > 0) expect([...got.subarray(start - 7, start)]).toEqual(Array(7).fill(0))
      }
    })

    test('tt_matmul() deeper than one pass adds up', () => {
      run('tt_init', 0, 2, isa)
      const [m, n, k] = [40, 3, 20_001]
      for (const dtype of [F32, BF16]) {
        const a = randomInput(m * k, 1, dtype)
        const b = randomInput(k * n, 2, dtype)
        const c = guarded(new Float64Array(m * n).fill(1))
        run('tt_matmul', c.view, a.view, b.view, 1, m, n, k, 0, 0, 0, 1, 0, 1, 1, F32, dtype, null)
        const { sum, magnitude } = referenceProduct(a.values(), b.values(), [m, n, k], true)
        expect(
          worstError(
            c.values(),
            sum.map((x) => x + 1),
            magnitude,
          ),
        ).toBeLessThan(1e-6)
      }
    })

    test('tt_matmul() of operands larger than what is packed at once', () => {
      run('tt_init', 0, 2, isa)
      // 20000 deep: a few hundred lanes fill the shared buffer, so the rest comes in a second group.
      const side = isa === 3 ? 650 : 330
      const k = 20_000
      const bits = Uint16Array.from({ length: 4096 }, (_, i) => 0x3e00 | ((i * 40503) & 0x80ff))
      const operand = new Uint16Array((side + 1) * k + 4096)
      for (let at = 0; at < operand.length; at += 4096) operand.set(bits.subarray(0, operand.length - at), at)
      const rowOf = (start: number, i: number): Float64Array =>
        Float64Array.from(operand.subarray(start + i * k, start + (i + 1) * k), bf16ToNumber)
      const [a, b] = [operand, operand.subarray(1234)]
      for (const [m, n] of [
        [side + 1, side],
        [side, side + 1],
      ] as const) {
        const c = guarded(new Float64Array(m * n), BF16)
        run('tt_matmul', c.view, a, b, 1, m, n, k, 0, 0, 0, 0, 1, 1, 0, BF16, BF16, null)
        const got = c.values()
        for (let at = 0; at < m * n; at += 4999) {
          const [i, j] = [Math.floor(at / n), at % n]
          const { sum, magnitude } = referenceProduct(rowOf(0, i), rowOf(1234, j), [1, 1, k], false, true)
          expect(Math.abs(got[at] - sum[0])).toBeLessThan(2 ** -8 * Math.abs(sum[0]) + 1e-6 * magnitude[0])
        }
        expect(c.intact()).toBe(true)
      }
    })

    test('tt_matmul() with beta 0 does not read c', () => {
      run('tt_init', 0, 2, isa)
      for (const [m, n, k] of [
        [3, 40, 5],
        [40, 35, 50],
      ] as const) {
        for (const dtype of [F32, BF16]) {
          const [a, b] = [randomInput(m * k, 1, dtype), randomInput(k * n, 2, dtype)]
          const c = guarded(new Float64Array(m * n).fill(Number.NaN), dtype)
          run('tt_matmul', c.view, a.view, b.view, 1, m, n, k, 0, 0, 0, 0, 1, 1, 0, dtype, dtype, null)
          expect(c.values().every((value) => Number.isFinite(value))).toBe(true)
        }
      }
    })

    test('tt_matmul() gives the same bits twice, and with any number of threads', () => {
      for (const [m, n, k] of [
        [333, 222, 111],
        // Few columns and a deep sum, which threads share.
        [700, 20, 90],
        [24, 40, 13_001],
      ] as const) {
        for (const dtype of [F32, BF16]) {
          const a = randomInput(m * k, 1, dtype)
          const b = randomInput(k * n, 2, dtype)
          const results = [1, 1, 2, 2, 3, 9].map((threads) => {
            run('tt_init', 0, threads, isa)
            const c = guarded(new Float64Array(m * n))
            run('tt_matmul', c.view, a.view, b.view, 1, m, n, k, 0, 0, 0, 0, 0, 1, 0, F32, dtype, null)
            return Buffer.from(c.view.buffer)
          })
          for (const result of results) expect(result.equals(results[0])).toBe(true)
        }
      }
    })
  })
}

test('tt_matmul() with k = 0 scales c', () => {
  const c = guarded(randomNumbers(20 * 30, 1))
  const before = c.values()
  run('tt_matmul', c.view, null, null, 1, 20, 30, 0, 0, 0, 0, 0, 0, 1, 0.5, F32, F32, null)
  expect(c.values()).toEqual(before.map((x) => 0.5 * x))
})

test('tt_matmul() refuses bad arguments and says which', () => {
  const c = guarded([0])
  const matmul = (...[m, out, dtype, batch]: number[]): number =>
    call('tt_matmul', c.view, c.view, c.view, batch, m, 1, 1, 0, 0, 0, 0, 0, 1, 0, out, dtype, null)
  expect(matmul(-1, F32, F32, 1)).toBe(BAD_ARGUMENT)
  expect(lastError()).toContain('negative size')
  expect(matmul(1, F32, 7, 1)).toBe(BAD_ARGUMENT)
  expect(matmul(1, BF16, F32, 1)).toBe(BAD_ARGUMENT)
  expect(matmul(1, F32, F32, 2)).toBe(BAD_ARGUMENT)
  expect(lastError()).toContain('stride_c')
  expect(call('tt_matmul', null, c.view, c.view, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, F32, F32, null)).toBe(
    BAD_ARGUMENT,
  )
})
