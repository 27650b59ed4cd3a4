// Linear layers: the parts that layers with a plain and with a packed weight share, and the kernels of linear.cpp.
#pragma once
#include "../gemm/gemm.h"
#include "../runtime/philox.h"

namespace tt {

struct Linear {
  int rows, in, out, rank;
  float scale;
  tt_dtype dtype;
  const uint32_t* rng;
  float p;
  bool dropout() const { return rank > 0 && p > 0; }
  /// What kept elements are multiplied by.
  float keep_scale() const { return dropout() ? float(1 / (1 - double(p))) : 1; }
  DropoutMask mask() const { return {rng, dropout_threshold(p)}; }
};
tt_status check_linear(const char* name, const Linear& l, const void* lora_a, const void* lora_b);

/// xa = drop(x)·lora_aᵀ
tt_status lora_down(float* xa, const Linear& l, const void* x, const float* lora_a);
/// t = dy·lora_b, the gradient of scale·t with respect to xa.
tt_status lora_up_gradient(float* t, const Linear& l, const void* dy, const float* lora_b);
/// dx += scale·t·lora_a ∘ mask, for layers with dropout.
tt_status add_masked_update(void* dx, const Linear& l, const float* t, const float* lora_a);

struct LinearGradients { float *dbias, *dlora_a, *dlora_b; };
/// Adds to those that are not null. t (rows,rank) from lora_up_gradient for dlora_a, xa for dlora_b.
tt_status linear_parameter_gradients(const LinearGradients& to, const Linear& l, const void* dy, const void* x, const float* xa, const float* t);

/// out[j] += Σ over rows of x[:, j], for columns first ≤ j < last.
TT_KERNEL(void, add_column_sums, float* out, const void* x, int rows, int cols, int first, int last, tt_dtype dtype)

}  // namespace tt
