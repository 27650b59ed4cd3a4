// y = x·keep/(1 − p), the mask drawn again on every call from the counter-based generator.
#include "elementwise.h"
#include "../vectors/philox-lanes.h"

namespace tt::TT_ISA {

template <class T> static void dropout(T* y, const T* x, const uint32_t* rng, size_t first, size_t n, float p) {
  const uint32_t threshold = dropout_threshold(p);
  const vf scale = set1(float(1.0 / (1.0 - double(p))));
  const uint64_t start = rng_offset(rng) + first;
  uint32_t words[4 * W];
  uint64_t block = start >> 2;
  size_t used = size_t(start & 3);  // words of the first block that belong to earlier elements
  for (size_t i = 0; i < n; block += W, used = 0) {
    philox_words(words, rng, block);
    if (used == 0 && n - i >= 4 * W) {
      for (int j = 0; j < 4 * W; j += W) {
        vf v = load(x + i + j) * scale;
        store(y + i + j, load_bits<vu>(words + j) >= threshold ? v : vf{});
      }
      i += 4 * W;
      continue;
    }
    size_t count = n - i < 4 * W - used ? n - i : 4 * W - used;
    for (size_t j = 0; j < count; j += W) {
      size_t some = count - j < size_t(W) ? count - j : size_t(W);
      vu drawn{};
      memcpy(&drawn, words + used + j, some * 4);
      vf v = some == size_t(W) ? load(x + i + j) : load_n(x + i + j, some);
      v = drawn >= threshold ? v * scale : vf{};
      if (some == size_t(W)) store(y + i + j, v);
      else store_n(y + i + j, v, some);
    }
    i += count;
  }
}

void dropout_range(void* y, const void* x, const uint32_t* rng, size_t first, size_t n, float p, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, dropout(static_cast<T*>(y), static_cast<const T*>(x), rng, first, n, p));
}

}  // namespace tt::TT_ISA
