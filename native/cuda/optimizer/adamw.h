// What the AdamW kernels share: the settings of a step and its arithmetic (Loshchilov & Hutter, arXiv 1711.05101, in the order of
// torch.optim.AdamW), and the tables of parameters.
#pragma once
#include "../elementwise/flat.h"

namespace tt {

/// The arguments of a step, as the functions get them.
struct AdamWArguments {
  float lr, beta1, beta2, eps, weight_decay, bias1, bias2, grad_scale;
};

struct AdamWStep {
  float decay, step, unbias, keep1, new1, keep2, new2, eps, grad_scale;

  /// One element. Every rounding is written out: the same bits in whatever kernel this is inlined.
  TT_GPU void operator()(float& p, float& first, float& second, float grad, bool decays) const {
    const float g = __fmul_rn(grad, grad_scale);
    first = fmaf(g, new1, __fmul_rn(first, keep1));
    second = fmaf(__fmul_rn(g, g), new2, __fmul_rn(second, keep2));
    const float change = __fdiv_rn(__fmul_rn(step, first), fmaf(__fsqrt_rn(second), unbias, eps));
    p = __fsub_rn(decays ? __fmul_rn(p, decay) : p, change);
  }
};

/// 1 − β for a β that was written with at most 7 decimals. From the float nearest to 0.999 alone, 1 − β would be wrong by
/// 1e-5 of itself, and the second moment with it.
inline float complement(float beta) { return float(1.0 - round(double(beta) * 1e7) / 1e7); }

inline AdamWStep adamw_step(const AdamWArguments& s) {
  return {float(1.0 - double(s.lr) * double(s.weight_decay)),
          float(double(s.lr) / double(s.bias1)),
          float(1.0 / sqrt(double(s.bias2))),
          s.beta1,
          complement(s.beta1),
          s.beta2,
          complement(s.beta2),
          s.eps,
          s.grad_scale};
}

inline tt_status check_adamw(const char* name, const AdamWArguments& s) {
  TT_REQUIRE(s.beta1 >= 0 && s.beta1 < 1, "%s: beta1 must be in 0..1, got %g", name, double(s.beta1));
  TT_REQUIRE(s.beta2 >= 0 && s.beta2 < 1, "%s: beta2 must be in 0..1, got %g", name, double(s.beta2));
  TT_REQUIRE(s.bias1 > 0 && s.bias1 <= 1, "%s: bias1 must be in 0..1, got %g", name, double(s.bias1));
  TT_REQUIRE(s.bias2 > 0 && s.bias2 <= 1, "%s: bias2 must be in 0..1, got %g", name, double(s.bias2));
  return TT_OK;
}

/// One row of a caller's table: pointers, of which only the second (master) may be null, then n, w_dtype, decay.
struct AdamWEntry {
  const int64_t* field;
  int pointers;
  size_t n() const { return size_t(field[pointers]); }
  bool is_bf16() const { return field[pointers + 1] == TT_BF16; }
  bool decays() const { return field[pointers + 2] != 0; }
  template <class T> T* at(int column) const { return reinterpret_cast<T*>(field[column]); }
};

inline tt_status check_entry(const char* name, int32_t index, const AdamWEntry& e, const char* const* columns) {
  const tt_dtype w_dtype = tt_dtype(e.field[e.pointers + 1]);
  TT_REQUIRE(e.field[e.pointers] >= 0, "%s: n of entry %d must not be negative, got %lld", name, index, static_cast<long long>(e.field[e.pointers]));
  TT_REQUIRE_HOLD(name, e.n());
  TT_REQUIRE(e.field[e.pointers + 1] == w_dtype && is_compute_dtype(w_dtype), "%s: w_dtype of entry %d must be f32 (0) or bf16 (1), got %d", name, index, w_dtype);
  for (int column = 0; column < e.pointers && e.n() > 0; column++)
    TT_REQUIRE(column == 1 || e.field[column], "%s: %s of entry %d is null", name, columns[column], index);
  return TT_OK;
}

/// Some parameters for one launch: kernels get them by value, so there are as many as fit 4 KB.
template <class Parameter, int MOST> struct AdamWBatch {
  static constexpr int most = MOST;
  int count = 0;
  unsigned blocks = 0;
  Parameter parameters[MOST];

  /// The parameter that a block works on, and the block's number there.
  TT_GPU int find(unsigned block, unsigned* within) const {
    int low = 0, high = count - 1;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (block < parameters[middle].end_block) high = middle;
      else low = middle + 1;
    }
    *within = block - (low ? parameters[low - 1].end_block : 0);
    return low;
  }
};

/// Deals the table out to batches: parameter_of(entry) for each with elements, `per_block` of them to a block, launch(batch) when
/// one is full and at the end.
template <class Batch, class ParameterOf, class Launch>
inline void for_batches(const int64_t* table, int32_t count, int pointers, size_t per_block, const ParameterOf& parameter_of, const Launch& launch) {
  Batch batch;
  for (int32_t i = 0; i < count; i++) {
    const AdamWEntry entry = {table + size_t(i) * size_t(pointers + 3), pointers};
    if (entry.n() == 0) continue;
    batch.blocks += unsigned((entry.n() + per_block - 1) / per_block);
    batch.parameters[batch.count] = parameter_of(entry);
    batch.parameters[batch.count++].end_block = batch.blocks;
    if (batch.count < Batch::most) continue;
    launch(batch);
    batch.count = 0;
    batch.blocks = 0;
  }
  if (batch.count > 0) launch(batch);
}

}  // namespace tt
