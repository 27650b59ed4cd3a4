// Reduction kernels; reduce.cpp splits the work into blocks whose borders do not depend on the thread count.
#pragma once
#include "../runtime/internal.h"

namespace tt {

TT_KERNEL(double, sum_squares_block, const void* x, size_t n, tt_dtype dtype)
/// Index of the first NaN or Inf, or n.
TT_KERNEL(size_t, find_nonfinite_block, const void* x, size_t n, tt_dtype dtype)
/// Sum (f32 accumulation) or maximum of a contiguous block.
TT_KERNEL(float, reduce_contiguous, const void* x, size_t n, int op, tt_dtype dtype)
/// out[j] = Σ or max over i of x[i·stride + j], j < width.
TT_KERNEL(void, reduce_columns, float* out, const void* x, size_t n, size_t stride, size_t width, int op, tt_dtype dtype)

}  // namespace tt
