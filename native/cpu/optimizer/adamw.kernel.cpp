// AdamW (Loshchilov & Hutter, arXiv:1711.05101) in one pass over w, m, v and the gradient, in the order of torch.optim.AdamW.
#include "adamw.h"

#include "../quantize/codes.h"

namespace tt::TT_ISA {

/// 1 − β for a β that was written with at most 7 decimals. From the float nearest to 0.999 alone, 1 − β would be wrong by
/// 1e-5 of itself, and the second moment with it.
static float complement(float beta) { return float(1.0 - __builtin_round(double(beta) * 1e7) / 1e7); }

struct Update {
  vf decay, step, unbias, keep1, new1, keep2, new2;
  float eps, grad_scale;
  explicit Update(const AdamW& s)
      : decay(set1(float(1.0 - double(s.lr) * double(s.weight_decay)))),
        step(set1(float(double(s.lr) / double(s.bias1)))),
        unbias(set1(float(1.0 / __builtin_sqrt(double(s.bias2))))),
        keep1(set1(s.beta1)),
        new1(set1(complement(s.beta1))),
        keep2(set1(s.beta2)),
        new2(set1(complement(s.beta2))),
        eps(s.eps),
        grad_scale(s.grad_scale) {}
  void operator()(vf& p, vf& first, vf& second, vf g) const {
    g *= grad_scale;
    first = first * keep1 + g * new1;
    second = second * keep2 + g * g * new2;
    p = p * decay - step * first / (sqrt_v(second) * unbias + eps);
  }
};

template <class T> static void adamw(T* w, float* master, float* m, float* v, const float* grad, size_t n, const AdamW& s) {
  const Update update(s);
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

// ---- 8-bit moments ------------------------------------------------------------------------------------------------

/// One block of at most ADAMW_BLOCK elements: decode, update, find the new absmax, encode.
template <class T> static void adamw_block(T* w, float* master, uint8_t* m8, uint8_t* v8, float* m_absmax, float* v_absmax, const float* grad, size_t n, const Update& update) {
  float m[ADAMW_BLOCK], v[ADAMW_BLOCK];
  vf m_most{}, v_most{};
  for (size_t i = 0; i < n; i += W) {
    const size_t count = n - i < W ? n - i : W;
    const bool full = count == W;
    vf g = full ? load(grad + i) : load_n(grad + i, count);
    vf p = master ? full ? load(master + i) : load_n(master + i, count) : full ? load(w + i) : load_n(w + i, count);
    vf first = gather(SIGNED_MAP.value, full ? load_codes(m8 + i) : load_codes_n(m8 + i, count)) * *m_absmax;
    vf second = gather(UNSIGNED_MAP.value, full ? load_codes(v8 + i) : load_codes_n(v8 + i, count)) * *v_absmax;
    vf new_p = p, new_first = first, new_second = second;
    update(new_p, new_first, new_second, g);
    const vi usable = g - g == 0;
    p = usable ? new_p : p;
    first = usable ? new_first : first;
    second = usable ? new_second : second;
    if (!full) {
      // Lanes past the end decoded code 0, which is not 0 in the signed map.
      first = lanes() < int32_t(count) ? first : vf{};
      second = lanes() < int32_t(count) ? second : vf{};
    }
    if (full) {
      if (master) store(master + i, p);
      store(w + i, p);
    } else {
      if (master) store_n(master + i, p, count);
      store_n(w + i, p, count);
    }
    store(m + i, first);
    store(v + i, second);
    m_most = max_or_second(abs_v(first), m_most);
    v_most = max_or_second(abs_v(second), v_most);
  }
  *m_absmax = max_lanes_finite(m_most);
  *v_absmax = max_lanes_finite(v_most);
  for (size_t i = 0; i < n; i += W) {
    const size_t count = n - i < W ? n - i : W;
    const vf first = load(m + i);
    vi code = nearest<true>(first / *m_absmax);
    // A negative moment stays negative, as in bitsandbytes.
    code += (first < 0) & (code >= SIGNED_ZERO);
    store_codes(m8 + i, code, count);
    store_codes(v8 + i, nearest<false>(load(v + i) / *v_absmax), count);
  }
}

void adamw_8bit_blocks(const AdamW8bit& io, const AdamW& settings) {
  const Update update(settings);
  for (size_t first = 0, block = 0; first < io.n; first += ADAMW_BLOCK, block++) {
    const size_t count = io.n - first < ADAMW_BLOCK ? io.n - first : ADAMW_BLOCK;
    TT_BY_DTYPE(io.w_dtype, T, adamw_block(static_cast<T*>(io.w) + first, io.master ? io.master + first : nullptr, io.m + first, io.v + first,
                                           io.m_absmax + block, io.v_absmax + block, io.grad + first, count, update));
  }
}

}  // namespace tt::TT_ISA
