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

template <class T, int KIND> static void forward(T* h, const T* gate, const T* up, size_t n) {
  map(h, gate, up, n, [](vf g, vf u) { return activate(g, KIND, sizeof(T) == 2).value * u; });
}

template <class T, int KIND> static void backward(T* dgate, T* dup, const T* dh, const T* gate, const T* up, size_t n) {
  size_t i = 0;
  for (; i + W <= n; i += W) {
    vf d = load(dh + i);
    Activated a = activate(load(gate + i), KIND, sizeof(T) == 2);
    vf u = load(up + i);
    store(dup + i, d * a.value);
    store(dgate + i, d * u * a.slope);
  }
  if (i == n) return;
  vf d = load_n(dh + i, n - i);
  Activated a = activate(load_n(gate + i, n - i), KIND, sizeof(T) == 2);
  vf u = load_n(up + i, n - i);
  store_n(dup + i, d * a.value, n - i);
  store_n(dgate + i, d * u * a.slope, n - i);
}

void gated_forward_range(void* h, const void* gate, const void* up, size_t n, int kind, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    auto* to = static_cast<T*>(h);
    auto* g = static_cast<const T*>(gate);
    auto* u = static_cast<const T*>(up);
    if (kind == GATE_SILU) forward<T, GATE_SILU>(to, g, u, n);
    else if (kind == GATE_GELU_TANH) forward<T, GATE_GELU_TANH>(to, g, u, n);
    else forward<T, GATE_GELU_ERF>(to, g, u, n);
  });
}

void gated_backward_range(void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n, int kind, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    auto* to_gate = static_cast<T*>(dgate);
    auto* to_up = static_cast<T*>(dup);
    auto* d = static_cast<const T*>(dh);
    auto* g = static_cast<const T*>(gate);
    auto* u = static_cast<const T*>(up);
    if (kind == GATE_SILU) backward<T, GATE_SILU>(to_gate, to_up, d, g, u, n);
    else if (kind == GATE_GELU_TANH) backward<T, GATE_GELU_TANH>(to_gate, to_up, d, g, u, n);
    else backward<T, GATE_GELU_ERF>(to_gate, to_up, d, g, u, n);
  });
}

}  // namespace tt::TT_ISA
