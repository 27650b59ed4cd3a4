/**
 * Rows of products, norms, positions and attention.
 */
import { type NativeRow, STREAM, floats, ids, of, offsets, rng } from './row.ts'
import { compute, small, flag, row, normSizes, linearSizes, attentionSizes, attentionTail } from './sizes.ts'

export const LAYER_ROWS: Readonly<Record<string, NativeRow>> = {
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
}
