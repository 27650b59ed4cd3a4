// The elementwise kernels, one contiguous range each; elementwise.cpp checks the arguments and splits the work.
#pragma once
#include "../runtime/ranges.h"

namespace tt {

TT_KERNEL(void, cast_range, void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype)
TT_KERNEL(void, fill_range, void* y, size_t n, float value, tt_dtype dtype, bool past_caches)
TT_KERNEL(void, affine_range, void* y, const void* x, size_t n, float scale, float shift, tt_dtype dtype)
TT_KERNEL(void, add_to_range, void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype)
TT_KERNEL_BF16(void, unary_forward_range, void* y, const void* x, size_t n, int op, tt_dtype dtype)
TT_KERNEL_BF16(void, unary_backward_range, void* dx, const void* dy, const void* x, size_t n, int op, tt_dtype dtype)
/// Step 0 repeats the element, 1 walks.
TT_KERNEL(void, binary_range, void* y, const void* a, const void* b, size_t n, int64_t a_step, int64_t b_step, int op, tt_dtype dtype)

enum Gate { GATE_SILU, GATE_GELU_ERF, GATE_GELU_TANH };
TT_KERNEL_BF16(void, gated_forward_range, void* h, const void* gate, const void* up, size_t n, int kind, bool past, tt_dtype dtype)
TT_KERNEL_BF16(void, gated_backward_range, void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n, int kind, bool past, tt_dtype dtype)

/// `first`: index of the range's first element in the whole tensor.
TT_KERNEL_BF16(void, dropout_range, void* y, const void* x, const uint32_t* rng, size_t first, size_t n, float p, tt_dtype dtype)

}  // namespace tt
