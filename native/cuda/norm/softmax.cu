// Softmax over the rows of a matrix, and its gradient: a warp or a block a row. The first KEPT packs of each thread stay in
// registers; what is longer is read again.
#include "../elementwise/flat.h"

namespace tt {
namespace {

constexpr int KEPT = 4;

/// visit(i, f) for the packs of this thread: the kept ones, then the others as loaded by load(i).
template <int THREADS, class Kept, class Load, class Visit> TT_GPU void for_packs(size_t packs, Kept& kept, const Load& load, const Visit& visit) {
  TT_UNROLL
  for (int k = 0; k < KEPT; k++) {
    const size_t i = threadIdx.x + size_t(k) * THREADS;
    if (i < packs) visit(i, kept[k]);
  }
  for (size_t i = threadIdx.x + size_t(KEPT) * THREADS; i < packs; i += THREADS) {
    auto loaded = load(i);
    visit(i, loaded);
  }
}

/// NaN wins, unlike fmaxf.
TT_GPU float larger(float a, float b) { return a != a || b <= a ? a : b; }

template <int THREADS> TT_GPU float block_larger(float v, float* shared) {
  TT_UNROLL
  for (int o = 16; o; o >>= 1) v = larger(v, __shfl_xor_sync(0xffffffffu, v, o));
  if (THREADS == 32) return v;
  if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = v;
  __syncthreads();
  float top = shared[0];
  for (int w = 1; w < THREADS / 32; w++) top = larger(top, shared[w]);
  __syncthreads();
  return top;
}

template <int V, class T> struct RowLoad {
  const T* row;
  TT_GPU Floats<V> operator()(size_t i) const { return load_floats<V>(row + i * V); }
};

template <int V> struct Highest {
  float& top;
  TT_GPU void operator()(size_t, const Floats<V>& f) const {
    TT_UNROLL
    for (int v = 0; v < V; v++) top = larger(top, f.at[v]);
  }
};
template <int V> struct Total {
  float& sum;
  float top;
  TT_GPU void operator()(size_t, Floats<V>& f) const {
    TT_UNROLL
    for (int v = 0; v < V; v++) sum += expf(f.at[v] - top);
  }
};
template <int V, class T> struct Write {
  T* row;
  float top, scale;
  TT_GPU void operator()(size_t i, const Floats<V>& f) const {
    Floats<V> y;
    TT_UNROLL
    for (int v = 0; v < V; v++) y.at[v] = expf(f.at[v] - top) * scale;
    store_floats<V>(row + i * V, y);
  }
};

template <int THREADS, int V, class T> __global__ void __launch_bounds__(THREADS) softmax_forward_kernel(T* y, const T* x, size_t cols) {
  __shared__ float shared[THREADS / 32];
  const size_t row = blockIdx.x * cols, packs = cols / V;
  const RowLoad<V, T> load = {x + row};
  Floats<V> kept[KEPT];
  TT_UNROLL
  for (int k = 0; k < KEPT; k++) {
    const size_t i = threadIdx.x + size_t(k) * THREADS;
    if (i < packs) kept[k] = load(i);
  }
  float top = -INFINITY, sum = 0;
  for_packs<THREADS>(packs, kept, load, Highest<V>{top});
  top = block_larger<THREADS>(top, shared);
  for_packs<THREADS>(packs, kept, load, Total<V>{sum, top});
  sum = block_sum(sum, shared, THREADS);
  for_packs<THREADS>(packs, kept, load, Write<V, T>{y + row, top, 1.f / sum});
}

/// dy and y of one pack.
template <int V> struct Pair { Floats<V> dy, y; };
template <int V, class T> struct PairLoad {
  const T *dy, *y;
  TT_GPU Pair<V> operator()(size_t i) const { return {load_floats<V>(dy + i * V), load_floats<V>(y + i * V)}; }
};
template <int V> struct Dot {
  float& sum;
  TT_GPU void operator()(size_t, const Pair<V>& p) const {
    TT_UNROLL
    for (int v = 0; v < V; v++) sum += p.dy.at[v] * p.y.at[v];
  }
};
template <int V, class T> struct WriteGradient {
  T* row;
  float dot;
  TT_GPU void operator()(size_t i, const Pair<V>& p) const {
    Floats<V> dx;
    TT_UNROLL
    for (int v = 0; v < V; v++) dx.at[v] = p.y.at[v] * (p.dy.at[v] - dot);
    store_floats<V>(row + i * V, dx);
  }
};

template <int THREADS, int V, class T> __global__ void __launch_bounds__(THREADS) softmax_backward_kernel(T* dx, const T* dy, const T* y, size_t cols) {
  __shared__ float shared[THREADS / 32];
  const size_t row = blockIdx.x * cols, packs = cols / V;
  const PairLoad<V, T> load = {dy + row, y + row};
  Pair<V> kept[KEPT];
  TT_UNROLL
  for (int k = 0; k < KEPT; k++) {
    const size_t i = threadIdx.x + size_t(k) * THREADS;
    if (i < packs) kept[k] = load(i);
  }
  float dot = 0;
  for_packs<THREADS>(packs, kept, load, Dot<V>{dot});
  dot = block_sum(dot, shared, THREADS);
  for_packs<THREADS>(packs, kept, load, WriteGradient<V, T>{dx + row, dot});
}

/// A warp holds the row.
bool is_narrow(int32_t cols, int vector) { return cols <= 32 * KEPT * vector; }

tt_status check(const char* name, int32_t rows, int32_t cols, tt_dtype dtype) {
  TT_REQUIRE(is_compute_dtype(dtype), "%s: dtype must be f32 (0) or bf16 (1), got %d", name, dtype);
  TT_REQUIRE(rows >= 0, "%s: rows must not be negative, got %d", name, rows);
  TT_REQUIRE(cols > 0, "%s: cols must be positive, got %d", name, cols);
  TT_REQUIRE_HOLD(name, size_t(rows), size_t(cols));
  return TT_OK;
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_softmax_forward(void* y, const void* x, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream) {
  if (tt_status bad = check("tt_softmax_forward", rows, cols, dtype)) return bad;
  TT_REQUIRE(rows == 0 || (y && x), "tt_softmax_forward: %s is null", !y ? "y" : "x");
  if (rows == 0) return TT_OK;
  TT_READY("tt_softmax_forward");
  cudaStream_t s = stream_of(gpu, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    constexpr int V = Pack<T>::size;
    const bool packs = cols % V == 0 && aligned16(y) && aligned16(x);
    const bool narrow = is_narrow(cols, packs ? V : 1);
    auto kernel = narrow ? (packs ? softmax_forward_kernel<32, V, T> : softmax_forward_kernel<32, 1, T>)
                         : (packs ? softmax_forward_kernel<FLAT_THREADS, V, T> : softmax_forward_kernel<FLAT_THREADS, 1, T>);
    TT_LAUNCH(kernel, dim3(unsigned(rows)), dim3(narrow ? 32 : FLAT_THREADS), 0, s, static_cast<T*>(y), static_cast<const T*>(x), size_t(cols));
  });
  return launched("tt_softmax_forward", s);
}

extern "C" tt_status tt_softmax_backward(void* dx, const void* dy, const void* y, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream) {
  if (tt_status bad = check("tt_softmax_backward", rows, cols, dtype)) return bad;
  TT_REQUIRE(rows == 0 || (dx && dy && y), "tt_softmax_backward: %s is null", !dx ? "dx" : !dy ? "dy" : "y");
  if (rows == 0) return TT_OK;
  TT_READY("tt_softmax_backward");
  cudaStream_t s = stream_of(gpu, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    constexpr int V = Pack<T>::size;
    const bool packs = cols % V == 0 && aligned16(dx) && aligned16(dy) && aligned16(y);
    const bool narrow = is_narrow(cols, packs ? V : 1);
    auto kernel = narrow ? (packs ? softmax_backward_kernel<32, V, T> : softmax_backward_kernel<32, 1, T>)
                         : (packs ? softmax_backward_kernel<FLAT_THREADS, V, T> : softmax_backward_kernel<FLAT_THREADS, 1, T>);
    TT_LAUNCH(kernel, dim3(unsigned(rows)), dim3(narrow ? 32 : FLAT_THREADS), 0, s, static_cast<T*>(dx), static_cast<const T*>(dy), static_cast<const T*>(y), size_t(cols));
  });
  return launched("tt_softmax_backward", s);
}
