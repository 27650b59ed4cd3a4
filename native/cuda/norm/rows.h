// Reading and writing rows: N elements at a time as f32, N being what 16 bytes hold, or 1 where nothing is aligned.
#pragma once
#include <string.h>

#include "../runtime/internal.h"

namespace tt {

/// N elements as they lie in memory.
template <class T, int N> struct alignas(N * sizeof(T)) Lanes { T at[N]; };

template <int N, class T> TT_GPU Lanes<T, N> take(const T* p) { return *reinterpret_cast<const Lanes<T, N>*>(p); }

template <int N, class T> TT_GPU void widen(float (&v)[N], const Lanes<T, N>& lanes) {
  TT_UNROLL
  for (int e = 0; e < N; e++) v[e] = to_float(lanes.at[e]);
}
/// Two at a time: a shift and a mask a word, instead of taking halves apart.
template <> TT_GPU void widen(float (&v)[8], const Lanes<bf16, 8>& lanes) {
  uint32_t words[4];
  memcpy(words, &lanes, sizeof words);
  TT_UNROLL
  for (int i = 0; i < 4; i++) {
    v[2 * i] = low_bf16(words[i]);
    v[2 * i + 1] = high_bf16(words[i]);
  }
}

template <int N, class T> TT_GPU Lanes<T, N> narrow(const float (&v)[N]) {
  Lanes<T, N> lanes;
  if constexpr (N == 8 && sizeof(T) == 2) {
    uint32_t words[4];
    TT_UNROLL
    for (int i = 0; i < 4; i++) words[i] = pack_bf16(v[2 * i], v[2 * i + 1]);
    memcpy(&lanes, words, sizeof words);
  } else {
    TT_UNROLL
    for (int e = 0; e < N; e++) lanes.at[e] = from_float<T>(v[e]);
  }
  return lanes;
}

template <int N, class T> TT_GPU void read(float (&v)[N], const T* p) { widen(v, take<N>(p)); }
template <int N, class T> TT_GPU void write(T* p, const float (&v)[N]) {
  *reinterpret_cast<Lanes<T, N>*>(p) = narrow<N, T>(v);
}

/// out[c] += Σ partials[r·stride + c] over `rows` rows, always in the same order. Null `out`: nothing.
tt_status add_partial_rows(const char* op, float* out, const float* partials, int rows, size_t stride, int cols, cudaStream_t stream);

}  // namespace tt
