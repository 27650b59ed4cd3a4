// y = f(x) and dx = dy·f'(x) for the functions of one variable.
#include "elementwise.h"
#include "../vectors/vector-math.h"

namespace tt::TT_ISA {

template <class T> static void forward(void* y, const void* x, size_t n, int op) {
  auto run = [&](auto f) { map(static_cast<T*>(y), static_cast<const T*>(x), n, f); };
  switch (op) {
    case TT_NEG: return run([](vf v) { return -v; });
    case TT_EXP: return run([](vf v) { return exp_v(v); });
    case TT_LOG: return run([](vf v) { return log_v(v); });
    case TT_SQRT: return run([](vf v) { return sqrt_v(v); });
    case TT_RSQRT: return run([](vf v) { return 1.0f / sqrt_v(v); });
    case TT_TANH: return run([](vf v) { return tanh_v(v); });
    case TT_SIGMOID: return run([](vf v) { return sigmoid_v(v); });
    case TT_RELU: return run([](vf v) { return max_or_second(vf{}, v); });
    case TT_ABS: return run([](vf v) { return abs_v(v); });
    case TT_SIN: return run([](vf v) { return sin_shifted_v(v, 0); });
    case TT_COS: return run([](vf v) { return sin_shifted_v(v, 1); });
    case TT_SQUARE: return run([](vf v) { return v * v; });
    case TT_RECIPROCAL: return run([](vf v) { return 1.0f / v; });
    case TT_SILU: return run([](vf v) { return v * sigmoid_v(v); });
    case TT_GELU_TANH: return run([](vf v) { return gelu_tanh_v(v); });
    default: return run([](vf v) { return gelu_erf_v(v); });
  }
}

static inline vf silu_slope_v(vf x) {
  vf s = sigmoid_v(x);
  return s * (x * (1.0f - s) + 1.0f);
}
static inline vf sign_v(vf x) { return x > 0.0f ? set1(1) : x < 0.0f ? set1(-1) : x; }
static inline vf tanh_slope_v(vf x) {
  // 1 − tanh² = 4·s·(1 − s) with s = sigmoid(2x) does not cancel at large |x| when s is the small side.
  vf s = sigmoid_v(abs_v(x) * -2.0f);
  return 4.0f * s * (1.0f - s);
}
static inline vf sigmoid_slope_v(vf x) {
  vf s = sigmoid_v(-abs_v(x));
  return s * (1.0f - s);
}

template <class T> static void backward(void* dx, const void* dy, const void* x, size_t n, int op) {
  auto run = [&](auto slope) {
    map(static_cast<T*>(dx), static_cast<const T*>(dy), static_cast<const T*>(x), n, [=](vf d, vf v) { return d * slope(v); });
  };
  switch (op) {
    case TT_NEG: return run([](vf) { return set1(-1); });
    case TT_EXP: return run([](vf v) { return exp_v(v); });
    case TT_LOG: return run([](vf v) { return 1.0f / v; });
    case TT_SQRT: return run([](vf v) { return 0.5f / sqrt_v(v); });
    case TT_RSQRT: return run([](vf v) { return -0.5f / (v * sqrt_v(v)); });
    case TT_TANH: return run([](vf v) { return tanh_slope_v(v); });
    case TT_SIGMOID: return run([](vf v) { return sigmoid_slope_v(v); });
    case TT_RELU: return run([](vf v) { return v > 0.0f ? set1(1) : v != v ? v : vf{}; });
    case TT_ABS: return run([](vf v) { return sign_v(v); });
    case TT_SIN: return run([](vf v) { return sin_shifted_v(v, 1); });
    case TT_COS: return run([](vf v) { return -sin_shifted_v(v, 0); });
    case TT_SQUARE: return run([](vf v) { return v + v; });
    case TT_RECIPROCAL: return run([](vf v) { return -1.0f / (v * v); });
    case TT_SILU: return run([](vf v) { return silu_slope_v(v); });
    case TT_GELU_TANH: return run([](vf v) { return gelu_tanh_slope_v(v); });
    default: return run([](vf v) { return gelu_erf_slope_v(v); });
  }
}

void unary_forward_range(void* y, const void* x, size_t n, int op, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, forward<T>(y, x, n, op));
}
void unary_backward_range(void* dx, const void* dy, const void* x, size_t n, int op, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, backward<T>(dx, dy, x, n, op));
}

}  // namespace tt::TT_ISA
