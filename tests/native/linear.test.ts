import { afterAll, describe, expect, test } from 'bun:test'
import { BAD_ARGUMENT, BF16, F32, call, lastError, reachableIsas, run } from './_library.ts'
import { type Guarded, guarded, randomInput, randomNumbers, referenceProduct, worstError } from './_matrix.ts'
import { dropoutMask, philox } from './_philox.ts'

interface Shape {
  readonly rows: number
  readonly cols: number
  readonly out: number
  readonly rank: number
  readonly p: number
}
const SHAPES: readonly Shape[] = [
  { rows: 1, cols: 1, out: 1, rank: 0, p: 0 },
  { rows: 5, cols: 33, out: 70, rank: 3, p: 0 },
  { rows: 70, cols: 45, out: 37, rank: 8, p: 0 },
  { rows: 67, cols: 51, out: 65, rank: 16, p: 0.25 },
  { rows: 300, cols: 130, out: 90, rank: 21, p: 0 },
  { rows: 35, cols: 20, out: 100, rank: 70, p: 0 },
  { rows: 530, cols: 20, out: 12, rank: 2, p: 0.5 },
  // Several strips and panels of either operand, few rows, and a rank whose gradients take another way.
  { rows: 700, cols: 150, out: 40, rank: 16, p: 0.1 },
  { rows: 90, cols: 610, out: 400, rank: 21, p: 0.3 },
  { rows: 3, cols: 65, out: 33, rank: 8, p: 0.4 },
  { rows: 35, cols: 40, out: 50, rank: 70, p: 0.2 },
]
const SCALE = 1.5
const RNG = new Uint32Array([7, 11, 3, 5, 2 ** 32 - 5, 1])

afterAll(() => run('tt_init', 0, 0, 0))

test('the mask is philox4x32-10 (known answer of Random123)', () => {
  const words = philox([0x243f6a88n, 0x85a308d3n, 0x13198a2en, 0x03707344n], [0xa4093822n, 0x299f31d0n])
  expect(words).toEqual([0xd16cfe09n, 0x94fdccebn, 0x5001e420n, 0x24126ea1n])
})

interface Case extends Shape {
  readonly dtype: number
  readonly x: Guarded
  readonly w: Guarded
  readonly bias: Guarded
  readonly loraA: Guarded
  readonly loraB: Guarded
  readonly dy: Guarded
  readonly mask: Float64Array
}

function makeCase(shape: Shape, dtype: number): Case {
  const { rows, cols, out, rank, p } = shape
  return {
    ...shape,
    dtype,
    x: randomInput(rows * cols, 1, dtype),
    w: randomInput(out * cols, 2, dtype),
    bias: randomInput(out, 3, dtype),
    loraA: randomInput(rank * cols, 4),
    loraB: randomInput(out * rank, 5),
    dy: randomInput(rows * out, 6, dtype),
    mask: p > 0 ? dropoutMask(RNG, rows * cols, p) : new Float64Array(rows * cols).fill(1),
  }
}

const times = (a: Float64Array, b: Float64Array): Float64Array => a.map((x, i) => x * b[i])
const plus = (a: Float64Array, b: Float64Array, factor = 1): Float64Array =>
  a.map((x, i) => x + factor * b[i])
const ones = (n: number): Float64Array => new Float64Array(n).fill(1)
const orNull = (on: boolean, buffer: Guarded): Guarded['view'] | null => (on ? buffer.view : null)

/** bf16 operands and LoRA factors rounded to bf16 on AMX: errors of 2^-8 of the terms that pass through them. */
const tolerance = (dtype: number): number => (dtype === BF16 ? 2 ** -7 : 3e-6)

function forward(c: Case, threadsY: Guarded, xa: Guarded): void {
  const lora = c.rank > 0
  const args = [threadsY.view, orNull(lora, xa), c.x.view, c.w.view, c.bias.view] as const
  const factors = [orNull(lora, c.loraA), orNull(lora, c.loraB), c.p > 0 ? RNG : null] as const
  run('tt_linear_forward', ...args, ...factors, c.rows, c.cols, c.out, c.rank, SCALE, c.p, c.dtype, null)
}

function expectClose(got: Guarded, want: Float64Array, scale: Float64Array, limit: number): void {
  expect(worstError(got.values(), want, scale)).toBeLessThan(limit)
  expect(got.intact()).toBe(true)
}

for (const isa of reachableIsas()) {
  describe(`instruction set ${isa}`, () => {
    for (const dtype of [F32, BF16]) {
      for (const shape of SHAPES) {
        const name = `rows ${shape.rows}, rank ${shape.rank}, dropout ${shape.p}, dtype ${dtype}`
        test(`tt_linear_forward() is the f64 result: ${name}`, () => {
          run('tt_init', 0, 1 + (shape.rows % 3), isa)
          const c = makeCase(shape, dtype)
          const { rows, cols, out, rank } = c
          const y = guarded(new Float64Array(rows * out), dtype)
          const xa = guarded(new Float64Array(rows * rank))
          forward(c, y, xa)
          const base = referenceProduct(c.x.values(), c.w.values(), [rows, out, cols], false, true)
          const down = referenceProduct(
            times(c.x.values(), c.mask),
            c.loraA.values(),
            [rows, rank, cols],
            false,
            true,
          )
          const up = referenceProduct(down.sum, c.loraB.values(), [rows, out, rank], false, true)
          const bias = c.bias.values()
          const want = plus(base.sum, up.sum, SCALE).map((v, i) => v + bias[i % out])
          const scale = plus(base.magnitude, up.magnitude, SCALE).map((v, i) => v + Math.abs(bias[i % out]))
          expectClose(y, want, scale, tolerance(dtype))
          expectClose(xa, down.sum, down.magnitude, tolerance(dtype))
        })

        test(`tt_linear_backward() is the f64 result: ${name}`, () => {
          run('tt_init', 0, 1 + (shape.rows % 3), isa)
          const c = makeCase(shape, dtype)
          const { rows, cols, out, rank } = c
          const lora = rank > 0
          const x = c.x.values()
          const dy = c.dy.values()
          const [a, b] = [c.loraA.values(), c.loraB.values()]
          const down = referenceProduct(times(x, c.mask), a, [rows, rank, cols], false, true)
          const xa = guarded(down.sum)
          for (const accumulate of [0, 1]) {
            const dx = guarded(randomNumbers(rows * cols, 8), dtype)
            const [dw, dbias] = [guarded(ones(out * cols)), guarded(ones(out))]
            const [dloraA, dloraB] = [guarded(ones(rank * cols)), guarded(ones(out * rank))]
            const before = dx.values().map((v) => v * accumulate)
            const outputs = [
              dx.view,
              dw.view,
              dbias.view,
              orNull(lora, dloraA),
              orNull(lora, dloraB),
            ] as const
            const inputs = [c.dy.view, c.x.view, orNull(lora, xa), c.w.view] as const
            const factors = [orNull(lora, c.loraA), orNull(lora, c.loraB), c.p > 0 ? RNG : null] as const
            const sizes = [rows, cols, out, rank, SCALE, c.p, accumulate, dtype] as const
            run('tt_linear_backward', ...outputs, ...inputs, ...factors, ...sizes, null)

            const direct = referenceProduct(dy, c.w.values(), [rows, cols, out])
            const t = referenceProduct(dy, b, [rows, rank, out])
            const side = referenceProduct(t.sum, a, [rows, cols, rank])
            const wantDx = plus(plus(direct.sum, times(side.sum, c.mask), SCALE), before)
            const dxScale = plus(
              plus(direct.magnitude, times(side.magnitude, c.mask), SCALE),
              before.map(Math.abs),
            )
            expectClose(dx, wantDx, dxScale, tolerance(dtype))

            const expectAdded = (
              got: Guarded,
              { sum, magnitude }: { sum: Float64Array; magnitude: Float64Array },
            ): void =>
              expectClose(
                got,
                sum.map((v) => v + 1),
                magnitude.map((v) => v + 1),
                tolerance(dtype),
              )
            const scaled = ({ sum, magnitude }: { sum: Float64Array; magnitude: Float64Array }) => ({
              sum: sum.map((v) => v * SCALE),
              magnitude: magnitude.map((v) => v * SCALE),
            })
            expectAdded(dw, referenceProduct(dy, x, [out, cols, rows], true))
            expectAdded(dbias, referenceProduct(dy, ones(rows), [out, 1, rows], true))
            expectAdded(dloraA, scaled(referenceProduct(t.sum, times(x, c.mask), [rank, cols, rows], true)))
            expectAdded(dloraB, scaled(referenceProduct(dy, down.sum, [out, rank, rows], true)))
          }
        })
      }
    }

    test('gradients agree with finite differences of the forward pass', () => {
      run('tt_init', 0, 2, isa)
      const c = makeCase({ rows: 18, cols: 9, out: 7, rank: 4, p: 0.25 }, F32)
      const { rows, cols, out, rank } = c
      const xa = guarded(new Float64Array(rows * rank))
      const dy = c.dy.values()
      const loss = (): number => {
        const y = guarded(new Float64Array(rows * out))
        forward(c, y, xa)
        return y.values().reduce((sum, v, i) => sum + v * dy[i], 0)
      }
      loss()
      const [dx, dw, dbias] = [rows * cols, out * cols, out].map((n) => guarded(new Float64Array(n)))
      const [da, db] = [rank * cols, out * rank].map((n) => guarded(new Float64Array(n)))
      const inputs = [c.dy.view, c.x.view, xa.view, c.w.view, c.loraA.view, c.loraB.view, RNG] as const
      const sizes = [rows, cols, out, rank, SCALE, c.p, 0, F32] as const
      run('tt_linear_backward', dx.view, dw.view, dbias.view, da.view, db.view, ...inputs, ...sizes, null)
      const pairs = [
        [c.x, dx],
        [c.w, dw],
        [c.bias, dbias],
        [c.loraA, da],
        [c.loraB, db],
      ] as const
      for (const [parameter, gradient] of pairs) {
        for (let i = 0; i < parameter.length; i += 5) {
          const value = parameter.view[i]
          parameter.view[i] = value + 0.125
          const above = loss()
          parameter.view[i] = value - 0.125
          const below = loss()
          parameter.view[i] = value
          expect(gradient.view[i]).toBeCloseTo((above - below) / 0.25, 3)
        }
      }
    })
  })
}

test('tt_linear_backward() and tt_linear_cross_entropy() give the same bits with any number of threads', () => {
  for (const isa of reachableIsas()) {
    for (const dtype of [F32, BF16]) {
      const c = makeCase({ rows: 700, cols: 96, out: 80, rank: 8, p: 0.25 }, dtype)
      const xa = randomInput(700 * 8, 9)
      const targets = Int32Array.from({ length: 700 }, (_, i) => i % 80)
      const results = [1, 1, 2, 2, 3, 9].map((threads) => {
        run('tt_init', 0, threads, isa)
        const [dx, dh] = [
          guarded(new Float64Array(700 * 96), dtype),
          guarded(new Float64Array(700 * 96), dtype),
        ]
        const parts = [80 * 96, 80, 8 * 96, 80 * 8, 1].map((n) => guarded(new Float64Array(n)))
        const [dw, dbias, da, db, loss] = parts
        const inputs = [c.dy.view, c.x.view, xa.view, c.w.view, c.loraA.view, c.loraB.view, RNG] as const
        const outputs = [dx.view, dw.view, dbias.view, da.view, db.view] as const
        run('tt_linear_backward', ...outputs, ...inputs, 700, 96, 80, 8, SCALE, 0.25, 0, dtype, null)
        const head = [loss.view, null, dh.view, dw.view, c.x.view, c.w.view, targets] as const
        run('tt_linear_cross_entropy', ...head, 700, 96, 80, 1, 0, dtype, null)
        return Buffer.concat([dx, dh, ...parts].map((part) => Buffer.from(part.view.buffer)))
      })
      for (const result of results) expect(result.equals(results[0])).toBe(true)
    }
  }
})

test('a layer whose weight is packed in groups gives the bits of its halves, with dropout', () => {
  run('tt_init', 0, 2, 0)
  // 8192 deep: 24 MiB of packed weight are fewer rows than these.
  const [rows, cols, out, rank] = [1024, 8192, 1024, 4]
  const numbers = (n: number, seed: number): Float32Array<ArrayBuffer> => {
    const values = new Float32Array(n)
    for (let i = 0, state = seed; i < n; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      values[i] = state / 2 ** 32 - 0.5
    }
    return values
  }
  const [x, w] = [numbers(rows * cols, 1), numbers(out * cols, 2)]
  const [a, b] = [numbers(rank * cols, 3), numbers(out * rank, 4)]
  const product = (first: number, count: number): { y: Float32Array; xa: Float32Array } => {
    const [y, xa] = [new Float32Array(rows * count), new Float32Array(rows * rank)]
    const [part, factor] = [w.subarray(first * cols), b.subarray(first * rank)]
    const sizes = [rows, cols, count, rank, SCALE, 0.3, F32, null] as const
    run('tt_linear_forward', y, xa, x, part, null, a, factor, RNG, ...sizes)
    return { y, xa }
  }
  const whole = product(0, out)
  for (const first of [0, out / 2]) {
    const half = product(first, out / 2)
    expect(half.xa.every((value, i) => value === whole.xa[i])).toBe(true)
    const same = half.y.every((value, i) => {
      const [row, column] = [Math.floor(i / (out / 2)), first + (i % (out / 2))]
      return value === whole.y[row * out + column]
    })
    expect(same).toBe(true)
  }
})

test('tt_linear_backward() computes only what is asked for', () => {
  const c = makeCase({ rows: 40, cols: 9, out: 7, rank: 0, p: 0 }, F32)
  const dbias = guarded(new Float64Array(7))
  const sizes = [40, 9, 7, 0, 1, 0, 0, F32] as const
  run(
    'tt_linear_backward',
    null,
    null,
    dbias.view,
    null,
    null,
    c.dy.view,
    null,
    null,
    null,
    null,
    null,
    null,
    ...sizes,
    null,
  )
  const want = referenceProduct(c.dy.values(), ones(40), [7, 1, 40], true)
  expectClose(dbias, want.sum, want.magnitude, 1e-6)
})

test('tt_linear_*() refuse bad arguments and say which', () => {
  const f = new Float32Array(64)
  const forwardWith = (rank: number, p: number, dtype: number, rows: number): number =>
    call(
      'tt_linear_forward',
      f,
      f,
      f,
      f,
      null,
      rank ? f : null,
      null,
      null,
      rows,
      2,
      2,
      rank,
      1,
      p,
      dtype,
      null,
    )
  expect(forwardWith(2, 0, F32, 2)).toBe(BAD_ARGUMENT)
  expect(lastError()).toContain('without lora_a or lora_b')
  expect(forwardWith(0, 1, F32, 2)).toBe(BAD_ARGUMENT)
  expect(forwardWith(0, 0, 2, 2)).toBe(BAD_ARGUMENT)
  expect(forwardWith(0, 0, F32, -1)).toBe(BAD_ARGUMENT)
  expect(forwardWith(0, 0, F32, 0)).toBe(0)
  expect(call('tt_linear_forward', f, f, f, f, null, f, f, null, 2, 2, 2, 2, 1, 0.5, F32, null)).toBe(
    BAD_ARGUMENT,
  )
  expect(lastError()).toContain('rng')
  const sizes = [2, 2, 2, 0, 1, 0, 0, F32] as const
  expect(
    call('tt_linear_backward', f, null, null, null, null, f, f, null, null, null, null, null, ...sizes, null),
  ).toBe(BAD_ARGUMENT)
  expect(lastError()).toContain('dx needs w')
})
