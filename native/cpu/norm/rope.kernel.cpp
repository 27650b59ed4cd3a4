// Rotary positions (Su et al., arXiv:2104.09864) in the rotate-half layout: channel i turns together with i + rotary/2.
#include "norm.h"
#include "../vectors/vectors.h"

namespace tt::TT_ISA {

template <class T> static void turn(T* y, const T* x, const float* cos, const float* sin, size_t half, float sign) {
  size_t i = 0;
  for (; i + W <= half; i += W) {
    vf a = load(x + i), b = load(x + half + i), c = load(cos + i), s = load(sin + i) * sign;
    store(y + i, a * c - b * s);
    store(y + half + i, b * c + a * s);
  }
  if (i == half) return;
  size_t n = half - i;
  vf a = load_n(x + i, n), b = load_n(x + half + i, n), c = load_n(cos + i, n), s = load_n(sin + i, n) * sign;
  store_n(y + i, a * c - b * s, n);
  store_n(y + half + i, b * c + a * s, n);
}

template <class T> static void tokens_of(T* y, const T* x, const int32_t* positions, size_t tokens, const Rope& rope) {
  const size_t half = size_t(rope.rotary_dim) / 2, size = size_t(rope.head_dim), rest = size - 2 * half;
  for (size_t t = 0; t < tokens; t++) {
    const float* cos = rope.cos + size_t(positions[t]) * half;
    const float* sin = rope.sin + size_t(positions[t]) * half;
    for (int head = 0; head < rope.heads; head++, x += size, y += size) {
      turn(y, x, cos, sin, half, rope.inverse ? -1.0f : 1.0f);
      if (rest && x != y) memcpy(y + 2 * half, x + 2 * half, rest * sizeof(T));
    }
  }
}

void rope_tokens(void* y, const void* x, const int32_t* positions, size_t tokens, const Rope& rope, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, tokens_of(static_cast<T*>(y), static_cast<const T*>(x), positions, tokens, rope));
}

}  // namespace tt::TT_ISA
