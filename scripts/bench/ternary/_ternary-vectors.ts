/**
 * The ops on bit planes, in dimensions a second: one of an input vector, or of a pair for similarities.
 */
import {
  type Device,
  noGrad,
  type Tensor,
  tensor,
  tensorScope,
  useDevice,
  vsaBind,
  vsaBundle,
  vsaPack,
  vsaPermute,
  vsaProduct,
  vsaSimilarity,
  vsaUnbind,
  vsaUnpack,
} from '../../../core/mod.ts'
import { inTurn, median, seconds } from '../_measure.ts'
import type { BenchContext, Row } from '../_topic.ts'

/** Vectors and dimensions of a memory of symbols. */
export const ROWS = 1024
export const DIMS = 10_000
const QUERIES = 64
const BUNDLED = 16

/** Trits of `rows` vectors, the same in every run. */
export function benchTrits(rows: number, dims: number, seed = 1): Int8Array {
  return Int8Array.from({ length: rows * dims }, (_, i) => ((Math.imul(i + seed, 2654435761) >>> 9) % 3) - 1)
}

interface Inputs {
  readonly trits: Tensor
  readonly a: Tensor
  readonly b: Tensor
  readonly queries: Tensor
  readonly weights: Tensor
}

interface VectorCase {
  readonly name: string
  /** Dimensions that one run goes through. */
  readonly dims: number
  /** Bytes that it reads and writes at least. */
  readonly bytes: number
  run(inputs: Inputs): Tensor
}

const PLANES = ROWS * 2 * Math.ceil(DIMS / 32) * 4
const OPTIONS = { dims: DIMS }
const all = ROWS * DIMS
const pairs = QUERIES * all
const similarityBytes = PLANES * (1 + QUERIES / ROWS) + QUERIES * ROWS * 4

export const VECTOR_CASES: readonly VectorCase[] = [
  { name: 'pack', dims: all, bytes: all + PLANES, run: ({ trits }) => vsaPack(trits) },
  { name: 'unpack', dims: all, bytes: all + PLANES, run: ({ a }) => vsaUnpack(a, OPTIONS) },
  { name: 'product', dims: all, bytes: 3 * PLANES, run: ({ a, b }) => vsaProduct(a, b, OPTIONS) },
  { name: 'bind', dims: all, bytes: 3 * PLANES, run: ({ a, b }) => vsaBind(a, b, OPTIONS) },
  { name: 'unbind', dims: all, bytes: 3 * PLANES, run: ({ a, b }) => vsaUnbind(a, b, OPTIONS) },
  { name: 'permute', dims: all, bytes: 2 * PLANES, run: ({ a }) => vsaPermute(a, { dims: DIMS, shift: 37 }) },
  {
    name: `bundle of ${BUNDLED}`,
    dims: all,
    bytes: PLANES * (1 + 1 / BUNDLED),
    run: ({ a }) => vsaBundle(a, { dims: DIMS, count: BUNDLED }),
  },
  {
    name: `bundle of ${BUNDLED}, weighted`,
    dims: all,
    bytes: PLANES * (1 + 1 / BUNDLED),
    run: ({ a, weights }) => vsaBundle(a, { dims: DIMS, count: BUNDLED, weights }),
  },
  {
    name: `similarity of ${QUERIES}`,
    dims: pairs,
    bytes: similarityBytes,
    run: ({ a, queries }) => vsaSimilarity(queries, a, OPTIONS),
  },
  {
    name: `Hamming distance of ${QUERIES}`,
    dims: pairs,
    bytes: similarityBytes,
    run: ({ a, queries }) => vsaSimilarity(queries, a, { dims: DIMS, metric: 'hamming' }),
  },
]

/** The tensors of the cases on a device. The caller owns them: a scope would have to stay open over measurements. */
export function vectorInputs(device: Device): Inputs & Disposable {
  using scope = tensorScope()
  const trits = tensor(benchTrits(ROWS, DIMS), { shape: [ROWS, DIMS], dtype: 'i8', device })
  const others = tensor(benchTrits(ROWS, DIMS, 7), { shape: [ROWS, DIMS], dtype: 'i8', device })
  const few = tensor(benchTrits(QUERIES, DIMS, 11), { shape: [QUERIES, DIMS], dtype: 'i8', device })
  const weights = tensor(
    Float32Array.from({ length: ROWS }, (_, i) => Math.cos(i)),
    { device },
  )
  const made = { trits, a: vsaPack(trits), b: vsaPack(others), queries: vsaPack(few), weights }
  for (const one of Object.values(made)) scope.keep(one)
  return {
    ...made,
    [Symbol.dispose]() {
      for (const one of Object.values(made)) one.dispose()
    },
  }
}

export async function ternaryVectors({
  device,
  context,
}: {
  readonly device: Device
  readonly context: BenchContext
}): Promise<Row[]> {
  using _device = useDevice(device)
  using inputs = vectorInputs(device)
  const rows: Row[] = []
  for (const { name, dims, bytes, run } of VECTOR_CASES) {
    const full = `${name}, ${ROWS} × ${DIMS}`
    if (context.only !== null && !full.includes(context.only)) continue
    context.progress(full)
    const once = (): void => {
      using _inner = tensorScope()
      noGrad(() => run(inputs))
    }
    const { ours } = await inTurn(
      { ours: () => seconds(once) },
      { repeat: context.quick ? 7 : 51, warmup: 3, maxSeconds: context.quick ? 1 : 4 },
    )
    const time = median(ours)
    rows.push({
      name: full,
      ours: dims / time / 1e9,
      peer: null,
      unit: 'Gdims/s',
      ratio: null,
      floor: null,
      goal: null,
      better: 'higher',
      note: `${(bytes / time / 1e9).toFixed(1)} GB/s`,
    })
  }
  return rows
}
