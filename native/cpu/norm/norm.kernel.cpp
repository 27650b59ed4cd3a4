// RMSNorm and LayerNorm, forward (with the residual addition fused) and backward. One row at a time: its passes after the
// first find it in L1.
#include "norm.h"
#include "../vectors/vectors.h"

namespace tt::TT_ISA {

/// f(i, count) for vectors of a row; count < W at the end.
template <class F> static inline void walk(size_t n, F f) {
  size_t i = 0;
  for (; i + W <= n; i += W) f(i, size_t(W));
  if (i < n) f(i, n - i);
}
template <class T> static inline vf take(const T* p, size_t count, float rest = 0) { return count == W ? load(p) : load_n(p, count, rest); }
template <class T> static inline void give(T* p, vf v, size_t count) {
  if (count == W) store(p, v);
  else store_n(p, v, count);
}

/// Σ term(i, count) over a row with four accumulators, so that additions overlap. Lanes past the end must be 0.
template <class F> static inline float sum_row(size_t n, F term) {
  vf a{}, b{}, c{}, d{};
  size_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    a += term(i, size_t(W));
    b += term(i + W, size_t(W));
    c += term(i + 2 * W, size_t(W));
    d += term(i + 3 * W, size_t(W));
  }
  for (; i + W <= n; i += W) a += term(i, size_t(W));
  if (i < n) b += term(i, n - i);
  return sum_lanes((a + b) + (c + d));
}

template <class T, bool CENTRED> static void forward(const NormForward& io, size_t rows, size_t cols, float eps) {
  auto* w = static_cast<const T*>(io.w);
  auto* b = static_cast<const T*>(io.b);
  for (size_t row = 0; row < rows; row++) {
    auto* x = static_cast<const T*>(io.x) + row * cols;
    auto* y = static_cast<T*>(io.y) + row * cols;
    const T* h = x;
    if (io.residual) {
      auto* residual = static_cast<const T*>(io.residual) + row * cols;
      auto* sum = static_cast<T*>(io.h_out) + row * cols;
      walk(cols, [&](size_t i, size_t count) { give(sum + i, take(x + i, count) + take(residual + i, count), count); });
      h = sum;  // the rounded sum is normalised: it is what the backward sees
    }
    float mean = 0;
    if (CENTRED) {
      mean = sum_row(cols, [&](size_t i, size_t count) { return take(h + i, count); }) / float(cols);
      io.mean[row] = mean;
    }
    float squares = sum_row(cols, [&](size_t i, size_t count) {
      vf v = CENTRED ? take(h + i, count, mean) - mean : take(h + i, count);
      return v * v;
    });
    float rstd = 1.0f / __builtin_sqrtf(squares / float(cols) + eps);
    io.rstd[row] = rstd;
    const bool past = io.stream && streamable(y);
    walk(cols, [&](size_t i, size_t count) {
      vf v = CENTRED ? take(h + i, count) - mean : take(h + i, count);
      v = v * rstd * take(w + i, count);
      if (b) v += take(b + i, count);
      if (past && count == W) stream(y + i, v);
      else give(y + i, v, count);
    });
  }
  if (io.stream) stream_fence();
}

template <class T, bool CENTRED> static void backward(const NormBackward& io, size_t rows, size_t cols) {
  auto* w = static_cast<const T*>(io.w);
  if (io.dw) memset(io.dw, 0, cols * sizeof(float));
  if (io.db) memset(io.db, 0, cols * sizeof(float));
  for (size_t row = 0; row < rows; row++) {
    auto* dy = static_cast<const T*>(io.dy) + row * cols;
    auto* h = static_cast<const T*>(io.h) + row * cols;
    auto* dx = static_cast<T*>(io.dx) + row * cols;
    auto* dh = io.dh ? static_cast<const T*>(io.dh) + row * cols : nullptr;
    const float rstd = io.rstd[row], mean = CENTRED ? io.mean[row] : 0;
    // With g = dy·w and n = (h − mean)·rstd: dx = rstd·(g − [mean of g] − n·[mean of g·n]).
    float g_n = sum_row(cols, [&](size_t i, size_t count) {
      vf n = CENTRED ? take(h + i, count) - mean : take(h + i, count);
      return take(dy + i, count) * take(w + i, count) * n;
    }) * rstd / float(cols);
    float g = 0;
    if (CENTRED) g = sum_row(cols, [&](size_t i, size_t count) { return take(dy + i, count) * take(w + i, count); }) / float(cols);
    walk(cols, [&](size_t i, size_t count) {
      vf d = take(dy + i, count), n = (CENTRED ? take(h + i, count) - mean : take(h + i, count)) * rstd;
      vf r = ((CENTRED ? d * take(w + i, count) - g : d * take(w + i, count)) - n * g_n) * rstd;
      if (dh) r += take(dh + i, count);
      give(dx + i, r, count);
      if (io.dw) give(io.dw + i, take(io.dw + i, count) + d * n, count);
      if (io.db) give(io.db + i, take(io.db + i, count) + d, count);
    });
  }
}

void norm_forward_rows(const NormForward& io, size_t rows, size_t cols, float eps, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    if (io.mean) forward<T, true>(io, rows, cols, eps);
    else forward<T, false>(io, rows, cols, eps);
  });
}

void norm_backward_rows(const NormBackward& io, size_t rows, size_t cols, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    if (io.mean) backward<T, true>(io, rows, cols);
    else backward<T, false>(io, rows, cols);
  });
}

void add_partials(float* out, const float* partials, size_t count, size_t stride, size_t n) {
  for (size_t p = 0; p < count; p++) map(out, out, partials + p * stride, n, [](vf a, vf b) { return a + b; });
}

}  // namespace tt::TT_ISA
