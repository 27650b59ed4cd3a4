// Casts, scale + shift, accumulation, and y = a op b on contiguous or repeated operands.
#include "elementwise.h"
#include "../vectors/vectors.h"

namespace tt::TT_ISA {

static inline vf load(const uint8_t* p) {
  typedef uint8_t vb __attribute__((vector_size(W)));
  return to_float(__builtin_convertvector(load_bits<vb>(p), vi));
}
static inline vf load(const int8_t* p) {
  typedef int8_t vb __attribute__((vector_size(W)));
  return to_float(__builtin_convertvector(load_bits<vb>(p), vi));
}

template <class Y, class X> static void convert(void* y, const void* x, size_t n) {
  auto* to = static_cast<Y*>(y);
  auto* from = static_cast<const X*>(x);
  size_t i = 0;
  for (; i + W <= n; i += W) store(to + i, load(from + i));
  if (i == n) return;
  X tail[W] = {};
  memcpy(tail, from + i, (n - i) * sizeof(X));
  store_n(to + i, load(tail), n - i);
}

template <class Y> static void convert_from(void* y, const void* x, size_t n, tt_dtype x_dtype) {
  switch (x_dtype) {
    case TT_F32: return convert<Y, float>(y, x, n);
    case TT_BF16: return convert<Y, bf16>(y, x, n);
    case TT_F16: return convert<Y, f16>(y, x, n);
    case TT_I32: return convert<Y, int32_t>(y, x, n);
    case TT_U8: return convert<Y, uint8_t>(y, x, n);
    default: return convert<Y, int8_t>(y, x, n);
  }
}

void cast_range(void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype) {
  switch (y_dtype) {
    case TT_F32: return convert_from<float>(y, x, n, x_dtype);
    case TT_BF16: return convert_from<bf16>(y, x, n, x_dtype);
    default: return convert_from<f16>(y, x, n, x_dtype);
  }
}

/// The same four bytes over and over: whole vectors of them may go past the caches.
static size_t fill_streamed(void* y, size_t bytes, float pattern) {
  auto* to = static_cast<float*>(y);
  if (!streamable(to)) return 0;
  size_t i = 0;
  for (; (i + W) * sizeof(float) <= bytes; i += W) stream(to + i, set1(pattern));
  stream_fence();
  return i * sizeof(float);
}

void fill_range(void* y, size_t n, float value, tt_dtype dtype, bool past_caches) {
  TT_BY_DTYPE(dtype, T, {
    T one[2];
    put(one, value);
    one[1] = one[0];
    float pattern;
    memcpy(&pattern, one, sizeof pattern);
    auto* to = static_cast<T*>(y);
    const size_t done = past_caches ? fill_streamed(to, n * sizeof(T), pattern) / sizeof(T) : 0;
    for (size_t i = done; i < n; i++) to[i] = one[0];
  });
}

void affine_range(void* y, const void* x, size_t n, float scale, float shift, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, map(static_cast<T*>(y), static_cast<const T*>(x), n, [=](vf v) { return v * scale + shift; }));
}

void add_to_range(void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype) {
  TT_BY_DTYPE(y_dtype, Y, {
    auto* to = static_cast<Y*>(y);
    TT_BY_DTYPE(x_dtype, X, map(to, to, static_cast<const X*>(x), n, [](vf a, vf b) { return a + b; }));
  });
}

template <class T, class F> static void combine(void* y, const void* a, const void* b, size_t n, int64_t a_step, int64_t b_step, F f) {
  auto* to = static_cast<T*>(y);
  auto* left = static_cast<const T*>(a);
  auto* right = static_cast<const T*>(b);
  if (a_step && b_step) return map(to, left, right, n, f);
  vf first = set1(get(left)), second = set1(get(right));
  if (a_step) return map(to, left, n, [=](vf v) { return f(v, second); });
  if (b_step) return map(to, right, n, [=](vf v) { return f(first, v); });
  vf same = f(first, second);
  for (size_t i = 0; i < n; i++) put(to + i, same[0]);
}

static inline vf pow_v(vf a, vf b) {
  vf r{};
  for (int i = 0; i < W; i++) r[i] = __builtin_powf(a[i], b[i]);
  return r;
}

template <class T> static void binary(void* y, const void* a, const void* b, size_t n, int64_t as, int64_t bs, int op) {
  const vf one = set1(1), zero{};
  switch (op) {
    case TT_ADD: return combine<T>(y, a, b, n, as, bs, [](vf p, vf q) { return p + q; });
    case TT_SUB: return combine<T>(y, a, b, n, as, bs, [](vf p, vf q) { return p - q; });
    case TT_MUL: return combine<T>(y, a, b, n, as, bs, [](vf p, vf q) { return p * q; });
    case TT_DIV: return combine<T>(y, a, b, n, as, bs, [](vf p, vf q) { return p / q; });
    case TT_MAX: return combine<T>(y, a, b, n, as, bs, [](vf p, vf q) { return max_nan(p, q); });
    case TT_MIN: return combine<T>(y, a, b, n, as, bs, [](vf p, vf q) { return min_nan(p, q); });
    case TT_POW: return combine<T>(y, a, b, n, as, bs, [](vf p, vf q) { return pow_v(p, q); });
    case TT_GREATER: return combine<T>(y, a, b, n, as, bs, [=](vf p, vf q) { return p > q ? one : zero; });
    default: return combine<T>(y, a, b, n, as, bs, [=](vf p, vf q) { return p == q ? one : zero; });
  }
}

void binary_range(void* y, const void* a, const void* b, size_t n, int64_t a_step, int64_t b_step, int op, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, binary<T>(y, a, b, n, a_step, b_step, op));
}

}  // namespace tt::TT_ISA
