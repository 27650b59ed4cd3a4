// h = act(gate)·up (SwiGLU, GeGLU; Shazeer 2020, arXiv 2002.05202) and its gradient, one pass each.
#include "flat.h"
#include "functions.h"

namespace tt {
namespace {

enum Gate { GATE_SILU, GATE_GELU_ERF, GATE_GELU_TANH };

template <int KIND, bool ROUGH> struct Activation {
  TT_GPU static Activated of(float gate) {
    if constexpr (KIND == GATE_SILU) return silu<ROUGH>(gate);
    if constexpr (KIND == GATE_GELU_TANH) return gelu_tanh<ROUGH>(gate);
    if constexpr (KIND == GATE_GELU_ERF) return gelu_erf(gate);
  }
  TT_GPU float operator()(float gate, float up) const { return of(gate).value * up; }
};

/// As flat_kernel, with two results: dup = dh·act(gate), dgate = dh·up·act'(gate).
template <int V, class A, class T>
__global__ void __launch_bounds__(FLAT_THREADS) gated_backward_kernel(T* dgate, T* dup, const T* dh, const T* gate, const T* up, FlatRange range) {
  const size_t thread = blockIdx.x * size_t(FLAT_THREADS) + threadIdx.x;
  for (size_t pack = thread; pack < range.packs; pack += size_t(gridDim.x) * FLAT_THREADS) {
    const size_t i = range.head + pack * V;
    const Floats<V> d = load_floats<V>(dh + i), g = load_floats<V>(gate + i), u = load_floats<V>(up + i);
    Floats<V> to_gate, to_up;
    TT_UNROLL
    for (int j = 0; j < V; j++) {
      const Activated a = A::of(g.at[j]);
      to_up.at[j] = d.at[j] * a.value;
      to_gate.at[j] = d.at[j] * u.at[j] * a.slope;
    }
    store_floats<V>(dup + i, to_up);
    store_floats<V>(dgate + i, to_gate);
  }
  if constexpr (V > 1) {
    if (blockIdx.x > 0) return;
    size_t i = threadIdx.x;
    if (i >= size_t(range.head)) i += range.packs * V;
    if (i >= range.n) return;
    const Activated a = A::of(to_float(gate[i]));
    const float d = to_float(dh[i]), u = to_float(up[i]);
    dup[i] = from_float<T>(d * a.value);
    dgate[i] = from_float<T>(d * u * a.slope);
  }
}

template <class A, class T>
void gated_gradients(const Gpu& gpu, cudaStream_t stream, T* dgate, T* dup, const T* dh, const T* gate, const T* up, size_t n) {
  constexpr int V = Pack<T>::size;
  const FlatArray arrays[] = {{dgate, sizeof(T)}, {dup, sizeof(T)}, {dh, sizeof(T)}, {gate, sizeof(T)}, {up, sizeof(T)}};
  const int head = flat_head(V, arrays);
  const FlatRange range = flat_range(n, V, head);
  const dim3 grid(grid_for(gpu, range.packs, FLAT_THREADS)), block(FLAT_THREADS);
  if (head >= 0) {
    auto kernel = gated_backward_kernel<V, A, T>;
    TT_LAUNCH(kernel, grid, block, 0, stream, dgate, dup, dh, gate, up, range);
  } else {
    auto kernel = gated_backward_kernel<1, A, T>;
    TT_LAUNCH(kernel, grid, block, 0, stream, dgate, dup, dh, gate, up, range);
  }
}

template <bool ROUGH, class Use> void with_gate(int kind, const Use& use) {
  if (kind == GATE_SILU) use(Activation<GATE_SILU, ROUGH>{});
  else if (kind == GATE_GELU_TANH) use(Activation<GATE_GELU_TANH, ROUGH>{});
  else use(Activation<GATE_GELU_ERF, ROUGH>{});
}

tt_status gated_forward(const char* name, void* h, const void* gate, const void* up, size_t n, int kind, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE(is_compute_dtype(dtype), "%s: dtype must be f32 (0) or bf16 (1), got %d", name, dtype);
  TT_REQUIRE_HOLD(name, n);
  if (n == 0) return TT_OK;
  TT_REQUIRE(h && gate && up, "%s: %s is null", name, !h ? "h" : !gate ? "gate" : "up");
  TT_READY(name);
  cudaStream_t s = stream_of(gpu, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    with_gate<sizeof(T) == 2>(kind, [&](auto f) { flat(gpu, s, static_cast<T*>(h), n, f, static_cast<const T*>(gate), static_cast<const T*>(up)); });
  });
  return launched(name, s);
}

tt_status gated_backward(const char* name, void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n, int kind,
                         tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE(is_compute_dtype(dtype), "%s: dtype must be f32 (0) or bf16 (1), got %d", name, dtype);
  TT_REQUIRE_HOLD(name, n);
  if (n == 0) return TT_OK;
  TT_REQUIRE(dgate && dup, "%s: %s is null", name, !dgate ? "dgate" : "dup");
  TT_REQUIRE(dh && gate && up, "%s: %s is null", name, !dh ? "dh" : !gate ? "gate" : "up");
  TT_READY(name);
  cudaStream_t s = stream_of(gpu, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    with_gate<sizeof(T) == 2>(kind, [&](auto f) {
      gated_gradients<decltype(f)>(gpu, s, static_cast<T*>(dgate), static_cast<T*>(dup), static_cast<const T*>(dh), static_cast<const T*>(gate),
                                   static_cast<const T*>(up), n);
    });
  });
  return launched(name, s);
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_swiglu_forward(void* h, const void* gate, const void* up, size_t n, tt_dtype dtype, tt_stream stream) {
  return gated_forward("tt_swiglu_forward", h, gate, up, n, GATE_SILU, dtype, stream);
}
extern "C" tt_status tt_swiglu_backward(void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n, tt_dtype dtype, tt_stream stream) {
  return gated_backward("tt_swiglu_backward", dgate, dup, dh, gate, up, n, GATE_SILU, dtype, stream);
}
extern "C" tt_status tt_geglu_forward(void* h, const void* gate, const void* up, size_t n, int32_t tanh_approximation, tt_dtype dtype, tt_stream stream) {
  return gated_forward("tt_geglu_forward", h, gate, up, n, tanh_approximation ? GATE_GELU_TANH : GATE_GELU_ERF, dtype, stream);
}
extern "C" tt_status tt_geglu_backward(void* dgate, void* dup, const void* dh, const void* gate, const void* up, size_t n, int32_t tanh_approximation,
                                       tt_dtype dtype, tt_stream stream) {
  return gated_backward("tt_geglu_backward", dgate, dup, dh, gate, up, n, tanh_approximation ? GATE_GELU_TANH : GATE_GELU_ERF, dtype, stream);
}
