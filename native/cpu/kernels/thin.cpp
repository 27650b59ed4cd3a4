// Thin products in f32: blocks of RANKS × two vectors of columns stay in registers over all rows of the part.
#include "../thin.h"
#include "simd.h"

namespace tt {
namespace TT_ISA {
namespace {

#if TT_AVX512
constexpr int RANKS = 8;
#else
constexpr int RANKS = 4;
#endif

template <class T> TT_INLINE void block(const ThinPart& part, const T* x, int rank, int ranks, int column) {
  V acc[RANKS][2];
  for (int i = 0; i < RANKS; i++) acc[i][0] = acc[i][1] = zero();
  const int left = part.n - column, n0 = left < LANES ? left : LANES, n1 = left - n0 < LANES ? left - n0 : LANES;
  const float* t = part.t + rank;
  for (int row = 0; row < part.rows; row++, x += part.n, t += part.rank) {
    V x0, x1;
    if (n1 == LANES) {
      x0 = load_any(x);
      x1 = load_any(x + LANES);
    } else {
      x0 = load_any_n(x, n0);
      x1 = n1 > 0 ? load_any_n(x + LANES, n1) : zero();
    }
    if (ranks == RANKS) {
#pragma GCC unroll 8
      for (int i = 0; i < RANKS; i++) {
        V s = set1(t[i]);
        acc[i][0] = fma(s, x0, acc[i][0]);
        acc[i][1] = fma(s, x1, acc[i][1]);
      }
    } else {
      for (int i = 0; i < ranks; i++) {
        V s = set1(t[i]);
        acc[i][0] = fma(s, x0, acc[i][0]);
        acc[i][1] = fma(s, x1, acc[i][1]);
      }
    }
  }
  for (int i = 0; i < ranks; i++) {
    float* out = part.partial + size_t(rank + i) * part.ld + column;
    store(out, acc[i][0]);
    store(out + LANES, acc[i][1]);
  }
}

template <class T> void all_blocks(const ThinPart& part) {
  for (int column = 0; column < part.n; column += 2 * LANES)
    for (int rank = 0; rank < part.rank; rank += RANKS)
      block(part, static_cast<const T*>(part.x) + column, rank, part.rank - rank < RANKS ? part.rank - rank : RANKS, column);
}

}  // namespace

void thin_partial(const ThinPart& part) {
  part.dtype == TT_F32 ? all_blocks<float>(part) : all_blocks<uint16_t>(part);
}

void thin_reduce(float* dw, bool transposed, const float* partial, size_t stride, int parts, int rank, int n, int ld, int first, int last, float factor) {
  V f = set1(factor);
  for (int i = 0; i < rank; i++) {
    for (int j = first; j < last; j += LANES) {
      const int lanes = last - j < LANES ? last - j : LANES;
      V sum = zero();
      for (int p = 0; p < parts; p++) sum = add(sum, load(partial + p * stride + size_t(i) * ld + j));
      if (!transposed) {
        float* out = dw + size_t(i) * n + j;
        store_n(out, fma(f, sum, load_n(out, lanes)), lanes);
      } else {
        float values[LANES];
        store(values, mul(f, sum));
        for (int l = 0; l < lanes; l++) dw[size_t(j + l) * rank + i] += values[l];
      }
    }
  }
}

}  // namespace TT_ISA
}  // namespace tt
