// Softcap, log-softmax, loss and gradient of one row of logits. The row fits L2, so three passes over it cost little.
#include "../cross_entropy.h"

#include <math.h>

#include "simd.h"

namespace tt {
namespace TT_ISA {
namespace {

constexpr int GROUP = 64 * LANES;  // sums are made in two levels, so that the error does not grow with the vocabulary

/// Softcaps in place, and the largest value.
float cap_and_max(const CrossEntropyRow& row) {
  V best = set1(-INFINITY), cap = set1(row.softcap), inverse = set1(1 / row.softcap);
  for (int i = 0; i < row.vocab; i += LANES) {
    int n = row.vocab - i < LANES ? row.vocab - i : LANES;
    V z = load_n(row.logits + i, n);
    if (row.softcap > 0) {
      z = mul(cap, tanh(mul(z, inverse)));
      store_n(row.logits + i, z, n);
    }
    best = max(best, keep_n(z, set1(-INFINITY), n));
  }
  return largest(best);
}

/// Σ exp(z − shift); the exponentials replace the row when `keep`.
float sum_exp(const CrossEntropyRow& row, float shift, bool keep) {
  V total = zero(), s = set1(shift);
  for (int group = 0; group < row.vocab; group += GROUP) {
    V part = zero();
    int end = row.vocab - group < GROUP ? row.vocab : group + GROUP;
    for (int i = group; i < end; i += LANES) {
      int n = end - i < LANES ? end - i : LANES;
      V e = exp(sub(load_n(row.logits + i, n), s));
      if (keep) store_n(row.logits + i, e, n);
      part = add(part, keep_n(e, zero(), n));
    }
    total = add(total, part);
  }
  return sum(total);
}

/// In place from front to back: a bf16 row is written behind the values still to be read.
template <class T> void gradient(const CrossEntropyRow& row, float shift, float inverse_sum) {
  T* out = reinterpret_cast<T*>(row.logits);
  V factor = set1(row.scale * inverse_sum), s = set1(shift), inverse_cap = set1(1 / row.softcap), one = set1(1);
  const float z_target = row.logits[row.target];  // with softcap; else its exponential
  for (int i = 0; i < row.vocab; i += LANES) {
    int n = row.vocab - i < LANES ? row.vocab - i : LANES;
    V x = load_n(row.logits + i, n);
    if (row.softcap > 0) {
      V ratio = mul(x, inverse_cap);
      x = mul(exp(sub(x, s)), sub(one, mul(ratio, ratio)));
    }
    store_any_n(out + i, mul(x, factor), n);
  }
  // The target's p − 1, computed apart: rounding p first would lose what is left when p is close to 1.
  float ratio = row.softcap > 0 ? z_target / row.softcap : 0;
  float p = (row.softcap > 0 ? expf(z_target - shift) : z_target) * inverse_sum;
  store_any_n(out + row.target, set1(row.scale * (p - 1) * (1 - ratio * ratio)), 1);
}

}  // namespace

float cross_entropy_row(const CrossEntropyRow& row) {
  float shift = cap_and_max(row);
  float z_target = row.logits[row.target];
  float total = sum_exp(row, shift, row.gradient && !(row.softcap > 0));
  if (row.gradient) {
    if (row.dtype == TT_F32) gradient<float>(row, shift, 1 / total);
    else gradient<uint16_t>(row, shift, 1 / total);
  }
  return logf(total) + (shift - z_target);
}

void narrow_row(void* dst, const float* src, int n, tt_dtype dtype) {
  for (int i = 0; i < n; i += LANES) {
    int lanes = n - i < LANES ? n - i : LANES;
    V x = load_n(src + i, lanes);
    if (dtype == TT_F32) store_n(static_cast<float*>(dst) + i, x, lanes);
    else store_bf16_n(static_cast<uint16_t*>(dst) + i, x, lanes);
  }
}

}  // namespace TT_ISA
}  // namespace tt
