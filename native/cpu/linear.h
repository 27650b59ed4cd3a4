// Kernels of linear.cpp.
#pragma once
#include "gemm.h"

namespace tt {

/// dst = src where the dropout mask keeps the element, else 0 (not scaled); `first` is the index of src[0] in the mask.
TT_KERNEL(void, apply_mask, void* dst, const void* src, size_t n, size_t first, const uint32_t* rng, uint32_t threshold, tt_dtype dtype)
/// dst += src where the mask keeps the element.
TT_KERNEL(void, add_masked, void* dst, const float* src, size_t n, size_t first, const uint32_t* rng, uint32_t threshold, tt_dtype dtype)
/// out[j] += Σ over rows of x[:, j], for columns first ≤ j < last.
TT_KERNEL(void, add_column_sums, float* out, const void* x, int rows, int cols, int first, int last, tt_dtype dtype)

}  // namespace tt
