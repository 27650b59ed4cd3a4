// Thin products in f32: blocks of RANKS × two vectors of columns stay in registers over a band of rows. Bands are taken from
// left to right, so that x is read as it lies in memory; the sums of all columns wait in L2.
#include "thin.h"
#include "../vectors/vectors.h"

namespace tt {
namespace TT_ISA {
namespace {

#if TT_AVX512
constexpr int RANKS = 8;
#else
constexpr int RANKS = 4;
#endif

constexpr int BAND = 64;

template <class T> TT_INLINE void block(const ThinPart& part, const T* x, int row, int rows, int rank, int ranks, int column) {
  vf acc[RANKS][2];
  float* out = part.partial + size_t(rank) * thin_columns(part.n) + column;
  const size_t ld = size_t(thin_columns(part.n));
  TT_UNROLL
  for (int i = 0; i < RANKS; i++) {
    acc[i][0] = row && i < ranks ? load(out + i * ld) : vf{};
    acc[i][1] = row && i < ranks ? load(out + i * ld + W) : vf{};
  }
  const int left = part.n - column, n0 = left < W ? left : W, n1 = left - n0 < W ? left - n0 : W;
  const float* t = part.t + size_t(row) * part.rank + rank;
  for (int r = 0; r < rows; r++, x += part.n, t += part.rank) {
    vf x0, x1;
    // Rows are far apart: the next columns would come too late by themselves.
    prefetch(x + 2 * W);
    prefetch(x + 3 * W);
    if (n1 == W) {
      x0 = load(x);
      x1 = load(x + W);
    } else {
      x0 = load_n(x, n0);
      x1 = n1 > 0 ? load_n(x + W, n1) : vf{};
    }
    if (ranks == RANKS) {
      TT_UNROLL
      for (int i = 0; i < RANKS; i++) {
        vf s = set1(t[i]);
        acc[i][0] = fma_v(s, x0, acc[i][0]);
        acc[i][1] = fma_v(s, x1, acc[i][1]);
      }
    } else {
      TT_UNROLL
      for (int i = 0; i < RANKS; i++) {
        vf s = set1(i < ranks ? t[i] : 0);
        acc[i][0] = fma_v(s, x0, acc[i][0]);
        acc[i][1] = fma_v(s, x1, acc[i][1]);
      }
    }
  }
  TT_UNROLL
  for (int i = 0; i < RANKS; i++) {
    if (i < ranks) {
      store(out + i * ld, acc[i][0]);
      store(out + i * ld + W, acc[i][1]);
    }
  }
}

template <class T> void all_blocks(const ThinPart& part) {
  const int band = part.mask ? thin_masked_rows(part.n) : BAND;
  for (int row = 0; row < part.rows; row += band) {
    const int rows = part.rows - row < band ? part.rows - row : band;
    const T* source = static_cast<const T*>(part.x) + size_t(row) * part.n;
    if (part.mask) {
      apply_mask(part.scratch, source, size_t(rows) * part.n, part.first + size_t(row) * part.n, *part.mask, part.dtype);
      source = static_cast<const T*>(part.scratch);
    }
    for (int column = 0; column < part.n; column += 2 * W) {
      const T* x = source + column;
      for (int rank = 0; rank < part.rank; rank += RANKS) block(part, x, row, rows, rank, part.rank - rank < RANKS ? part.rank - rank : RANKS, column);
    }
  }
}

}  // namespace

void thin_partial(const ThinPart& part) {
  part.dtype == TT_F32 ? all_blocks<float>(part) : all_blocks<bf16>(part);
}

void thin_reduce(const ThinReduce& r, int first, int last) {
  vf f = set1(r.factor);
  for (int i = 0; i < r.rank; i++) {
    for (int j = first; j < last; j += W) {
      const int lanes = last - j < W ? last - j : W;
      const float* from = r.partial + j / 16 * r.layout.block + i * r.layout.row + j % 16;
      vf sum{};
      for (int p = 0; p < r.parts; p++) sum += load(from + p * r.stride);
      if (!r.transposed) {
        float* out = r.dw + size_t(i) * r.n + j;
        store_n(out, fma_v(f, sum, load_n(out, lanes)), lanes);
      } else {
        float values[W];
        store(values, f * sum);
        for (int l = 0; l < lanes; l++) r.dw[size_t(j + l) * r.rank + i] += values[l];
      }
    }
  }
}

}  // namespace TT_ISA
}  // namespace tt
