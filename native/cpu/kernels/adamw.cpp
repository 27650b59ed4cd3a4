// AdamW (Loshchilov & Hutter, arXiv:1711.05101) in one pass over w, m, v and the gradient, in the order of torch.optim.AdamW.
#include "../elementwise.h"
#include "vectors.h"

namespace tt::TT_ISA {

/// 1 − β for a β that was written with at most 7 decimals. From the float nearest to 0.999 alone, 1 − β would be wrong by
/// 1e-5 of itself, and the second moment with it.
static float complement(float beta) { return float(1.0 - __builtin_round(double(beta) * 1e7) / 1e7); }

template <class T> static void adamw(T* w, float* master, float* m, float* v, const float* grad, size_t n, const AdamW& s) {
  const vf decay = set1(float(1.0 - double(s.lr) * double(s.weight_decay)));
  const vf step = set1(float(double(s.lr) / double(s.bias1)));
  const vf unbias = set1(float(1.0 / __builtin_sqrt(double(s.bias2))));
  const vf keep1 = set1(s.beta1), new1 = set1(complement(s.beta1));
  const vf keep2 = set1(s.beta2), new2 = set1(complement(s.beta2));
  auto update = [&](vf& p, vf& first, vf& second, vf g) {
    g *= s.grad_scale;
    first = first * keep1 + g * new1;
    second = second * keep2 + g * g * new2;
    p = p * decay - step * first / (sqrt_v(second) * unbias + s.eps);
  };
  size_t i = 0;
  for (; i + W <= n; i += W) {
    vf p = master ? load(master + i) : load(w + i), a = load(m + i), b = load(v + i);
    update(p, a, b, load(grad + i));
    if (master) store(master + i, p);
    store(w + i, p);
    store(m + i, a);
    store(v + i, b);
  }
  if (i == n) return;
  size_t rest = n - i;
  vf p = master ? load_n(master + i, rest) : load_n(w + i, rest), a = load_n(m + i, rest), b = load_n(v + i, rest);
  update(p, a, b, load_n(grad + i, rest));
  if (master) store_n(master + i, p, rest);
  store_n(w + i, p, rest);
  store_n(m + i, a, rest);
  store_n(v + i, b, rest);
}

void adamw_range(void* w, float* master, float* m, float* v, const float* grad, size_t n, const AdamW& settings, tt_dtype w_dtype) {
  TT_BY_DTYPE(w_dtype, T, adamw(static_cast<T*>(w), master, m, v, grad, n, settings));
}

}  // namespace tt::TT_ISA
