// The parts of a linear layer that are not matrix products: dropout masks on the LoRA path and the bias gradient.
#include "linear.h"
#include "../runtime/philox.h"
#include "../vectors/simd.h"

namespace tt {
namespace TT_ISA {
namespace {

/// keep[i] = 1 or 0 for elements first … first + n of the mask.
void keep_mask(float* keep, const uint32_t* rng, size_t first, int n, uint32_t threshold) {
  uint32_t words[PHILOX_BATCH];
  philox_words(words, rng, first, n);
  for (int i = 0; i < n; i++) keep[i] = words[i] < threshold ? 0.0f : 1.0f;
}

template <class T> void mask_all(T* dst, const T* src, size_t n, size_t first, const uint32_t* rng, uint32_t threshold) {
  float keep[PHILOX_BATCH];
  for (size_t start = 0; start < n; start += PHILOX_BATCH) {
    int count = n - start < PHILOX_BATCH ? int(n - start) : PHILOX_BATCH;
    keep_mask(keep, rng, first + start, count, threshold);
    // Selected, not multiplied: a dropped Inf or NaN must be gone.
    for (int i = 0; i < count; i++) dst[start + i] = keep[i] != 0 ? src[start + i] : T(0);
  }
}

template <class T> void add_masked_all(T* dst, const float* src, size_t n, size_t first, const uint32_t* rng, uint32_t threshold) {
  float keep[PHILOX_BATCH];
  for (size_t start = 0; start < n; start += PHILOX_BATCH) {
    int count = n - start < PHILOX_BATCH ? int(n - start) : PHILOX_BATCH;
    keep_mask(keep, rng, first + start, count, threshold);
    for (int i = 0; i < count; i += LANES) {
      int lanes = count - i < LANES ? count - i : LANES;
      V x = fma(load_n(keep + i, lanes), load_n(src + start + i, lanes), load_any_n(dst + start + i, lanes));
      store_any_n(dst + start + i, x, lanes);
    }
  }
}

template <class T> void sums(float* out, const T* x, int rows, size_t cols, int first, int last) {
  for (int column = first; column < last; column += 4 * LANES) {
    // Two levels of sums: the error grows with the number of groups, not of rows.
    V total[4] = {zero(), zero(), zero(), zero()};
    for (int row = 0; row < rows; row += 64) {
      V part[4] = {zero(), zero(), zero(), zero()};
      for (int r = row; r < rows && r < row + 64; r++) {
        for (int v = 0; v < 4; v++) {
          int left = last - column - v * LANES;
          if (left > 0) part[v] = add(part[v], load_any_n(x + size_t(r) * cols + column + v * LANES, left < LANES ? left : LANES));
        }
      }
      for (int v = 0; v < 4; v++) total[v] = add(total[v], part[v]);
    }
    for (int v = 0; v < 4; v++) {
      int left = last - column - v * LANES, lanes = left < LANES ? left : LANES;
      float* to = out + column + v * LANES;
      if (left > 0) store_n(to, add(load_n(to, lanes), total[v]), lanes);
    }
  }
}

}  // namespace

void apply_mask(void* dst, const void* src, size_t n, size_t first, const uint32_t* rng, uint32_t threshold, tt_dtype dtype) {
  if (dtype == TT_F32) mask_all(static_cast<float*>(dst), static_cast<const float*>(src), n, first, rng, threshold);
  else mask_all(static_cast<uint16_t*>(dst), static_cast<const uint16_t*>(src), n, first, rng, threshold);
}

void add_masked(void* dst, const float* src, size_t n, size_t first, const uint32_t* rng, uint32_t threshold, tt_dtype dtype) {
  if (dtype == TT_F32) add_masked_all(static_cast<float*>(dst), src, n, first, rng, threshold);
  else add_masked_all(static_cast<uint16_t*>(dst), src, n, first, rng, threshold);
}

void add_column_sums(float* out, const void* x, int rows, int cols, int first, int last, tt_dtype dtype) {
  if (dtype == TT_F32) sums(out, static_cast<const float*>(x), rows, size_t(cols), first, last);
  else sums(out, static_cast<const uint16_t*>(x), rows, size_t(cols), first, last);
}

}  // namespace TT_ISA
}  // namespace tt
