// Few rows (generation): y = x·wᵀ as dot products that read each weight once.
//
// Four weight rows meet some rows of x in registers, so a value of x loaded from L1 serves four weights; with up to 16
// rows the weight rows are read again from L1 only. The time is that of reading w from memory.
#include "gemm.h"
#include "../vectors/vectors.h"

namespace tt {
namespace TT_ISA {
namespace {

constexpr int BLOCK = 4;
// Rows that meet them at once: their sums must fit the registers.
#if TT_AVX512 || TT_AVX2
constexpr int ROWS_AT_ONCE = 4;
#else
constexpr int ROWS_AT_ONCE = 2;
#endif

/// acc[i][j] += x row i · w row j over k elements.
template <int ROWS, class T> TT_INLINE void dots(vf (&acc)[ROWS][BLOCK], const float* x, size_t ldx, const T* const* w, int k) {
  int p = 0;
  for (; p + W <= k; p += W) {
    vf b[BLOCK];
    for (int j = 0; j < BLOCK; j++) b[j] = load(w[j] + p);
    TT_UNROLL
    for (int i = 0; i < ROWS; i++) {
      vf a = load(x + size_t(i) * ldx + p);
      TT_UNROLL
      for (int j = 0; j < BLOCK; j++) acc[i][j] = fma_v(a, b[j], acc[i][j]);
    }
  }
  if (p < k) {
    vf b[BLOCK];
    for (int j = 0; j < BLOCK; j++) b[j] = load_n(w[j] + p, k - p);
    for (int i = 0; i < ROWS; i++) {
      vf a = load_n(x + size_t(i) * ldx + p, k - p);
      for (int j = 0; j < BLOCK; j++) acc[i][j] = fma_v(a, b[j], acc[i][j]);
    }
  }
}

template <int ROWS> TT_INLINE void dots_operand(vf (&acc)[ROWS][BLOCK], const float* x, size_t ldx, const Operand& w, const int* columns, int k) {
  if (w.dtype == TT_F32) {
    const float* rows[BLOCK];
    for (int j = 0; j < BLOCK; j++) rows[j] = static_cast<const float*>(w.data) + size_t(columns[j]) * w.ld;
    dots<ROWS>(acc, x, ldx, rows, k);
  } else {
    const bf16* rows[BLOCK];
    for (int j = 0; j < BLOCK; j++) rows[j] = static_cast<const bf16*>(w.data) + size_t(columns[j]) * w.ld;
    dots<ROWS>(acc, x, ldx, rows, k);
  }
}

void put(const SmallGemm& g, int row, int column, float value) {
  value *= g.alpha;
  if (g.bias) value += g.bias[column];
  if (g.c_dtype == TT_F32) {
    float* c = static_cast<float*>(g.c) + size_t(row) * g.ldc + column;
    *c = g.beta != 0 ? value + g.beta * *c : value;
  } else {
    bf16* c = static_cast<bf16*>(g.c) + size_t(row) * g.ldc + column;
    vf x = set1(value);
    if (g.beta != 0) x = fma_v(set1(g.beta), load_n(c, 1), x);
    store_n(c, x, 1);
  }
}

template <int ROWS> void block(const SmallGemm& g, int row, int column, int last) {
  vf acc[ROWS][BLOCK];
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < BLOCK; j++) acc[i][j] = vf{};
  int columns[BLOCK];  // beyond the end the last column is computed again and thrown away
  for (int j = 0; j < BLOCK; j++) columns[j] = column + j < last ? column + j : last - 1;
  const float* x = g.x + size_t(row) * g.ldx;
  dots_operand<ROWS>(acc, x, g.ldx, g.w, columns, g.k);
  if (g.k2) dots_operand<ROWS>(acc, x + g.k, g.ldx, g.w2, columns, g.k2);
  TT_UNROLL
  for (int i = 0; i < ROWS; i++) {
    TT_UNROLL
    for (int j = 0; j < BLOCK; j++)
      if (column + j < last) put(g, row + i, column + j, sum_lanes(acc[i][j]));
  }
}

}  // namespace

void gemm_small_rows(const SmallGemm& g, int first, int last) {
  for (int column = first; column < last; column += BLOCK) {
    int row = 0;
    for (; row + ROWS_AT_ONCE <= g.m; row += ROWS_AT_ONCE) block<ROWS_AT_ONCE>(g, row, column, last);
    if constexpr (ROWS_AT_ONCE > 2) {
      if (g.m - row == 3) block<3>(g, row, column, last);
      if (g.m - row == 2) block<2>(g, row, column, last);
    }
    if (g.m - row == 1) block<1>(g, row, column, last);
  }
}

void widen_row(float* dst, const void* src, tt_dtype dtype, int n, float scale) {
  vf s = set1(scale);
  for (int i = 0; i < n; i += W) {
    int lanes = n - i < W ? n - i : W;
    vf x = dtype == TT_F32 ? load_n(static_cast<const float*>(src) + i, lanes) : load_n(static_cast<const bf16*>(src) + i, lanes);
    store_n(dst + i, x * s, lanes);
  }
}

}  // namespace TT_ISA
}  // namespace tt
