// y = a op b with broadcasting; y is contiguous.
//
// Same shapes are one flat array. Else a thread does V neighbours of y: they lie in one row, where each operand is either
// contiguous (loaded at once) or one number.
#include "walk.h"

namespace tt {
namespace {

template <int OP> struct Binary {
  TT_GPU float operator()(float a, float b) const {
    if constexpr (OP == TT_ADD) return a + b;
    if constexpr (OP == TT_SUB) return a - b;
    if constexpr (OP == TT_MUL) return a * b;
    if constexpr (OP == TT_DIV) return a / b;
    // NaN when either is NaN, unlike fmaxf.
    if constexpr (OP == TT_MAX) return a != a ? a : b != b ? b : fmaxf(a, b);
    if constexpr (OP == TT_MIN) return a != a ? a : b != b ? b : fminf(a, b);
    if constexpr (OP == TT_POW) return powf(a, b);
    if constexpr (OP == TT_GREATER) return a > b ? 1.f : 0.f;
    if constexpr (OP == TT_EQUAL) return a == b ? 1.f : 0.f;
  }
};

template <int OP = TT_EQUAL, class Use> void with_op(int op, const Use& use) {
  if constexpr (OP >= 0) {
    if (op == OP) use(Binary<OP>{});
    else with_op<OP - 1>(op, use);
  }
}

/// V neighbours from p, or V times the number there.
template <int V, class T> TT_GPU Floats<V> load_or_repeat(const T* p, bool repeat) {
  if (!repeat) return load_floats<V>(p);
  Floats<V> f;
  const float x = to_float(*p);
  TT_UNROLL
  for (int i = 0; i < V; i++) f.at[i] = x;
  return f;
}

/// steps: sizes and strides in which the last dimension counts packs of V. a_repeat, b_repeat: the operand is one number there.
template <int V, class F, class T, class Index>
__global__ void __launch_bounds__(FLAT_THREADS) broadcast_kernel(T* y, const T* a, const T* b, size_t packs, Steps<Index> steps, bool a_repeat, bool b_repeat, F f) {
  for (size_t i = blockIdx.x * size_t(FLAT_THREADS) + threadIdx.x; i < packs; i += size_t(gridDim.x) * FLAT_THREADS) {
    const Offsets at = offsets_at(steps, Index(i));
    store_floats<V>(y + i * V, apply<V>(f, load_or_repeat<V>(a + at.first, a_repeat), load_or_repeat<V>(b + at.second, b_repeat)));
  }
}

template <int V, class F, class T>
void broadcast(const Gpu& gpu, cudaStream_t stream, T* y, const T* a, const T* b, Walk walk, F f) {
  const int last = walk.ndim - 1;
  const bool a_repeat = walk.first[last] == 0, b_repeat = walk.second[last] == 0;
  walk.size[last] /= V;
  walk.first[last] *= V;
  walk.second[last] *= V;
  const size_t packs = walk.elements();
  const dim3 grid(grid_for(gpu, packs, FLAT_THREADS)), block(FLAT_THREADS);
  if (packs < (size_t(1) << 31)) {
    auto kernel = broadcast_kernel<V, F, T, uint32_t>;
    TT_LAUNCH(kernel, grid, block, 0, stream, y, a, b, packs, steps_of<uint32_t>(walk), a_repeat, b_repeat, f);
  } else {
    auto kernel = broadcast_kernel<V, F, T, uint64_t>;
    TT_LAUNCH(kernel, grid, block, 0, stream, y, a, b, packs, steps_of<uint64_t>(walk), a_repeat, b_repeat, f);
  }
}

/// Every pack of V lies in one row, on a 16-byte boundary of what is loaded as a whole.
template <class T> bool packs_fit(const T* y, const T* a, const T* b, const Walk& walk, int64_t vector) {
  const int last = walk.ndim - 1;
  if (walk.size[last] % vector != 0 || !aligned16(y)) return false;
  auto fits = [&](const T* p, const int64_t* strides) {
    if (strides[last] == 0) return true;
    if (strides[last] != 1 || !aligned16(p)) return false;
    for (int d = 0; d < last; d++)
      if (strides[d] % vector != 0) return false;
    return true;
  };
  return fits(a, walk.first) && fits(b, walk.second);
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_binary(void* y, const void* a, const void* b, const int64_t* dims, int32_t ndim, int32_t op, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_binary", dtype);
  TT_REQUIRE(op >= TT_ADD && op <= TT_EQUAL, "tt_binary: op must be 0..%d, got %d", TT_EQUAL, op);
  size_t elements = 0;
  if (tt_status bad = check_dims("tt_binary", dims, ndim, &elements)) return bad;
  if (elements == 0) return TT_OK;
  TT_REQUIRE(y && a && b, "tt_binary: %s is null", !y ? "y" : !a ? "a" : "b");
  TT_READY("tt_binary");
  cudaStream_t s = stream_of(gpu, stream);
  Walk walk;
  for (int d = 0; d < ndim; d++) walk.add(dims[d * 3], dims[d * 3 + 1], dims[d * 3 + 2]);
  const bool same_shape = walk.ndim == 0 || (walk.ndim == 1 && walk.first[0] == 1 && walk.second[0] == 1);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    constexpr int V = Pack<T>::size;
    T* to = static_cast<T*>(y);
    const T *left = static_cast<const T*>(a), *right = static_cast<const T*>(b);
    with_op(op, [&](auto f) {
      if (same_shape) flat(gpu, s, to, elements, f, left, right);
      else if (packs_fit(to, left, right, walk, V)) broadcast<V>(gpu, s, to, left, right, walk, f);
      else broadcast<1>(gpu, s, to, left, right, walk, f);
    });
  });
  return launched("tt_binary", s);
}
