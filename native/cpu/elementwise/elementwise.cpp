// Entry points of the elementwise functions: they check the arguments, split the range over the pool and pick the
// instruction set. The loops are in *.kernel.cpp.
#include "elementwise.h"

#include <string.h>

#include "../runtime/ranges.h"

using namespace tt;

extern "C" tt_status tt_cast(void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype, tt_stream) {
  auto is_float = [](tt_dtype dtype) { return dtype == TT_F32 || dtype == TT_BF16 || dtype == TT_F16; };
  TT_REQUIRE(x_dtype >= TT_F32 && x_dtype <= TT_I8, "tt_cast: unknown x_dtype %d", x_dtype);
  TT_REQUIRE(is_float(y_dtype), "tt_cast: y_dtype must be f32 (0), bf16 (1) or f16 (2), got %d", y_dtype);
  TT_REQUIRE(is_float(x_dtype) || y_dtype == TT_F32, "tt_cast: integers convert to f32 only, y_dtype is %d", y_dtype);
  TT_REQUIRE_HOLD("tt_cast", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_cast", y);
  TT_REQUIRE_POINTER("tt_cast", x);
  for_ranges(n, dtype_bytes(y_dtype) + dtype_bytes(x_dtype), [&](size_t begin, size_t end, int) {
    if (y_dtype == x_dtype) memmove(at(y, begin, y_dtype), at(x, begin, x_dtype), (end - begin) * dtype_bytes(y_dtype));
    else TT_DISPATCH(cast_range, at(y, begin, y_dtype), at(x, begin, x_dtype), end - begin, y_dtype, x_dtype);
  });
  return TT_OK;
}

extern "C" tt_status tt_fill(void* y, size_t n, float value, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_fill", dtype);
  TT_REQUIRE_HOLD("tt_fill", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_fill", y);
  const bool past = worth_streaming(n * dtype_bytes(dtype));
  for_ranges(n, dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH(fill_range, at(y, begin, dtype), end - begin, value, dtype, past);
  });
  return TT_OK;
}

extern "C" tt_status tt_affine(void* y, const void* x, size_t n, float scale, float shift, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_affine", dtype);
  TT_REQUIRE_HOLD("tt_affine", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_affine", y);
  TT_REQUIRE_POINTER("tt_affine", x);
  for_ranges(n, 2 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH(affine_range, at(y, begin, dtype), at(x, begin, dtype), end - begin, scale, shift, dtype);
  });
  return TT_OK;
}

extern "C" tt_status tt_add_to(void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_add_to (y)", y_dtype);
  TT_REQUIRE_DTYPE("tt_add_to (x)", x_dtype);
  TT_REQUIRE_HOLD("tt_add_to", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_add_to", y);
  TT_REQUIRE_POINTER("tt_add_to", x);
  for_ranges(n, 2 * dtype_bytes(y_dtype) + dtype_bytes(x_dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH(add_to_range, at(y, begin, y_dtype), at(x, begin, x_dtype), end - begin, y_dtype, x_dtype);
  });
  return TT_OK;
}

extern "C" tt_status tt_unary_forward(void* y, const void* x, size_t n, int32_t op, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_unary_forward", dtype);
  TT_REQUIRE(op >= TT_NEG && op <= TT_GELU_ERF, "tt_unary_forward: op must be 0..%d, got %d", TT_GELU_ERF, op);
  TT_REQUIRE_HOLD("tt_unary_forward", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_unary_forward", y);
  TT_REQUIRE_POINTER("tt_unary_forward", x);
  for_ranges(n, 2 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH_BF16(unary_forward_range, at(y, begin, dtype), at(x, begin, dtype), end - begin, op, dtype);
  });
  return TT_OK;
}

extern "C" tt_status tt_unary_backward(void* dx, const void* dy, const void* x, size_t n, int32_t op, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_unary_backward", dtype);
  TT_REQUIRE(op >= TT_NEG && op <= TT_GELU_ERF, "tt_unary_backward: op must be 0..%d, got %d", TT_GELU_ERF, op);
  TT_REQUIRE_HOLD("tt_unary_backward", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_unary_backward", dx);
  TT_REQUIRE_POINTER("tt_unary_backward", dy);
  TT_REQUIRE_POINTER("tt_unary_backward", x);
  for_ranges(n, 3 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH_BF16(unary_backward_range, at(dx, begin, dtype), at(dy, begin, dtype), at(x, begin, dtype), end - begin, op, dtype);
  });
  return TT_OK;
}

static tt_status gated_forward(const char* name, void* h, const void* gate, const void* up, size_t n, int kind, tt_dtype dtype) {
  TT_REQUIRE(is_compute_dtype(dtype), "%s: dtype must be f32 (0) or bf16 (1), got %d", name, dtype);
  TT_REQUIRE_HOLD(name, n);
  if (n == 0) return TT_OK;
  TT_REQUIRE(h && gate && up, "%s: %s is null", name, !h ? "h" : !gate ? "gate" : "up");
  const bool past = worth_streaming(n * dtype_bytes(dtype));
  for_long_ranges(n, 3 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH_BF16(gated_forward_range, at(h, begin, dtype), at(gate, begin, dtype), at(up, begin, dtype), end - begin, kind, past, dtype);
  });
  return TT_OK;
}

static tt_status gated_backward(const char* name, void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n,
                                int kind, tt_dtype dtype) {
  TT_REQUIRE(is_compute_dtype(dtype), "%s: dtype must be f32 (0) or bf16 (1), got %d", name, dtype);
  TT_REQUIRE_HOLD(name, n);
  if (n == 0) return TT_OK;
  TT_REQUIRE(dgate && dup, "%s: %s is null", name, !dgate ? "dgate" : "dup");
  TT_REQUIRE(dh && gate && up, "%s: %s is null", name, !dh ? "dh" : !gate ? "gate" : "up");
  const bool past = worth_streaming(n * dtype_bytes(dtype));
  for_long_ranges(n, 5 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH_BF16(gated_backward_range, at(dgate, begin, dtype), at(dup, begin, dtype), at(dh, begin, dtype), at(gate, begin, dtype),
                at(up, begin, dtype), end - begin, kind, past, dtype);
  });
  return TT_OK;
}

extern "C" tt_status tt_swiglu_forward(void* h, const void* gate, const void* up, size_t n, tt_dtype dtype, tt_stream) {
  return gated_forward("tt_swiglu_forward", h, gate, up, n, GATE_SILU, dtype);
}
extern "C" tt_status tt_swiglu_backward(void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n, tt_dtype dtype, tt_stream) {
  return gated_backward("tt_swiglu_backward", dgate, dup, dh, gate, up, n, GATE_SILU, dtype);
}
extern "C" tt_status tt_geglu_forward(void* h, const void* gate, const void* up, size_t n, int32_t tanh_approximation, tt_dtype dtype, tt_stream) {
  return gated_forward("tt_geglu_forward", h, gate, up, n, tanh_approximation ? GATE_GELU_TANH : GATE_GELU_ERF, dtype);
}
extern "C" tt_status tt_geglu_backward(void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n,
                                       int32_t tanh_approximation, tt_dtype dtype, tt_stream) {
  return gated_backward("tt_geglu_backward", dgate, dup, dh, gate, up, n, tanh_approximation ? GATE_GELU_TANH : GATE_GELU_ERF, dtype);
}

extern "C" tt_status tt_dropout(void* y, const void* x, const uint32_t* rng, size_t n, float p, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_dropout", dtype);
  TT_REQUIRE(p >= 0 && p <= 1, "tt_dropout: p must be 0..1, got %g", double(p));
  TT_REQUIRE_HOLD("tt_dropout", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_dropout", y);
  TT_REQUIRE_POINTER("tt_dropout", x);
  TT_REQUIRE_POINTER("tt_dropout", rng);
  if (p == 1) return tt_fill(y, n, 0, dtype, nullptr);
  for_ranges(n, 2 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH_BF16(dropout_range, at(y, begin, dtype), at(x, begin, dtype), rng, begin, end - begin, p, dtype);
  });
  return TT_OK;
}
