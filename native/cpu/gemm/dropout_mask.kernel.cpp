// Masks of dropout: 4·W words at a time, selected and not multiplied, so that a dropped Inf or NaN is gone.
#include "dropout_mask.h"

#include "../vectors/philox-lanes.h"

namespace tt::TT_ISA {
namespace {

/// body(i, count, words) for runs of count ≤ W elements that cover [0, n); words are those of elements first + i ….
template <class F> inline void each_run(const DropoutMask& mask, size_t first, size_t n, const F& body) {
  const uint64_t start = rng_offset(mask.rng) + first;
  uint32_t words[4 * W];
  uint64_t block = start >> 2;
  size_t skipped = size_t(start & 3);  // words of the first block that belong to earlier elements
  for (size_t i = 0; i < n; block += W, skipped = 0) {
    philox_words(words, mask.rng, block);
    if (skipped == 0 && n - i >= 4 * W) {
      for (size_t j = 0; j < 4 * W; j += W) body(i + j, size_t(W), load_bits<vu>(words + j));
      i += 4 * W;
      continue;
    }
    const size_t count = n - i < 4 * W - skipped ? n - i : 4 * W - skipped;
    for (size_t j = 0; j < count; j += W) {
      const size_t some = count - j < size_t(W) ? count - j : size_t(W);
      vu drawn{};
      memcpy(&drawn, words + skipped + j, some * sizeof(uint32_t));
      body(i + j, some, drawn);
    }
    i += count;
  }
}

template <class T> vf load_some(const T* from, size_t n) { return n == size_t(W) ? load(from) : load_n(from, n); }
template <class T> void store_some(T* to, vf x, size_t n) {
  if (n == size_t(W)) store(to, x);
  else store_n(to, x, n);
}

template <class T> void apply(T* dst, const T* src, size_t n, size_t first, const DropoutMask& mask) {
  const uint32_t threshold = mask.threshold;
  each_run(mask, first, n, [=](size_t i, size_t count, vu drawn) {
    const vf x = load_some(src + i, count);
    store_some(dst + i, drawn >= threshold ? x : vf{}, count);
  });
}

template <class T> void put(T* dst, const float* src, size_t n, size_t first, const DropoutMask& mask, bool add) {
  const uint32_t threshold = mask.threshold;
  each_run(mask, first, n, [=](size_t i, size_t count, vu drawn) {
    const vf x = load_some(src + i, count), kept = drawn >= threshold ? x : vf{};
    store_some(dst + i, add ? load_some(dst + i, count) + kept : kept, count);
  });
}

}  // namespace

void apply_mask(void* dst, const void* src, size_t n, size_t first, const DropoutMask& mask, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, apply(static_cast<T*>(dst), static_cast<const T*>(src), n, first, mask));
}

void put_masked(void* dst, const float* src, size_t n, size_t first, const DropoutMask& mask, bool add, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, put(static_cast<T*>(dst), src, n, first, mask, add));
}

}  // namespace tt::TT_ISA
