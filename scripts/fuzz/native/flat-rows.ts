/**
 * Rows of memory, elementwise functions, reductions and movement.
 */
import { type NativeRow, STREAM, bytes, floats, ids, of, rng } from './row.ts'
import {
  compute,
  count,
  small,
  flag,
  row,
  flat,
  walked,
  dimsOf,
  elementsOf,
  dimSizes,
  host,
  normSizes,
} from './sizes.ts'

export const FLAT_ROWS: Readonly<Record<string, NativeRow>> = {
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
}
