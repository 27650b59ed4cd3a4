/**
 * native/cuda's linear layers on the emulator, against f64 products and the tests' own dropout mask.
 *
 * The shapes reach the tensor-core, thin, row and plain kernels, and LoRA ranks that need padding.
 */
import { beforeAll, describe, expect, test } from 'bun:test'
import {
  type Guarded,
  type Product,
  guarded,
  randomInput,
  randomNumbers,
  referenceProduct,
  worstError,
} from '../native/_matrix.ts'
import { dropoutMask } from '../native/_philox.ts'
import { BAD_ARGUMENT, BF16, F32, call, run, text } from './_library.ts'

interface Shape {
  readonly rows: number
  readonly cols: number
  readonly out: number
  readonly rank: number
  readonly p: number
}
const SHAPES: readonly Shape[] = [
  { rows: 1, cols: 1, out: 1, rank: 0, p: 0 },
  { rows: 9, cols: 33, out: 37, rank: 3, p: 0.25 },
  { rows: 5, cols: 64, out: 48, rank: 8, p: 0 },
  { rows: 72, cols: 64, out: 136, rank: 16, p: 0 },
  { rows: 75, cols: 72, out: 72, rank: 8, p: 0.25 },
  { rows: 40, cols: 40, out: 48, rank: 12, p: 0 },
  { rows: 67, cols: 80, out: 72, rank: 3, p: 0.5 },
  { rows: 70, cols: 24, out: 32, rank: 72, p: 0 },
  { rows: 300, cols: 16, out: 24, rank: 2, p: 0 },
]
const SCALE = 1.5
const RNG = new Uint32Array([7, 11, 3, 5, 2 ** 32 - 5, 1])

beforeAll(() => run('tt_init', 0, 0, 0))

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
const blank = (n: number, dtype: number = F32): Guarded =>
  guarded(new Float64Array(n).fill(Number.NaN), dtype)
const orNull = (on: boolean, buffer: Guarded): Guarded['view'] | null => (on ? buffer.view : null)

/** bf16: factors, u, t and xa are rounded too, each an error of 2^-9 of the terms that pass through it. */
const tolerance = (dtype: number): number => (dtype === BF16 ? 2 ** -7 : 3e-6)

function forward(c: Case, y: Guarded, xa: Guarded): void {
  const lora = c.rank > 0
  const factors = [orNull(lora, c.loraA), orNull(lora, c.loraB), c.p > 0 ? RNG : null] as const
  const sizes = [c.rows, c.cols, c.out, c.rank, SCALE, c.p, c.dtype] as const
  run('tt_linear_forward', y.view, orNull(lora, xa), c.x.view, c.w.view, c.bias.view, ...factors, ...sizes)
}

interface Gradients {
  readonly dx: Guarded
  readonly dw: Guarded
  readonly dbias: Guarded
  readonly da: Guarded
  readonly db: Guarded
}

/** Gradients of parameters are added to ones, dx to random numbers when it accumulates. */
function backward(c: Case, xa: Guarded, accumulate: number): Gradients {
  const { rows, cols, out, rank } = c
  const lora = rank > 0
  const dx = accumulate ? guarded(randomNumbers(rows * cols, 8), c.dtype) : blank(rows * cols, c.dtype)
  const [dw, dbias, da, db] = [out * cols, out, rank * cols, out * rank].map((n) => guarded(ones(n)))
  const outputs = [dx.view, dw.view, dbias.view, orNull(lora, da), orNull(lora, db)] as const
  const inputs = [c.dy.view, c.x.view, orNull(lora, xa), c.w.view] as const
  const factors = [orNull(lora, c.loraA), orNull(lora, c.loraB), c.p > 0 ? RNG : null] as const
  const sizes = [rows, cols, out, rank, SCALE, c.p, accumulate, c.dtype] as const
  run('tt_linear_backward', ...outputs, ...inputs, ...factors, ...sizes)
  return { dx, dw, dbias, da, db }
}

function expectClose(got: Guarded, want: Float64Array, scale: Float64Array, limit: number): void {
  expect(worstError(got.values(), want, scale)).toBeLessThan(limit)
  expect(got.intact()).toBe(true)
}

for (const dtype of [F32, BF16]) {
  for (const shape of SHAPES) {
    describe(`${shape.rows} rows, ${shape.cols} → ${shape.out}, rank ${shape.rank}, dropout ${shape.p}, dtype ${dtype}`, () => {
      const c = makeCase(shape, dtype)
      const { rows, cols, out, rank } = c
      const x = c.x.values()
      const dropped = times(x, c.mask)
      const down = referenceProduct(dropped, c.loraA.values(), [rows, rank, cols], false, true)

      test('tt_linear_forward() is the f64 result', () => {
        const [y, xa] = [blank(rows * out, dtype), blank(rows * rank)]
        forward(c, y, xa)
        const base = referenceProduct(x, c.w.values(), [rows, out, cols], false, true)
        const up = referenceProduct(down.sum, c.loraB.values(), [rows, out, rank], false, true)
        const bias = c.bias.values()
        const want = plus(base.sum, up.sum, SCALE).map((v, i) => v + bias[i % out])
        const scale = plus(base.magnitude, up.magnitude, SCALE).map((v, i) => v + Math.abs(bias[i % out]))
        expectClose(y, want, scale, tolerance(dtype))
        expectClose(xa, down.sum, down.magnitude, tolerance(dtype))
      })

      test('tt_linear_backward() is the f64 result, twice the same bits', () => {
        const dy = c.dy.values()
        const xa = guarded(down.sum)
        const direct = referenceProduct(dy, c.w.values(), [rows, cols, out])
        const t = referenceProduct(dy, c.loraB.values(), [rows, rank, out])
        const side = referenceProduct(t.sum, c.loraA.values(), [rows, cols, rank])
        const sideScale = times(side.magnitude, c.mask)
        const scaled = ({ sum, magnitude }: Product): Product => ({
          sum: sum.map((v) => v * SCALE),
          magnitude: magnitude.map((v) => v * SCALE),
        })
        const expectAdded = (got: Guarded, { sum, magnitude }: Product): void => {
          const [want, scale] = [sum.map((v) => v + 1), magnitude.map((v) => v + 1)]
          expectClose(got, want, scale, tolerance(dtype))
        }
        for (const accumulate of [0, 1]) {
          const got = backward(c, xa, accumulate)
          const before = guarded(randomNumbers(rows * cols, 8), dtype).values()
          const wantDx = plus(
            plus(direct.sum, times(side.sum, c.mask), SCALE),
            before.map((v) => v * accumulate),
          )
          const dxScale = plus(
            plus(direct.magnitude, sideScale, SCALE),
            before.map((v) => Math.abs(v) * accumulate),
          )
          expectClose(got.dx, wantDx, dxScale, tolerance(dtype))
          expectAdded(got.dw, referenceProduct(dy, x, [out, cols, rows], true))
          expectAdded(got.dbias, referenceProduct(dy, ones(rows), [out, 1, rows], true))
          expectAdded(got.da, scaled(referenceProduct(t.sum, dropped, [rank, cols, rows], true)))
          expectAdded(got.db, scaled(referenceProduct(dy, down.sum, [out, rank, rows], true)))
          const again = backward(c, xa, accumulate)
          for (const name of ['dx', 'dw', 'dbias', 'da', 'db'] as const)
            expect(again[name].view).toEqual(got[name].view)
        }
      })
    })
  }
}

test('tt_linear_backward() computes only what is asked for', () => {
  for (const dtype of [F32, BF16]) {
    const c = makeCase({ rows: 72, cols: 24, out: 16, rank: 8, p: 0 }, dtype)
    const xa = randomInput(72 * 8, 9)
    const all = backward(c, xa, 0)
    const rest = [c.dy.view, c.x.view, xa.view, c.w.view, c.loraA.view, c.loraB.view, null] as const
    const sizes = [72, 24, 16, 8, SCALE, 0, 0, dtype] as const
    for (const [i, name] of (['dx', 'dw', 'dbias', 'da', 'db'] as const).entries()) {
      const got = name === 'dx' ? blank(72 * 24, dtype) : guarded(ones(all[name].length))
      const outputs = [0, 1, 2, 3, 4].map((j) => (j === i ? got.view : null))
      run('tt_linear_backward', ...outputs, ...rest, ...sizes)
      expect(got.view).toEqual(all[name].view)
    }
  }
})

test('gradients of a bias over many rows are added up in parts', () => {
  const [rows, out] = [1100, 40]
  const dy = randomInput(rows * out, 1, BF16)
  const dbias = guarded(ones(out))
  const nothing = [null, null, null, null, null, null] as const
  run(
    'tt_linear_backward',
    null,
    null,
    dbias.view,
    null,
    null,
    dy.view,
    ...nothing,
    rows,
    8,
    out,
    0,
    1,
    0,
    0,
    BF16,
  )
  const want = referenceProduct(dy.values(), ones(rows), [out, 1, rows], true)
  expectClose(
    dbias,
    want.sum.map((v) => v + 1),
    want.magnitude,
    1e-6,
  )
})

test('tt_linear_*() refuse bad arguments and say which', () => {
  const f = new Float32Array(64)
  const forwardWith = (rank: number, p: number, dtype: number, rows: number): number =>
    call('tt_linear_forward', f, f, f, f, null, rank ? f : null, null, null, rows, 2, 2, rank, 1, p, dtype)
  expect(forwardWith(2, 0, F32, 2)).toBe(BAD_ARGUMENT)
  expect(text('tt_last_error')).toContain('without lora_a or lora_b')
  expect(forwardWith(0, 1, F32, 2)).toBe(BAD_ARGUMENT)
  expect(forwardWith(0, 0, 2, 2)).toBe(BAD_ARGUMENT)
  expect(forwardWith(0, 0, F32, -1)).toBe(BAD_ARGUMENT)
  expect(forwardWith(0, 0, F32, 0)).toBe(0)
  const sizes = [2, 2, 2, 2, 1, 0.5, F32] as const
  expect(call('tt_linear_forward', f, f, f, f, null, f, f, null, ...sizes)).toBe(BAD_ARGUMENT)
  expect(text('tt_last_error')).toContain('rng')
  const nothing = [null, null, null, null, null] as const
  const back = [2, 2, 2, 0, 1, 0, 0, F32] as const
  expect(call('tt_linear_backward', f, null, null, null, null, f, f, ...nothing, ...back)).toBe(BAD_ARGUMENT)
  expect(text('tt_last_error')).toContain('dx needs w')
})
