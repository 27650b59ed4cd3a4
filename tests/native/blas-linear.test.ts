/**
 * Linear layers whose weight's product a BLAS makes, against those that our kernels make alone: bias, LoRA, dropout.
 */
import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { F32, run } from './_library.ts'
import { type Guarded, guarded, randomInput, randomNumbers, worstError } from './_matrix.ts'
import { blasProducts, OPENBLAS, setOption } from './_openblas.ts'

interface Shape {
  readonly rows: number
  readonly cols: number
  readonly out: number
  readonly rank: number
  readonly p: number
  readonly bias: boolean
}

const SHAPES: readonly Shape[] = [
  { rows: 70, cols: 45, out: 37, rank: 0, p: 0, bias: false },
  { rows: 5, cols: 33, out: 70, rank: 3, p: 0, bias: true },
  { rows: 300, cols: 130, out: 90, rank: 21, p: 0, bias: true },
  { rows: 700, cols: 150, out: 40, rank: 16, p: 0.1, bias: false },
  { rows: 35, cols: 40, out: 50, rank: 70, p: 0.2, bias: true },
]
const SCALE = 1.5
const RNG = new Uint32Array([7, 11, 3, 5, 2 ** 32 - 5, 1])

/** What a layer gives, forward and backward, by name. */
function results({ rows, cols, out, rank, p, bias }: Shape, accumulate: number): Record<string, Guarded> {
  const zeros = (n: number): Guarded => guarded(new Float64Array(n))
  const lora = (one: Guarded): Guarded['view'] | null => (rank > 0 ? one.view : null)
  const [x, w, dy] = [randomInput(rows * cols, 1), randomInput(out * cols, 2), randomInput(rows * out, 6)]
  const [loraA, loraB] = [randomInput(rank * cols, 4), randomInput(out * rank, 5)]
  const [y, xa, dx] = [zeros(rows * out), zeros(rows * rank), guarded(randomNumbers(rows * cols, 8))]
  const [dw, dbias, dloraA, dloraB] = [zeros(out * cols), zeros(out), zeros(rank * cols), zeros(out * rank)]
  const factors = [lora(loraA), lora(loraB), p > 0 ? RNG : null] as const
  const sizes = [rows, cols, out, rank, SCALE, p] as const
  const added = bias ? randomInput(out, 3).view : null
  run('tt_linear_forward', y.view, lora(xa), x.view, w.view, added, ...factors, ...sizes, F32, null)
  const gradients = [dx.view, dw.view, dbias.view, lora(dloraA), lora(dloraB)] as const
  const inputs = [dy.view, x.view, lora(xa), w.view] as const
  run('tt_linear_backward', ...gradients, ...inputs, ...factors, ...sizes, accumulate, F32, null)
  return { y, xa, dx, dw, dbias, dloraA, dloraB }
}

describe.skipIf(OPENBLAS === null)('a linear layer by a BLAS', () => {
  afterEach(() => setOption('gemm', 'auto'))
  afterAll(() => run('tt_init', 0, 0, 0))

  for (const shape of SHAPES) {
    const { rows, rank, p, bias } = shape
    test(`rows ${rows}, rank ${rank}, dropout ${p}, ${bias ? 'a bias' : 'no bias'}: what our kernels give`, () => {
      run('tt_init', 0, 2, 0)
      for (const accumulate of [0, 1]) {
        setOption('gemm', 'own')
        const own = results(shape, accumulate)
        setOption('gemm', 'blas')
        const before = blasProducts()
        const got = results(shape, accumulate)
        // Forward, dx, dw; and the products of what is masked.
        expect(blasProducts() - before).toBeGreaterThanOrEqual(3)
        for (const [name, values] of Object.entries(got)) {
          const want = own[name].values()
          const scale = Math.sqrt(want.reduce((sum, x) => sum + x * x, 0) / Math.max(1, want.length))
          const error = worstError(
            values.values(),
            want,
            want.map(() => scale),
          )
          expect([name, error < 1e-5, values.intact()]).toEqual([name, true, true])
        }
      }
    })
  }
})
