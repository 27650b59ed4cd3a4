// Softcap, log-softmax, loss and gradient of one row of logits.
//
// The row is read from memory once, in groups that fit L1: the exponentials of a group are taken relative to the largest
// value so far, which is remembered, and put right when the gradient is written from L2.
#include "cross_entropy.h"

#include <math.h>

#include "../vectors/simd.h"

namespace tt {
namespace TT_ISA {
namespace {

constexpr int MAX_GROUPS = 1024;

struct Softmax {
  float top, total;         // Σ exp(z − top)
  int group;                // elements
  float shift[MAX_GROUPS];  // what the exponentials of each group are relative to
};

int smaller(int a, int b) { return a < b ? a : b; }

/// Softcaps [first, last) in place, and the largest value.
float cap_and_max(const CrossEntropyRow& row, int first, int last) {
  V best = set1(-INFINITY), cap = set1(row.softcap), inverse = set1(1 / row.softcap);
  for (int i = first; i < last; i += LANES) {
    const int n = smaller(last - i, LANES);
    V z = load_n(row.logits + i, n);
    if (row.softcap > 0) {
      z = mul(cap, tanh(mul(z, inverse)));
      store_n(row.logits + i, z, n);
    }
    best = max(best, keep_n(z, set1(-INFINITY), n));
  }
  return largest(best);
}

/// Σ exp(z − shift) over [first, last); the exponentials replace the values when `keep`.
float sum_exp(const CrossEntropyRow& row, int first, int last, float shift, bool keep) {
  V total[2] = {zero(), zero()}, s = set1(shift);
  int i = first;
  for (; i + 2 * LANES <= last; i += 2 * LANES) {
    V a = exp(sub(load(row.logits + i), s)), b = exp(sub(load(row.logits + i + LANES), s));
    if (keep) {
      store(row.logits + i, a);
      store(row.logits + i + LANES, b);
    }
    total[0] = add(total[0], a);
    total[1] = add(total[1], b);
  }
  for (; i < last; i += LANES) {
    const int n = smaller(last - i, LANES);
    V e = exp(sub(load_n(row.logits + i, n), s));
    if (keep) store_n(row.logits + i, e, n);
    total[0] = add(total[0], keep_n(e, zero(), n));
  }
  return sum(add(total[0], total[1]));
}

void softmax(Softmax& out, const CrossEntropyRow& row, bool keep) {
  const int even = (row.vocab + MAX_GROUPS - 1) / MAX_GROUPS, least = 64 * LANES;
  out.group = even > least ? (even + LANES - 1) / LANES * LANES : least;
  out.top = -INFINITY;
  out.total = 0;
  for (int first = 0, g = 0; first < row.vocab; first += out.group, g++) {
    const int last = smaller(first + out.group, row.vocab);
    const float top = cap_and_max(row, first, last);
    // Written so that a NaN top is taken over.
    if (!(top <= out.top)) {
      if (out.total > 0) out.total *= expf(out.top - top);
      out.top = top;
    }
    out.shift[g] = out.top;
    out.total += sum_exp(row, first, last, out.top, keep);
  }
}

/// In place from front to back: a bf16 row is written behind the values still to be read.
template <class T> void gradient(const CrossEntropyRow& row, const Softmax& s, float p_target, float slope_target) {
  T* out = reinterpret_cast<T*>(row.logits);
  const float scale = row.scale / s.total;
  for (int first = 0, g = 0; first < row.vocab; first += s.group, g++) {
    const int last = smaller(first + s.group, row.vocab);
    if (row.softcap > 0) {
      V factor = set1(scale), top = set1(s.top), inverse_cap = set1(1 / row.softcap), one = set1(1);
      for (int i = first; i < last; i += LANES) {
        const int n = smaller(last - i, LANES);
        V z = load_n(row.logits + i, n), ratio = mul(z, inverse_cap);
        store_any_n(out + i, mul(mul(exp(sub(z, top)), sub(one, mul(ratio, ratio))), factor), n);
      }
    } else {
      V factor = set1(scale * expf(s.shift[g] - s.top));
      for (int i = first; i < last; i += LANES) {
        const int n = smaller(last - i, LANES);
        store_any_n(out + i, mul(load_n(row.logits + i, n), factor), n);
      }
    }
  }
  // The target's p − 1, computed apart: rounding p first would lose what is left when p is close to 1.
  store_any_n(out + row.target, set1(row.scale * (p_target - 1) * slope_target), 1);
}

}  // namespace

float cross_entropy_row(const CrossEntropyRow& row) {
  const float raw_target = row.logits[row.target];
  const float ratio = row.softcap > 0 ? tanhf(raw_target / row.softcap) : 0;
  const float z_target = row.softcap > 0 ? row.softcap * ratio : raw_target;
  Softmax s;
  softmax(s, row, row.gradient && !(row.softcap > 0));
  if (row.gradient) {
    const float p_target = expf(z_target - s.top) / s.total, slope = 1 - ratio * ratio;
    row.dtype == TT_F32 ? gradient<float>(row, s, p_target, slope) : gradient<uint16_t>(row, s, p_target, slope);
  }
  return logf(s.total) + (s.top - z_target);
}

void narrow_row(void* dst, const float* src, int n, tt_dtype dtype) {
  for (int i = 0; i < n; i += LANES) {
    const int lanes = smaller(n - i, LANES);
    V x = load_n(src + i, lanes);
    if (dtype == TT_F32) store_n(static_cast<float*>(dst) + i, x, lanes);
    else store_bf16_n(static_cast<uint16_t*>(dst) + i, x, lanes);
  }
}

}  // namespace TT_ISA
}  // namespace tt
