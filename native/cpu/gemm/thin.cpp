// add_thin_gradient: divides the rows, adds the partial sums.
#include "thin.h"

#include "gemm.h"

namespace tt {

constexpr int MIN_ROWS = 256, MAX_PARTS = 16;  // of one partial sum; the number of them bounds the scratch
constexpr int REDUCE_COLUMNS = 64;

int thin_limit(tt_dtype dtype) { return on_amx() && dtype == TT_BF16 ? 32 : 64; }

tt_status add_thin_gradient(float* dw, bool transposed, const float* t, int rank, const void* x, tt_dtype dtype, int n, int rows, float factor,
                            const DropoutMask* mask) {
  const int even = (rows + MAX_PARTS - 1) / MAX_PARTS, step = even > MIN_ROWS ? even : MIN_ROWS, parts = (rows + step - 1) / step;
  const size_t stride = size_t(thin_ranks(rank)) * thin_columns(n);
  float* partial = static_cast<float*>(shared_scratch(SLOT_PACKED_B, uint64_t(parts) * thin_ranks(rank) * thin_columns(n) * sizeof(float)));
  const size_t masked = mask ? size_t(thin_masked_rows(n)) * n * dtype_bytes(dtype) : 0, packed = size_t(step + 32) * THIN_SCRATCH;
  bool enough = partial != nullptr;
  for (int thread = 0; thread < thread_count(); thread++) enough = enough && thread_scratch(thread, SLOT_PACKED_A, masked > packed ? masked : packed);
  if (!enough) return fail(TT_OUT_OF_MEMORY, "no memory for the partial sums of a LoRA gradient");
  const bool tiles = on_amx() && dtype == TT_BF16;
  parallel(size_t(parts), [&](size_t i, int thread) {
    const int row = int(i) * step;
    const ThinPart part = {t + size_t(row) * rank, rank, static_cast<const char*>(x) + size_t(row) * n * dtype_bytes(dtype), dtype, n,
                           rows - row < step ? rows - row : step, partial + i * stride, thread_scratch(thread, SLOT_PACKED_A, 0), mask, size_t(row) * n};
    if (on_amx() && tiles) amx::thin_partial(part);
    else TT_DISPATCH(thin_partial, part);
  });
  const ThinLayout layout = tiles ? ThinLayout{size_t(thin_ranks(rank)) * 16, 16} : ThinLayout{16, size_t(thin_columns(n))};
  const ThinReduce reduce = {dw, transposed, partial, stride, parts, rank, n, layout, factor};
  parallel(size_t(n + REDUCE_COLUMNS - 1) / REDUCE_COLUMNS, [&](size_t i, int) {
    const int first = int(i) * REDUCE_COLUMNS, last = first + REDUCE_COLUMNS < n ? first + REDUCE_COLUMNS : n;
    TT_DISPATCH(thin_reduce, reduce, first, last);
  });
  return TT_OK;
}

}  // namespace tt
