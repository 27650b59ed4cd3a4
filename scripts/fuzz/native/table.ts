/**
 * One row for each function of native/include/tritune.h that takes sizes, in its order of arguments. A function without a
 * row fails a test.
 */
import type { Dice } from '../random.ts'
import {
  type Argument,
  bytes,
  floats,
  type HostArgument,
  ids,
  type NativeRow,
  of,
  offsets,
  rng,
  type Sizes,
  STREAM,
  type BufferArgument,
  dtypeBytes,
} from './row.ts'

const compute = (d: Dice): number => d.int(2)
const count = (d: Dice): number => (d.chance(0.1) ? 0 : d.chance(0.7) ? d.between(1, 70) : d.between(1, 9000))
const small = (d: Dice): number => (d.chance(0.05) ? 0 : d.between(1, 40))
const flag = (d: Dice): number => d.int(2)
const blocks = (n: number, block: number): number => (block > 0 ? Math.ceil(n / block) : 0)

function row<K extends string>(
  sizes: (dice: Dice) => { readonly [P in K]: number },
  args: (s: { readonly [P in K]: number }) => readonly Argument[],
): NativeRow {
  return { sizes, args: (given: Sizes) => args(given as { readonly [P in K]: number }) }
}

/** y, x… of one dtype and n elements. */
const flat = (
  pointers: number,
  extra: (s: Sizes) => readonly number[],
  sizes: (d: Dice) => Sizes = () => ({}),
): NativeRow => ({
  sizes: (d) => ({ n: count(d), dtype: compute(d), ...sizes(d) }),
  args: (s) => [
    ...Array.from({ length: pointers }, () => of(s.dtype, s.n)),
    s.n,
    ...extra(s),
    s.dtype,
    STREAM,
  ],
})

/** What a pointer must have around it for a walk over dims; strides may be negative. */
function walked(dtype: number, dims: readonly number[], column: 1 | 2): BufferArgument {
  let [below, above] = [0, 0]
  for (let d = 0; d < dims.length; d += 3) {
    if (dims[d] === 0) return of(dtype, 0)
    const far = (dims[d] - 1) * dims[d + column]
    if (far < 0) below -= far
    else above += far
  }
  const before = below * dtypeBytes(dtype)
  return { ...of(dtype, below + above + 1), before }
}

const dimsOf = ({ n0, n1, a0, a1, b0, b1, ndim }: Sizes): number[] =>
  [n0, a0, b0, n1, a1, b1].slice(0, 3 * Math.max(0, ndim))

const elementsOf = (dims: readonly number[]): number =>
  dims.reduce((n, size, i) => (i % 3 === 0 ? n * size : n), 1)

function dimSizes(d: Dice): Sizes {
  const [n0, n1] = [small(d), small(d)]
  return { n0, n1, a0: n1, a1: 1, b0: d.pick([0, 1, n1]), b1: d.pick([0, 1, n0]), ndim: 2, dtype: compute(d) }
}

const host = (values: readonly number[]): HostArgument => ({ host: 'i64', values })

const normSizes = (d: Dice): { rows: number; cols: number; dtype: number; has: number } => ({
  rows: small(d),
  cols: d.between(1, 300),
  dtype: compute(d),
  has: flag(d),
})

const linearSizes = (
  d: Dice,
): { rows: number; in: number; out: number; rank: number; dtype: number; p: number } => ({
  rows: small(d),
  in: d.between(1, 90),
  out: d.between(1, 90),
  rank: d.pick([0, 0, 3, 8]),
  dtype: compute(d),
  p: d.pick([0, 0, 0.25]),
})

const KINDS = 4

function weight({ out, in: cols, kind, block, nested }: Sizes): HostArgument {
  const n = out * cols
  const scales = kind < 2 ? blocks(n, block) : kind === 2 ? out : 1
  const data = kind < 2 ? Math.ceil(n / 2) : kind === 2 ? n : Math.floor(out / 4) * cols
  const isNested = nested === 1 && kind < 2
  return {
    host: 'i64',
    values: [
      kind,
      bytes(data),
      isNested ? bytes(scales) : floats(scales),
      isNested ? floats(blocks(scales, 256)) : 0,
      block,
      0,
      0,
      0,
    ],
  }
}

const packedSizes = (d: Dice): Sizes => {
  const kind = d.int(KINDS)
  return {
    kind,
    block: d.pick([64, 128, 4096]),
    nested: flag(d),
    out: kind === 3 ? 4 * d.between(1, 20) : d.between(1, 60),
    in: d.between(1, 90),
  }
}

const attentionSizes = (d: Dice): Sizes => {
  const kv = d.between(1, 2)
  return {
    documents: d.between(1, 3),
    tq: small(d),
    tk: small(d),
    heads: kv * d.between(1, 3),
    kv,
    dim: d.pick([1, 8, 33, 64, 256]),
    causal: flag(d),
    window: d.pick([0, 0, 3]),
    dtype: compute(d),
  }
}

const attentionTail = (s: Sizes): number[] => [
  s.documents,
  s.tq,
  s.tk,
  s.heads,
  s.kv,
  s.dim,
  0.3,
  s.causal,
  s.window,
  0,
  s.dtype,
  STREAM,
]

const rates = [0.01, 0.9, 0.99, 1e-8, 0.1, 0.1, 0.01, 1] as const

export const NATIVE_ROWS: Readonly<Record<string, NativeRow>> = {
  tt_copy: row(
    (d) => ({ n: count(d) }),
    ({ n }) => [bytes(n), bytes(n), n, STREAM],
  ),
  tt_upload: row(
    (d) => ({ n: count(d) }),
    ({ n }) => [bytes(n), bytes(n), n, STREAM],
  ),
  tt_download: row(
    (d) => ({ n: count(d) }),
    ({ n }) => [bytes(n), bytes(n), n, STREAM],
  ),
  tt_zero: row(
    (d) => ({ n: count(d) }),
    ({ n }) => [bytes(n), n, STREAM],
  ),
  tt_cast: row(
    (d) => ({ n: count(d), y: d.int(3), x: d.int(6) }),
    ({ n, y, x }) => [of(y, n), of(x, n), n, y, x, STREAM],
  ),
  tt_fill: row(
    (d) => ({ n: count(d), dtype: compute(d) }),
    ({ n, dtype }) => [of(dtype, n), n, 1.5, dtype, STREAM],
  ),
  tt_affine: flat(2, () => [1.5, 2]),
  tt_add_to: row(
    (d) => ({ n: count(d), y: compute(d), x: compute(d) }),
    ({ n, y, x }) => [of(y, n), of(x, n), n, y, x, STREAM],
  ),
  tt_binary: row(
    (d) =>
      ({ ...dimSizes(d), op: d.pick([0, 1, 2, 3, 4, 5, 6, 7, 8]) }) as Record<
        'n0' | 'n1' | 'ndim' | 'dtype' | 'op',
        number
      >,
    (s) => {
      const dims = dimsOf(s)
      return [
        of(s.dtype, elementsOf(dims)),
        walked(s.dtype, dims, 1),
        walked(s.dtype, dims, 2),
        host(dims),
        s.ndim,
        s.op,
        s.dtype,
        STREAM,
      ]
    },
  ),
  tt_unary_forward: flat(
    2,
    ({ op }) => [op],
    (d) => ({ op: d.int(16) }),
  ),
  tt_unary_backward: flat(
    3,
    ({ op }) => [op],
    (d) => ({ op: d.int(16) }),
  ),
  tt_swiglu_forward: flat(3, () => []),
  tt_swiglu_backward: flat(5, () => []),
  tt_geglu_forward: flat(
    3,
    ({ tanh }) => [tanh],
    (d) => ({ tanh: flag(d) }),
  ),
  tt_geglu_backward: flat(
    5,
    ({ tanh }) => [tanh],
    (d) => ({ tanh: flag(d) }),
  ),
  tt_dropout: row(
    (d) => ({ n: count(d), p: d.pick([0, 0.25, 1]), dtype: compute(d) }),
    ({ n, p, dtype }) => [of(dtype, n), of(dtype, n), rng(), n, p, dtype, STREAM],
  ),
  tt_reduce: row(
    (d) => ({ outer: small(d), n: small(d), inner: d.pick([1, small(d)]), op: d.int(3), dtype: compute(d) }),
    ({ outer, n, inner, op, dtype }) => [
      of(dtype, outer * inner),
      of(dtype, outer * n * inner),
      outer,
      n,
      inner,
      op,
      dtype,
      STREAM,
    ],
  ),
  tt_softmax_forward: row(normSizes, ({ rows, cols, dtype }) => [
    of(dtype, rows * cols),
    of(dtype, rows * cols),
    rows,
    cols,
    dtype,
    STREAM,
  ]),
  tt_softmax_backward: row(normSizes, ({ rows, cols, dtype }) => [
    of(dtype, rows * cols),
    of(dtype, rows * cols),
    of(dtype, rows * cols),
    rows,
    cols,
    dtype,
    STREAM,
  ]),
  tt_sum_squares: row(
    (d) => ({ n: count(d), dtype: compute(d) }),
    ({ n, dtype }) => [{ host: 'f64', values: [0] }, of(dtype, n), n, dtype, STREAM],
  ),
  tt_find_nonfinite: row(
    (d) => ({ n: count(d), dtype: compute(d) }),
    ({ n, dtype }) => [host([0]), of(dtype, n), n, dtype, STREAM],
  ),
  tt_strided_copy: row(
    (d) =>
      ({ ...dimSizes(d), dtype: d.int(6), accumulate: 0 }) as Record<'ndim' | 'dtype' | 'accumulate', number>,
    (s) => {
      const dims = dimsOf(s)
      return [
        walked(s.dtype, dims, 1),
        walked(s.dtype, dims, 2),
        host(dims),
        s.ndim,
        s.accumulate,
        s.dtype,
        STREAM,
      ]
    },
  ),
  tt_gather_rows: row(
    (d) => ({ rows: small(d), cols: small(d), table: d.between(1, 50), dtype: d.int(6) }),
    ({ rows, cols, table, dtype }) => [
      of(dtype, rows * cols),
      of(dtype, table * cols),
      ids(rows, table),
      rows,
      cols,
      table,
      dtype,
      STREAM,
    ],
  ),
  tt_scatter_add_rows: row(
    (d) => ({ rows: small(d), cols: small(d), table: d.between(1, 50), dtype: compute(d) }),
    ({ rows, cols, table, dtype }) => [
      floats(table * cols),
      of(dtype, rows * cols),
      ids(rows, table),
      rows,
      cols,
      table,
      dtype,
      STREAM,
    ],
  ),
  tt_matmul: row(
    (d) => ({
      batch: d.between(1, 3),
      m: small(d),
      n: small(d),
      k: small(d),
      ta: flag(d),
      tb: flag(d),
      beta: flag(d),
      wide: flag(d),
      dtype: compute(d),
      sa: flag(d),
      sb: flag(d),
    }),
    ({ batch, m, n, k, ta, tb, beta, wide, dtype, sa, sb }) => {
      const to = wide === 1 ? 0 : dtype
      const [strideA, strideB] = [sa * m * k, sb * k * n]
      const whole = (matrix: number, stride: number): number =>
        batch > 0 ? (batch - 1) * stride + matrix : 0
      return [
        of(to, batch * m * n),
        of(dtype, whole(m * k, strideA)),
        of(dtype, whole(k * n, strideB)),
        batch,
        m,
        n,
        k,
        m * n,
        strideA,
        strideB,
        ta,
        tb,
        1,
        beta,
        to,
        dtype,
        STREAM,
      ]
    },
  ),
  tt_linear_forward: row(linearSizes, ({ rows, in: k, out, rank, dtype, p }) => [
    of(dtype, rows * out),
    floats(rows * rank),
    of(dtype, rows * k),
    of(dtype, out * k),
    of(dtype, out),
    floats(rank * k),
    floats(out * rank),
    rng(),
    rows,
    k,
    out,
    rank,
    0.5,
    p,
    dtype,
    STREAM,
  ]),
  tt_linear_backward: row(
    (d) => ({ ...linearSizes(d), add: flag(d) }),
    ({ rows, in: k, out, rank, dtype, p, add }) => [
      of(dtype, rows * k),
      floats(out * k),
      floats(out),
      rank ? floats(rank * k) : 0,
      rank ? floats(out * rank) : 0,
      of(dtype, rows * out),
      of(dtype, rows * k),
      floats(rows * rank),
      of(dtype, out * k),
      floats(rank * k),
      floats(out * rank),
      rng(),
      rows,
      k,
      out,
      rank,
      0.5,
      p,
      add,
      dtype,
      STREAM,
    ],
  ),
  tt_linear_cross_entropy: row(
    (d) => ({
      rows: small(d),
      cols: d.between(1, 70),
      vocab: d.between(1, 200),
      softcap: d.pick([0, 5]),
      dtype: compute(d),
    }),
    ({ rows, cols, vocab, softcap, dtype }) => [
      floats(1),
      floats(rows),
      of(dtype, rows * cols),
      floats(vocab * cols),
      of(dtype, rows * cols),
      of(dtype, vocab * cols),
      ids(rows, vocab),
      rows,
      cols,
      vocab,
      0.5,
      softcap,
      dtype,
      STREAM,
    ],
  ),
  tt_rms_norm_forward: row(normSizes, ({ rows, cols, dtype, has }) => {
    const x = of(dtype, rows * cols)
    return [x, has ? x : 0, floats(rows), x, has ? x : 0, of(dtype, cols), rows, cols, 1e-6, dtype, STREAM]
  }),
  tt_rms_norm_backward: row(normSizes, ({ rows, cols, dtype, has }) => {
    const x = of(dtype, rows * cols)
    return [
      x,
      has ? floats(cols) : 0,
      x,
      has ? x : 0,
      x,
      of(dtype, cols),
      floats(rows),
      rows,
      cols,
      dtype,
      STREAM,
    ]
  }),
  tt_layer_norm_forward: row(normSizes, ({ rows, cols, dtype, has }) => {
    const x = of(dtype, rows * cols)
    return [
      x,
      has ? x : 0,
      floats(rows),
      floats(rows),
      x,
      has ? x : 0,
      of(dtype, cols),
      of(dtype, cols),
      rows,
      cols,
      1e-6,
      dtype,
      STREAM,
    ]
  }),
  tt_layer_norm_backward: row(normSizes, ({ rows, cols, dtype, has }) => {
    const x = of(dtype, rows * cols)
    return [
      x,
      has ? floats(cols) : 0,
      floats(cols),
      x,
      has ? x : 0,
      x,
      of(dtype, cols),
      floats(rows),
      floats(rows),
      rows,
      cols,
      dtype,
      STREAM,
    ]
  }),
  tt_rope: row(
    (d) => ({
      tokens: small(d),
      heads: d.between(1, 4),
      dim: d.pick([2, 16, 64]),
      rotary: d.pick([0, 2]),
      table: d.between(1, 50),
      inverse: flag(d),
      dtype: compute(d),
    }),
    ({ tokens, heads, dim, rotary, table, inverse, dtype }) => {
      const [x, angles] = [of(dtype, tokens * heads * dim), floats((table * rotary) / 2)]
      return [
        x,
        x,
        angles,
        angles,
        ids(tokens, table),
        tokens,
        heads,
        dim,
        rotary,
        table,
        inverse,
        dtype,
        STREAM,
      ]
    },
  ),
  tt_attention_forward: {
    sizes: attentionSizes,
    args: (s) => {
      const [q, k] = [of(s.dtype, s.tq * s.heads * s.dim), of(s.dtype, s.tk * s.kv * s.dim)]
      return [
        q,
        floats(s.heads * s.tq),
        q,
        k,
        k,
        offsets(s.documents, s.tq),
        offsets(s.documents, s.tk),
        ...attentionTail(s),
      ]
    },
  },
  tt_attention_backward: {
    sizes: attentionSizes,
    args: (s) => {
      const [q, k] = [of(s.dtype, s.tq * s.heads * s.dim), of(s.dtype, s.tk * s.kv * s.dim)]
      return [
        q,
        k,
        k,
        q,
        q,
        floats(s.heads * s.tq),
        q,
        k,
        k,
        offsets(s.documents, s.tq),
        offsets(s.documents, s.tk),
        ...attentionTail(s),
      ]
    },
  },
  tt_quantize_4bit: row(
    (d) => ({ n: count(d), block: d.pick([64, 4096]), kind: flag(d), dtype: compute(d) }),
    ({ n, block, kind, dtype }) => [
      bytes(Math.ceil(n / 2)),
      floats(blocks(n, block)),
      of(dtype, n),
      n,
      block,
      kind,
      dtype,
      STREAM,
    ],
  ),
  tt_quantize_8bit: row(
    (d) => ({ n: count(d), block: d.pick([1, 7, 256]), sign: flag(d) }),
    ({ n, block, sign }) => [bytes(n), floats(blocks(n, block)), floats(n), n, block, sign, STREAM],
  ),
  tt_dequantize_8bit: row(
    (d) => ({ n: count(d), block: d.pick([1, 7, 256]), sign: flag(d) }),
    ({ n, block, sign }) => [floats(n), bytes(n), floats(blocks(n, block)), n, block, sign, STREAM],
  ),
  tt_quantize_int8: row(normSizes, ({ rows, cols, dtype }) => [
    bytes(rows * cols),
    floats(rows),
    of(dtype, rows * cols),
    rows,
    cols,
    dtype,
    STREAM,
  ]),
  tt_quantize_ternary: row(
    (d) => ({ rows: 4 * small(d), cols: small(d), dtype: compute(d) }),
    ({ rows, cols, dtype }) => [
      bytes(Math.ceil(rows / 4) * cols),
      floats(1),
      of(dtype, rows * cols),
      rows,
      cols,
      dtype,
      STREAM,
    ],
  ),
  tt_dequantize: {
    sizes: (d) => ({ ...packedSizes(d), dtype: compute(d) }),
    args: (s) => [of(s.dtype, s.out * s.in), weight(s), s.out, s.in, s.dtype, STREAM],
  },
  tt_linear_quantized_forward: {
    sizes: (d) => ({ ...linearSizes(d), ...packedSizes(d), threshold: d.pick([0, 1.5]) }),
    args: (s) => [
      of(s.dtype, s.rows * s.out),
      floats(s.rows * s.rank),
      of(s.dtype, s.rows * s.in),
      weight(s),
      of(s.dtype, s.out),
      floats(s.rank * s.in),
      floats(s.out * s.rank),
      rng(),
      s.rows,
      s.in,
      s.out,
      s.rank,
      0.5,
      s.p,
      s.threshold,
      s.dtype,
      STREAM,
    ],
  },
  tt_linear_quantized_backward: {
    sizes: (d) => ({ ...linearSizes(d), ...packedSizes(d), add: flag(d) }),
    args: (s) => [
      of(s.dtype, s.rows * s.in),
      floats(s.out),
      s.rank ? floats(s.rank * s.in) : 0,
      s.rank ? floats(s.out * s.rank) : 0,
      of(s.dtype, s.rows * s.out),
      of(s.dtype, s.rows * s.in),
      floats(s.rows * s.rank),
      weight(s),
      floats(s.rank * s.in),
      floats(s.out * s.rank),
      rng(),
      s.rows,
      s.in,
      s.out,
      s.rank,
      0.5,
      s.p,
      s.add,
      s.dtype,
      STREAM,
    ],
  },
  tt_vsa_pack: row(
    (d) => ({ rows: small(d), dims: d.between(1, 200) }),
    ({ rows, dims }) => [bytes(rows * planes(dims)), bytes(rows * dims), rows, dims, STREAM],
  ),
  tt_vsa_unpack: row(
    (d) => ({ rows: small(d), dims: d.between(1, 200) }),
    ({ rows, dims }) => [bytes(rows * dims), bytes(rows * planes(dims)), rows, dims, STREAM],
  ),
  tt_vsa_bind: row(
    (d) => ({ rows: small(d), one: flag(d), dims: d.between(1, 200) }),
    ({ rows, one, dims }) => [
      bytes(rows * planes(dims)),
      bytes(rows * planes(dims)),
      bytes((one ? 1 : rows) * planes(dims)),
      rows,
      one ? 1 : rows,
      dims,
      STREAM,
    ],
  ),
  tt_vsa_bundle: row(
    (d) => ({ groups: small(d), count: d.between(1, 9), dims: d.between(1, 200) }),
    (s) => [
      bytes(s.groups * planes(s.dims)),
      bytes(s.groups * s.count * planes(s.dims)),
      s.groups,
      s.count,
      s.dims,
      STREAM,
    ],
  ),
  tt_vsa_similarity: row(
    (d) => ({ a: small(d), b: small(d), dims: d.between(1, 200) }),
    ({ a, b, dims }) => [
      bytes(4 * a * b),
      bytes(a * planes(dims)),
      bytes(b * planes(dims)),
      a,
      b,
      dims,
      STREAM,
    ],
  ),
  tt_vsa_permute: row(
    (d) => ({ rows: small(d), dims: d.between(1, 200), shift: d.between(-300, 300) }),
    ({ rows, dims, shift }) => [
      bytes(rows * planes(dims)),
      bytes(rows * planes(dims)),
      rows,
      dims,
      shift,
      STREAM,
    ],
  ),
  tt_adamw: row(
    (d) => ({ n: count(d), has: flag(d), dtype: compute(d) }),
    ({ n, has, dtype }) => [
      of(dtype, n),
      has ? floats(n) : 0,
      floats(n),
      floats(n),
      floats(n),
      n,
      ...rates,
      dtype,
      STREAM,
    ],
  ),
  tt_adamw_list: row(
    (d) => ({ n: count(d), has: flag(d), dtype: compute(d), count: 1, decay: flag(d) }),
    (s) => [
      {
        host: 'i64',
        values: [
          of(s.dtype, s.n),
          s.has ? floats(s.n) : 0,
          floats(s.n),
          floats(s.n),
          floats(s.n),
          s.n,
          s.dtype,
          s.decay,
        ],
      },
      s.count,
      ...rates,
      STREAM,
    ],
  ),
  tt_adamw_8bit: row(
    (d) => ({ n: count(d), has: flag(d), dtype: compute(d), count: 1, decay: flag(d) }),
    (s) => {
      const absmax = floats(blocks(s.n, 256))
      return [
        {
          host: 'i64',
          values: [
            of(s.dtype, s.n),
            s.has ? floats(s.n) : 0,
            bytes(s.n),
            bytes(s.n),
            absmax,
            absmax,
            floats(s.n),
            s.n,
            s.dtype,
            s.decay,
          ],
        },
        s.count,
        ...rates,
        STREAM,
      ]
    },
  ),
  tt_sample: row(
    (d) => ({
      rows: d.between(0, 4),
      vocab: d.between(1, 200),
      history: d.int(9),
      k: d.pick([0, 5]),
      dtype: compute(d),
    }),
    ({ rows, vocab, history, k, dtype }) => [
      ids(rows, 1),
      of(dtype, rows * vocab),
      ids(history, vocab),
      rng(),
      rows,
      vocab,
      history,
      0.7,
      k,
      0.9,
      1.3,
      dtype,
      STREAM,
    ],
  ),
}

function planes(dims: number): number {
  return 8 * Math.ceil(dims / 32)
}

/** Functions that take no sizes of buffers, with the reason. */
export const NO_NATIVE_ROWS: Readonly<Record<string, string>> = {
  tt_abi_version: 'no arguments',
  tt_last_error: 'no arguments',
  tt_symbols: 'no arguments',
  tt_build_info: 'no arguments',
  tt_devices: 'no arguments',
  tt_init: 'numbers only: tests/native/arguments.test.ts',
  tt_option_set: 'names only: tests/native/arguments.test.ts',
  tt_options: 'no arguments',
  tt_synchronize: 'a stream',
  tt_time_start: 'a stream',
  tt_time_stop: 'one number: tests/native/arguments.test.ts',
  tt_alloc: 'makes buffers: tests/native/arguments.test.ts',
  tt_free: 'looks its argument up: tests/native/memory.test.ts',
  tt_memory_stats: 'four numbers: tests/native/arguments.test.ts',
  tt_memory_reset_peak: 'no arguments',
  tt_memory_trim: 'no arguments',
  tt_file_map: 'a path: tests/native/memory.test.ts',
  tt_file_unmap: 'what tt_file_map gave: tests/native/memory.test.ts',
  tt_bench_peak: 'a calibrator: tests/native/peak.test.ts',
}
