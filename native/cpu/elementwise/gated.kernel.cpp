// h = act(gate)·up (SwiGLU, GeGLU) and its gradient, one pass each.
#include "elementwise.h"
#include "../vectors/vector-math.h"

namespace tt::TT_ISA {

struct Activated { vf value, slope; };

/// rough: the results are rounded to bf16.
static inline Activated activate(vf x, int kind, bool rough) {
  if (kind == GATE_SILU) {
    vf s = rough ? sigmoid_rough_v(x) : sigmoid_v(x), value = x * s;
    return {value, value * (1.0f - s) + s};
  }
  if (kind == GATE_GELU_TANH) return {gelu_tanh_v(x), gelu_tanh_slope_v(x)};
  return {gelu_erf_v(x), gelu_erf_slope_v(x)};
}

template <class T, int KIND> static void forward(T* h, const T* gate, const T* up, size_t n, bool past) {
  auto f = [](vf g, vf u) { return activate(g, KIND, sizeof(T) == 2).value * u; };
  past ? map_streamed(h, gate, up, n, f) : map(h, gate, up, n, f);
}

template <class T, int KIND, bool STREAM> static void backward(T* dgate, T* dup, const T* dh, const T* gate, const T* up, size_t n) {
  size_t i = 0;
  for (; i + W <= n; i += W) {
    vf d = load(dh + i);
    Activated a = activate(load(gate + i), KIND, sizeof(T) == 2);
    vf u = load(up + i);
    if (STREAM) {
      stream(dup + i, d * a.value);
      stream(dgate + i, d * u * a.slope);
    } else {
      store(dup + i, d * a.value);
      store(dgate + i, d * u * a.slope);
    }
  }
  if (STREAM) stream_fence();
  if (i == n) return;
  vf d = load_n(dh + i, n - i);
  Activated a = activate(load_n(gate + i, n - i), KIND, sizeof(T) == 2);
  vf u = load_n(up + i, n - i);
  store_n(dup + i, d * a.value, n - i);
  store_n(dgate + i, d * u * a.slope, n - i);
}

void gated_forward_range(void* h, const void* gate, const void* up, size_t n, int kind, bool past, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    auto* to = static_cast<T*>(h);
    auto* g = static_cast<const T*>(gate);
    auto* u = static_cast<const T*>(up);
    if (kind == GATE_SILU) forward<T, GATE_SILU>(to, g, u, n, past);
    else if (kind == GATE_GELU_TANH) forward<T, GATE_GELU_TANH>(to, g, u, n, past);
    else forward<T, GATE_GELU_ERF>(to, g, u, n, past);
  });
}

template <class T, int KIND> static void backward(T* dgate, T* dup, const T* dh, const T* gate, const T* up, size_t n, bool past) {
  if (past && streamable(dgate) && streamable(dup)) backward<T, KIND, true>(dgate, dup, dh, gate, up, n);
  else backward<T, KIND, false>(dgate, dup, dh, gate, up, n);
}

void gated_backward_range(void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n, int kind, bool past, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    auto* to_gate = static_cast<T*>(dgate);
    auto* to_up = static_cast<T*>(dup);
    auto* d = static_cast<const T*>(dh);
    auto* g = static_cast<const T*>(gate);
    auto* u = static_cast<const T*>(up);
    if (kind == GATE_SILU) backward<T, GATE_SILU>(to_gate, to_up, d, g, u, n, past);
    else if (kind == GATE_GELU_TANH) backward<T, GATE_GELU_TANH>(to_gate, to_up, d, g, u, n, past);
    else backward<T, GATE_GELU_ERF>(to_gate, to_up, d, g, u, n, past);
  });
}

}  // namespace tt::TT_ISA
