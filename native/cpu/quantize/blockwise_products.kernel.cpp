// Products of few rows of x with an nf4 or fp4 weight as it lies packed: codes become numbers in registers, once for all rows of x, and the sum of a block is
// scaled.
#include "blockwise.h"

#include "codes.h"

namespace tt::TT_ISA {
namespace {

#if TT_AVX512
constexpr int MOST_ROWS = 4;
#else
constexpr int MOST_ROWS = 2;
#endif

/// Bytes that the first rows of x ask memory for ahead.
constexpr size_t AHEAD = 4096;

/// M rows of x by P rows of the weight, from row `first` on.
template <int M, int P> void block(const BlockwiseProduct& t, int row, int first) {
  const PackedWeight& w = *t.weight;
  const float* values = w.kind == TT_NF4 ? NF4_VALUES : FP4_VALUES;
  const size_t cols = size_t(w.cols), blocks = cols / w.block;
  const float* x = t.x + size_t(row) * t.stride;
  vf sums[M][P] = {};
  for (size_t b = 0; b < blocks; b++) {
    vf even[M][P] = {}, odd[M][P] = {};
    // There is less work than waiting; rows of x after the first ones find the weight in the cache.
    if (row == 0)
      for (int j = 0; j < P; j++) prefetch<Cache::FAR>(w.data + (size_t(first + j) * cols + b * w.block) / 2 + AHEAD);
    for (size_t k = b * w.block; k < (b + 1) * w.block; k += 2 * W) {
      vf high[P], low[P];
      TT_UNROLL for (int j = 0; j < P; j++) {
        const vi codes = load_codes(w.data + (size_t(first + j) * cols + k) / 2);
        high[j] = look_up16(values, codes >> 4);
#if TT_AVX512 || TT_AVX2
        low[j] = look_up16(values, codes);  // which looks at four bits
#else
        low[j] = look_up16(values, codes & 15);
#endif
      }
      TT_UNROLL for (int m = 0; m < M; m++) {
        const vf a = load(x + size_t(m) * t.stride + k), c = load(x + size_t(m) * t.stride + k + W);
        TT_UNROLL for (int j = 0; j < P; j++) {
          even[m][j] = fma_v(high[j], a, even[m][j]);
          odd[m][j] = fma_v(low[j], c, odd[m][j]);
        }
      }
    }
    TT_UNROLL for (int j = 0; j < P; j++) {
      const vf scale = set1(block_scale(w, size_t(first + j) * blocks + b));
      TT_UNROLL for (int m = 0; m < M; m++) sums[m][j] = fma_v(even[m][j] + odd[m][j], scale, sums[m][j]);
    }
  }
  for (int m = 0; m < M; m++)
    for (int j = 0; j < P; j++) t.sums[size_t(row + m) * t.ld + size_t(first + j - t.first)] = sum_lanes(sums[m][j]);
}

template <int P> void rows_of(const BlockwiseProduct& t, int first) {
  int row = 0;
  for (; row + MOST_ROWS <= t.rows; row += MOST_ROWS) block<MOST_ROWS, P>(t, row, first);
  for (; row < t.rows; row++) block<1, P>(t, row, first);
}

}  // namespace

bool multiplies_blocks(const PackedWeight& w) { return size_t(w.cols) % w.block == 0 && w.block % (2 * W) == 0; }

void split_pairs(float* to, const float* from, size_t n) {
  for (size_t k = 0; k < n; k += 2 * W)
    for (size_t i = 0; i < size_t(W); i++) {
      to[k + i] = from[k + 2 * i];
      to[k + W + i] = from[k + 2 * i + 1];
    }
}

void blockwise_products(const BlockwiseProduct& t) {
  int i = 0;
  if (t.rows < MOST_ROWS)
    for (; i + 4 <= t.count; i += 4) rows_of<4>(t, t.first + i);
  for (; i + 2 <= t.count; i += 2) rows_of<2>(t, t.first + i);
  if (i < t.count) rows_of<1>(t, t.first + i);
}

}  // namespace tt::TT_ISA
