// Row kernels: norms, softmax, rotary positions. Each works on `rows` consecutive rows; norm.cpp splits the work.
#pragma once
#include "../runtime/ranges.h"

namespace tt {

/// Pointers of one piece. A null mean means RMSNorm; b may be null.
struct NormForward {
  void *y, *h_out;
  float *mean, *rstd;
  const void *x, *residual, *w, *b;
  bool stream;  // y is written past the caches
};
struct NormBackward {
  void* dx;
  float *dw, *db;  // partial sums of this piece, written; or null
  const void *dy, *dh, *h, *w;
  const float *mean, *rstd;
};
TT_KERNEL_BF16(void, norm_forward_rows, const NormForward& io, size_t rows, size_t cols, float eps, tt_dtype dtype)
TT_KERNEL_BF16(void, norm_backward_rows, const NormBackward& io, size_t rows, size_t cols, tt_dtype dtype)

/// out[i] += Σ partials[p·stride + i], in the order of p.
TT_KERNEL_BF16(void, add_partials, float* out, const float* partials, size_t count, size_t stride, size_t n)

TT_KERNEL_BF16(void, softmax_forward_rows, void* y, const void* x, size_t rows, size_t cols, tt_dtype dtype)
TT_KERNEL_BF16(void, softmax_backward_rows, void* dx, const void* dy, const void* y, size_t rows, size_t cols, tt_dtype dtype)

struct Rope { const float *cos, *sin; int heads, head_dim, rotary_dim; bool inverse; };
TT_KERNEL_BF16(void, rope_tokens, void* y, const void* x, const int32_t* positions, size_t tokens, const Rope& rope, tt_dtype dtype)

}  // namespace tt
