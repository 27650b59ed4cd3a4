/**
 * strided_copy and embedding on a native library.
 */
import {
  DTYPES,
  embeddingBackward,
  embeddingForward,
  implement,
  type OpImplementation,
  packDims,
  stridedCopyOp,
} from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/checked-functions.ts'
import { at, dtypeOf, NO_STREAM } from './_arguments.ts'

export function movementOps(native: CheckedFunctions): readonly OpImplementation[] {
  return [
    implement(stridedCopyOp, {
      run({ x }, { y }, { dims, yOffset, xOffset, accumulate }) {
        const { bytes } = DTYPES[x.dtype]
        native.tt_strided_copy(
          at(y) + yOffset * bytes,
          at(x) + xOffset * bytes,
          packDims(dims),
          dims.length,
          Number(accumulate),
          dtypeOf(x),
          NO_STREAM,
        )
      },
    }),
    implement(embeddingForward, {
      run({ table, ids }, { y }) {
        const [rows, channels] = table.shape
        native.tt_gather_rows(at(y), at(table), at(ids), ids.size, channels, rows, dtypeOf(table), NO_STREAM)
      },
    }),
    implement(embeddingBackward, {
      run({ dy, ids }, { dtable }) {
        const [rows, channels] = dtable.shape
        native.tt_scatter_add_rows(
          at(dtable),
          at(dy),
          at(ids),
          ids.size,
          channels,
          rows,
          dtypeOf(dy),
          NO_STREAM,
        )
      },
    }),
  ]
}
