// Kernels of adamw.cpp.
#pragma once
#include "../runtime/ranges.h"

namespace tt {

/// p −= …, see tt_adamw.
struct AdamW { float lr, beta1, beta2, eps, weight_decay, bias1, bias2, grad_scale; };
TT_KERNEL(void, adamw_range, void* w, float* master, float* m, float* v, const float* grad, size_t n, const AdamW& settings, tt_dtype w_dtype)

constexpr size_t ADAMW_BLOCK = 256;
/// The same with 8-bit moments, an absmax for each block; all pointers are those of the first block.
struct AdamW8bit {
  void* w;
  float* master;  // or NULL
  uint8_t *m, *v;
  float *m_absmax, *v_absmax;
  const float* grad;
  size_t n;
  tt_dtype w_dtype;
};
TT_KERNEL(void, adamw_8bit_blocks, const AdamW8bit& io, const AdamW& settings)

}  // namespace tt
