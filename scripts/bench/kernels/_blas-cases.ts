/**
 * Products to compare with a BLAS: squares, the layers of SmolLM2-135M in the three layouts of a step, few rows, thin ones, a batch; and
 * whole layers with LoRA, where a BLAS makes one product and our kernels two more.
 */
import type { NativeLibrary } from '../../../core/native/library.ts'

export interface BlasCase {
  readonly name: string
  readonly batch?: number
  readonly m: number
  readonly n: number
  readonly k: number
  /** NT: the forward pass; NN: the gradient of the input; TN: that of a weight. */
  readonly layout: 'NT' | 'NN' | 'TN'
  /** Of a LoRA pair: a whole layer, forward (NT) or the gradients of input and factors (NN). */
  readonly lora?: { readonly rank: number; readonly dropout: number }
}

const SIDES = [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048]
const ROWS = [1, 8, 16, 32, 64, 128, 256, 512]
const LAYERS = [
  [576, 576],
  [576, 1536],
  [1536, 576],
] as const

export const BLAS_CASES: readonly BlasCase[] = [
  ...SIDES.map((side): BlasCase => ({ name: `square ${side}`, m: side, n: side, k: side, layout: 'NT' })),
  ...ROWS.map((m): BlasCase => ({ name: `${m} rows, 576 → 1536`, m, n: 1536, k: 576, layout: 'NT' })),
  ...LAYERS.flatMap(([k, n]): BlasCase[] => [
    { name: `layer ${k} → ${n}`, m: 2048, n, k, layout: 'NT' },
    { name: `layer ${k} → ${n}, dx`, m: 2048, n: k, k: n, layout: 'NN' },
    { name: `layer ${k} → ${n}, dw`, m: n, n: k, k: 2048, layout: 'TN' },
  ]),
  { name: 'vocabulary 576 → 49152', m: 256, n: 49152, k: 576, layout: 'NT' },
  { name: 'thin: 16 columns', m: 2048, n: 16, k: 576, layout: 'NT' },
  { name: 'thin: 16 deep', m: 2048, n: 576, k: 16, layout: 'NT' },
  { name: 'batch of 64, 64 × 64 × 64', batch: 64, m: 64, n: 64, k: 64, layout: 'NT' },
  { name: 'batch of 16, 256 × 256 × 64', batch: 16, m: 256, n: 256, k: 64, layout: 'NT' },
  ...[0, 0.05].flatMap((dropout) =>
    LAYERS.slice(1).flatMap(([k, n]): BlasCase[] => {
      const lora = { rank: 16, dropout }
      const with_ = `LoRA 16${dropout === 0 ? '' : ', dropout'}`
      return [
        { name: `layer ${k} → ${n}, ${with_}, forward`, m: 2048, n, k, layout: 'NT', lora },
        { name: `layer ${k} → ${n}, ${with_}, backward`, m: 2048, n: k, k: n, layout: 'NN', lora },
      ]
    }),
  ),
]

export interface OpenedBlasCase extends Disposable {
  /** Additions and multiplications of a run. */
  readonly operations: number
  run(): void
}

/** Operands of small numbers, in memory of the library. */
export function openBlasCase(one: BlasCase, library: NativeLibrary): OpenedBlasCase {
  const { call } = library
  const memory: number[] = []
  const made = (count: number): number => {
    const out = new BigInt64Array(1)
    call.tt_alloc(out, 4 * count)
    const address = Number(out[0])
    memory.push(address)
    const values = new Float32Array(library.view(address, 4 * count))
    for (let i = 0; i < count; i++) values[i] = (((i * 2654435761) >>> 16) & 0xff) / 256 - 0.5
    return address
  }
  return {
    ...(one.lora ? layer(one, one.lora, library, made) : product(one, library, made)),
    [Symbol.dispose]: () => memory.forEach((address) => call.tt_free(address)),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const F32 = 0
type Made = (count: number) => number
type Work = Pick<OpenedBlasCase, 'operations' | 'run'>

function product({ batch = 1, m, n, k, layout }: BlasCase, { call }: NativeLibrary, made: Made): Work {
  const [a, b, c] = [m * k, k * n, m * n].map((size) => made(batch * size))
  const transposed = [Number(layout === 'TN'), Number(layout === 'NT')] as const
  return {
    operations: 2 * batch * m * n * k,
    run: () => call.tt_matmul(c, a, b, batch, m, n, k, m * n, m * k, k * n, ...transposed, 1, 0, F32, F32, 0),
  }
}

function layer(
  { m: rows, n, k, layout }: BlasCase,
  { rank, dropout }: { readonly rank: number; readonly dropout: number },
  { call }: NativeLibrary,
  made: Made,
): Work {
  const [cols, out] = layout === 'NT' ? [k, n] : [n, k]
  const [x, w, y, xa] = [rows * cols, out * cols, rows * out, rows * rank].map(made)
  const [loraA, loraB, dx, da, db] = [rank * cols, out * rank, rows * cols, rank * cols, out * rank].map(made)
  const rng = Uint32Array.of(1, 2, 3, 4, 0, 0)
  const sizes = [rows, cols, out, rank, 1, dropout] as const
  const [plain, pair] = [2 * rows * cols * out, 2 * rows * rank * (cols + out)]
  if (layout === 'NT')
    return {
      operations: plain + pair,
      run: () => call.tt_linear_forward(y, xa, x, w, 0, loraA, loraB, rng, ...sizes, F32, 0),
    }
  return {
    operations: plain + 2 * pair,
    run: () => call.tt_linear_backward(dx, 0, 0, da, db, y, x, xa, w, loraA, loraB, rng, ...sizes, 0, F32, 0),
  }
}
