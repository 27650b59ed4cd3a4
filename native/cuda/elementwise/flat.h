// Flat kernels: y[i] = f(x0[i], x1[i], …) over contiguous arrays, f32 inside, 16 bytes a thread at a time.
//
// A thread loads everything of a round before it computes, so 64 bytes or more of each operand are under way, and y may be
// one of the operands. Elements before the first 16-byte boundary and after the last one are done one by one.
#pragma once
#include "../runtime/internal.h"

// The checks almost every function has, in the words of the CPU library.
#define TT_REQUIRE_DTYPE(name, dtype) TT_REQUIRE(tt::is_compute_dtype(dtype), name ": dtype must be f32 (0) or bf16 (1), got %d", int(dtype))
#define TT_REQUIRE_POINTER(name, pointer) TT_REQUIRE((pointer) != nullptr, name ": " #pointer " is null")
#define TT_REQUIRE_SIZE(name, size) TT_REQUIRE((size) >= 0, name ": " #size " must not be negative, got %d", int(size))

namespace tt {

constexpr int FLAT_THREADS = 256;

template <int V> struct Floats { float at[V]; };

/// V elements as floats; where V is 1 the pointer may have any alignment, else it is that of a Pack.
template <int V, class T> TT_GPU Floats<V> load_floats(const T* p) {
  static_assert(V == 1 || V % Pack<T>::size == 0, "whole packs");
  Floats<V> f;
  if constexpr (V == 1) {
    f.at[0] = to_float(*p);
  } else {
    TT_UNROLL
    for (int i = 0; i < V; i += Pack<T>::size) {
      const Pack<T> pack = load_pack(p + i);
      TT_UNROLL
      for (int j = 0; j < Pack<T>::size; j++) f.at[i + j] = to_float(pack.at[j]);
    }
  }
  return f;
}

/// 16 bytes to global memory by one instruction. An assignment may be taken apart into four of 4 bytes, each of which fills
/// a quarter of every sector that it writes.
TT_GPU void store_words(void* p, const uint4& words) {
#if defined(__CUDACC__)
  __stwb(static_cast<uint4*>(p), words);
#else
  *static_cast<uint4*>(p) = words;
#endif
}

template <int V, class T> TT_GPU void store_floats(T* p, const Floats<V>& f) {
  static_assert(V == 1 || V % Pack<T>::size == 0, "whole packs");
  if constexpr (V == 1) {
    *p = from_float<T>(f.at[0]);
  } else if constexpr (sizeof(T) == 2) {
    TT_UNROLL
    for (int i = 0; i < V; i += 8) {
      uint4 packed;
      packed.x = round_pair<T>(f.at[i], f.at[i + 1]);
      packed.y = round_pair<T>(f.at[i + 2], f.at[i + 3]);
      packed.z = round_pair<T>(f.at[i + 4], f.at[i + 5]);
      packed.w = round_pair<T>(f.at[i + 6], f.at[i + 7]);
      store_words(p + i, packed);
    }
  } else {
    TT_UNROLL
    for (int i = 0; i < V; i += Pack<T>::size) {
      static_assert(sizeof(T) == 4, "a word each");
      uint4 words;
      words.x = __float_as_uint(f.at[i]);
      words.y = __float_as_uint(f.at[i + 1]);
      words.z = __float_as_uint(f.at[i + 2]);
      words.w = __float_as_uint(f.at[i + 3]);
      store_words(p + i, words);
    }
  }
}

template <int V, class F, class... A> TT_GPU Floats<V> apply(const F& f, const A&... a) {
  Floats<V> y;
  TT_UNROLL
  for (int i = 0; i < V; i++) y.at[i] = f(a.at[i]...);
  return y;
}

/// How [0, n) is cut: `head` single elements, then packs, then what is left.
struct FlatRange {
  size_t n, packs;
  int head;
};

/// V > 1: all pointers are on 16-byte boundaries after `head` elements. V = 1: they are not, everything goes one by one.
template <int V, class F, class Y, class... X> __global__ void __launch_bounds__(FLAT_THREADS, 4) flat_kernel(Y* y, FlatRange range, F f, const X*... x) {
  constexpr int ROUND = V == 1 ? 4 : V < 16 ? 16 / V : 1;
  const size_t thread = blockIdx.x * size_t(FLAT_THREADS * ROUND) + threadIdx.x, step = size_t(gridDim.x) * FLAT_THREADS * ROUND;
  for (size_t first = thread; first < range.packs; first += step) {
    Floats<V> results[ROUND];
    TT_UNROLL
    for (int r = 0; r < ROUND; r++) {
      const size_t i = first + size_t(r) * FLAT_THREADS;
      if (i < range.packs) results[r] = apply<V>(f, load_floats<V>(x + range.head + i * V)...);
    }
    TT_UNROLL
    for (int r = 0; r < ROUND; r++) {
      const size_t i = first + size_t(r) * FLAT_THREADS;
      if (i < range.packs) store_floats<V>(y + range.head + i * V, results[r]);
    }
  }
  if constexpr (V > 1) {
    // Fewer than 2·V elements are left at the two ends.
    if (blockIdx.x > 0) return;
    size_t i = threadIdx.x;
    if (i >= size_t(range.head)) i += range.packs * V;
    if (i < range.n) y[i] = from_float<Y>(f(to_float(x[i])...));
  }
}

struct FlatArray {
  const void* address;
  size_t element;
};

/// Elements until every array is on a 16-byte boundary; −1 when they never are together.
template <int COUNT> inline int flat_head(int vector, const FlatArray (&arrays)[COUNT]) {
  for (int head = 0; head < vector; head++) {
    bool all = true;
    for (const FlatArray& a : arrays) all = all && (reinterpret_cast<uintptr_t>(a.address) + size_t(head) * a.element) % 16 == 0;
    if (all) return head;
  }
  return -1;
}

/// A head of −1 (nothing is aligned) leaves everything to packs of one element.
inline FlatRange flat_range(size_t n, int vector, int head) {
  if (head < 0) return {n, n, 0};
  const size_t first = size_t(head) < n ? size_t(head) : n;
  return {n, (n - first) / size_t(vector), int(first)};
}

/// Launches flat_kernel over n > 0 elements. f takes a float of each x and gives the one of y.
template <class F, class Y, class... X> inline void flat(const Gpu& gpu, cudaStream_t stream, Y* y, size_t n, F f, const X*... x) {
  constexpr size_t sizes[] = {sizeof(Y), sizeof(X)...};
  constexpr auto smallest = [](const size_t* all, int count) {
    size_t least = all[0];
    for (int i = 1; i < count; i++) least = all[i] < least ? all[i] : least;
    return least;
  };
  constexpr int V = int(16 / smallest(sizes, 1 + int(sizeof...(X)))), round = V < 16 ? 16 / V : 1;
  const FlatArray arrays[] = {{y, sizeof(Y)}, {x, sizeof(X)}...};
  const int head = flat_head(V, arrays);
  const FlatRange range = flat_range(n, V, head);
  if (head >= 0) {
    auto kernel = flat_kernel<V, F, Y, X...>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, range.packs, size_t(FLAT_THREADS) * round)), dim3(FLAT_THREADS), 0, stream, y, range, f, x...);
  } else {
    auto kernel = flat_kernel<1, F, Y, X...>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, range.packs, size_t(FLAT_THREADS) * 4)), dim3(FLAT_THREADS), 0, stream, y, range, f, x...);
  }
}

}  // namespace tt
