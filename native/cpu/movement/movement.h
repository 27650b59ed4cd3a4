// Kernels that move rows and strided blocks.
#pragma once
#include "../runtime/internal.h"

namespace tt {

/// y[i·y_step] (+)= x[i·x_step] for one line of a strided copy.
struct Line { int64_t y_step, x_step; };
TT_KERNEL(void, copy_line, void* y, const void* x, size_t n, Line steps, bool accumulate, tt_dtype dtype)
/// rows × cols block where x is contiguous along the rows and y along the columns: y[c + r·y_step] = x[r + c·x_step].
TT_KERNEL(void, transpose_block, void* y, const void* x, size_t rows, size_t cols, int64_t y_step, int64_t x_step, size_t element_bytes)
/// table[index[i]·stride … + cols) += rows of dy, in order.
TT_KERNEL(void, scatter_columns, float* table, const void* dy, const int32_t* index, size_t rows, size_t cols, size_t stride, tt_dtype dtype)

}  // namespace tt
