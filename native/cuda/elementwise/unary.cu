// y = f(x) and dx = dy·f'(x) for the functions of one variable.
#include "flat.h"
#include "functions.h"

namespace tt {
namespace {

TT_GPU float relu(float x) { return x > 0.f ? x : x != x ? x : 0.f; }

/// ROUGH: the result is rounded to bf16.
template <int OP, bool ROUGH> struct Value {
  TT_GPU float operator()(float x) const {
    if constexpr (OP == TT_NEG) return -x;
    if constexpr (OP == TT_EXP) return expf(x);
    if constexpr (OP == TT_LOG) return logf(x);
    if constexpr (OP == TT_SQRT) return sqrtf(x);
    if constexpr (OP == TT_RSQRT) return 1.f / sqrtf(x);
    if constexpr (OP == TT_TANH) return tanhf(x);
    if constexpr (OP == TT_SIGMOID) return sigmoid<ROUGH>(x);
    if constexpr (OP == TT_RELU) return relu(x);
    if constexpr (OP == TT_ABS) return fabsf(x);
    if constexpr (OP == TT_SIN) return sin_shifted(x, 0);
    if constexpr (OP == TT_COS) return sin_shifted(x, 1);
    if constexpr (OP == TT_SQUARE) return x * x;
    if constexpr (OP == TT_RECIPROCAL) return 1.f / x;
    if constexpr (OP == TT_SILU) return silu<ROUGH>(x).value;
    if constexpr (OP == TT_GELU_TANH) return gelu_tanh<ROUGH>(x).value;
    if constexpr (OP == TT_GELU_ERF) return gelu_erf(x).value;
  }
};

template <bool ROUGH> TT_GPU float sigmoid_slope(float x) {
  // The small one of σ(x) and σ(−x), so that 1 − s does not cancel.
  const float s = sigmoid<ROUGH>(-fabsf(x));
  return s * (1.f - s);
}

template <int OP, bool ROUGH> struct Slope {
  TT_GPU float operator()(float dy, float x) const { return dy * of(x); }
  TT_GPU static float of(float x) {
    if constexpr (OP == TT_NEG) return -1.f;
    if constexpr (OP == TT_EXP) return expf(x);
    if constexpr (OP == TT_LOG) return 1.f / x;
    if constexpr (OP == TT_SQRT) return 0.5f / sqrtf(x);
    if constexpr (OP == TT_RSQRT) return -0.5f / (x * sqrtf(x));
    if constexpr (OP == TT_TANH) return 4.f * sigmoid_slope<ROUGH>(x + x);
    if constexpr (OP == TT_SIGMOID) return sigmoid_slope<ROUGH>(x);
    if constexpr (OP == TT_RELU) return x > 0.f ? 1.f : x != x ? x : 0.f;
    if constexpr (OP == TT_ABS) return x > 0.f ? 1.f : x < 0.f ? -1.f : x;
    if constexpr (OP == TT_SIN) return sin_shifted(x, 1);
    if constexpr (OP == TT_COS) return -sin_shifted(x, 0);
    if constexpr (OP == TT_SQUARE) return x + x;
    if constexpr (OP == TT_RECIPROCAL) return -1.f / (x * x);
    if constexpr (OP == TT_SILU) return silu<ROUGH>(x).slope;
    if constexpr (OP == TT_GELU_TANH) return gelu_tanh<ROUGH>(x).slope;
    if constexpr (OP == TT_GELU_ERF) return gelu_erf(x).slope;
  }
};

/// use(F<OP, ROUGH>{}) for the op asked for, counted down from the last.
template <template <int, bool> class F, bool ROUGH, int OP = TT_GELU_ERF, class Use> void with_op(int op, const Use& use) {
  if constexpr (OP >= 0) {
    if (op == OP) use(F<OP, ROUGH>{});
    else with_op<F, ROUGH, OP - 1>(op, use);
  }
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_unary_forward(void* y, const void* x, size_t n, int32_t op, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_unary_forward", dtype);
  TT_REQUIRE(op >= TT_NEG && op <= TT_GELU_ERF, "tt_unary_forward: op must be 0..%d, got %d", TT_GELU_ERF, op);
  TT_REQUIRE_HOLD("tt_unary_forward", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_unary_forward", y);
  TT_REQUIRE_POINTER("tt_unary_forward", x);
  TT_READY("tt_unary_forward");
  cudaStream_t s = stream_of(gpu, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    with_op<Value, sizeof(T) == 2>(op, [&](auto f) { flat(gpu, s, static_cast<T*>(y), n, f, static_cast<const T*>(x)); });
  });
  return launched("tt_unary_forward", s);
}

extern "C" tt_status tt_unary_backward(void* dx, const void* dy, const void* x, size_t n, int32_t op, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_unary_backward", dtype);
  TT_REQUIRE(op >= TT_NEG && op <= TT_GELU_ERF, "tt_unary_backward: op must be 0..%d, got %d", TT_GELU_ERF, op);
  TT_REQUIRE_HOLD("tt_unary_backward", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_unary_backward", dx);
  TT_REQUIRE_POINTER("tt_unary_backward", dy);
  TT_REQUIRE_POINTER("tt_unary_backward", x);
  TT_READY("tt_unary_backward");
  cudaStream_t s = stream_of(gpu, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    with_op<Slope, sizeof(T) == 2>(op, [&](auto f) { flat(gpu, s, static_cast<T*>(dx), n, f, static_cast<const T*>(dy), static_cast<const T*>(x)); });
  });
  return launched("tt_unary_backward", s);
}
