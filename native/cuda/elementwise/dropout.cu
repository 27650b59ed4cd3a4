// y = x·keep/(1 − p), the mask drawn again on every call from the counter-based generator.
#include "flat.h"
#include "../runtime/philox.h"

namespace tt {
namespace {

struct Mask {
  Rng rng;
  uint32_t threshold;
  float scale;
  TT_GPU float apply(float x, uint32_t word) const { return word >= threshold ? x * scale : 0.f; }
  TT_GPU float apply_at(float x, size_t i) const {
    const uint64_t element = rng.offset + i;
    const Philox4 four = philox_block(rng, element >> 2);
    const uint32_t k = uint32_t(element) & 3;
    return apply(x, k == 0 ? four.word[0] : k == 1 ? four.word[1] : k == 2 ? four.word[2] : four.word[3]);
  }
};

template <class T> __global__ void __launch_bounds__(FLAT_THREADS) dropout_kernel(T* y, const T* x, FlatRange range, Mask mask) {
  constexpr int V = Pack<T>::size;
  const size_t thread = blockIdx.x * size_t(FLAT_THREADS) + threadIdx.x;
  for (size_t pack = thread; pack < range.packs; pack += size_t(gridDim.x) * FLAT_THREADS) {
    const size_t i = range.head + pack * V;
    Floats<V> f = load_floats<V>(x + i);
    uint32_t words[V];
    philox_words<V>(words, mask.rng, i);
    TT_UNROLL
    for (int j = 0; j < V; j++) f.at[j] = mask.apply(f.at[j], words[j]);
    store_floats<V>(y + i, f);
  }
  if (blockIdx.x > 0) return;
  size_t i = threadIdx.x;
  if (i >= size_t(range.head)) i += range.packs * V;
  if (i < range.n) y[i] = from_float<T>(mask.apply_at(to_float(x[i]), i));
}

/// Where x and y are never aligned together.
template <class T> __global__ void __launch_bounds__(FLAT_THREADS) dropout_single_kernel(T* y, const T* x, size_t n, Mask mask) {
  const size_t step = size_t(gridDim.x) * FLAT_THREADS;
  for (size_t i = blockIdx.x * size_t(FLAT_THREADS) + threadIdx.x; i < n; i += step) y[i] = from_float<T>(mask.apply_at(to_float(x[i]), i));
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_dropout(void* y, const void* x, const uint32_t* rng, size_t n, float p, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_dropout", dtype);
  TT_REQUIRE(p >= 0 && p <= 1, "tt_dropout: p must be 0..1, got %g", double(p));
  TT_REQUIRE_HOLD("tt_dropout", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_dropout", y);
  TT_REQUIRE_POINTER("tt_dropout", x);
  TT_REQUIRE_POINTER("tt_dropout", rng);
  if (p == 1) return tt_fill(y, n, 0, dtype, stream);
  TT_READY("tt_dropout");
  cudaStream_t s = stream_of(gpu, stream);
  const Mask mask = {rng_from(rng), dropout_threshold(p), dropout_keep_scale(p)};
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    T* to = static_cast<T*>(y);
    const T* from = static_cast<const T*>(x);
    const FlatArray arrays[] = {{to, sizeof(T)}, {from, sizeof(T)}};
    const int head = flat_head(Pack<T>::size, arrays);
    if (head >= 0) {
      const FlatRange range = flat_range(n, Pack<T>::size, head);
      auto kernel = dropout_kernel<T>;
      TT_LAUNCH(kernel, dim3(grid_for(gpu, range.packs, FLAT_THREADS)), dim3(FLAT_THREADS), 0, s, to, from, range, mask);
    } else {
      auto kernel = dropout_single_kernel<T>;
      TT_LAUNCH(kernel, dim3(grid_for(gpu, n, FLAT_THREADS)), dim3(FLAT_THREADS), 0, s, to, from, n, mask);
    }
  });
  return launched("tt_dropout", s);
}
