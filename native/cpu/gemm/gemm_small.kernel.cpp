// Few rows (generation): y = x·wᵀ as dot products that read each weight once.
//
// Four weight rows meet four rows of x in registers, so a value of x loaded from L1 serves four weights; with up to 16
// rows the weight rows are read again from L1 only. The time is that of reading w from memory.
#include "gemm.h"
#include "../vectors/simd.h"

namespace tt {
namespace TT_ISA {
namespace {

constexpr int BLOCK = 4;

/// acc[i][j] += x row i · w row j over k elements.
template <int ROWS, class T> TT_INLINE void dots(V (&acc)[ROWS][BLOCK], const float* x, size_t ldx, const T* const* w, int k) {
  int p = 0;
  for (; p + LANES <= k; p += LANES) {
    V b[BLOCK];
    for (int j = 0; j < BLOCK; j++) b[j] = load_any(w[j] + p);
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++) {
      V a = load(x + size_t(i) * ldx + p);
#pragma GCC unroll 4
      for (int j = 0; j < BLOCK; j++) acc[i][j] = fma(a, b[j], acc[i][j]);
    }
  }
  if (p < k) {
    V b[BLOCK];
    for (int j = 0; j < BLOCK; j++) b[j] = load_any_n(w[j] + p, k - p);
    for (int i = 0; i < ROWS; i++) {
      V a = load_n(x + size_t(i) * ldx + p, k - p);
      for (int j = 0; j < BLOCK; j++) acc[i][j] = fma(a, b[j], acc[i][j]);
    }
  }
}

template <int ROWS> TT_INLINE void dots_operand(V (&acc)[ROWS][BLOCK], const float* x, size_t ldx, const Operand& w, const int* columns, int k) {
  if (w.dtype == TT_F32) {
    const float* rows[BLOCK];
    for (int j = 0; j < BLOCK; j++) rows[j] = static_cast<const float*>(w.data) + size_t(columns[j]) * w.ld;
    dots<ROWS>(acc, x, ldx, rows, k);
  } else {
    const uint16_t* rows[BLOCK];
    for (int j = 0; j < BLOCK; j++) rows[j] = static_cast<const uint16_t*>(w.data) + size_t(columns[j]) * w.ld;
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
    uint16_t* c = static_cast<uint16_t*>(g.c) + size_t(row) * g.ldc + column;
    V x = set1(value);
    if (g.beta != 0) x = fma(set1(g.beta), load_bf16_n(c, 1), x);
    store_bf16_n(c, x, 1);
  }
}

template <int ROWS> void block(const SmallGemm& g, int row, int column, int last) {
  V acc[ROWS][BLOCK];
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < BLOCK; j++) acc[i][j] = zero();
  int columns[BLOCK];  // beyond the end the last column is computed again and thrown away
  for (int j = 0; j < BLOCK; j++) columns[j] = column + j < last ? column + j : last - 1;
  const float* x = g.x + size_t(row) * g.ldx;
  dots_operand<ROWS>(acc, x, g.ldx, g.w, columns, g.k);
  if (g.k2) dots_operand<ROWS>(acc, x + g.k, g.ldx, g.w2, columns, g.k2);
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < BLOCK && column + j < last; j++) put(g, row + i, column + j, sum(acc[i][j]));
}

}  // namespace

void gemm_small_rows(const SmallGemm& g, int first, int last) {
  for (int column = first; column < last; column += BLOCK) {
    int row = 0;
    for (; row + 4 <= g.m; row += 4) block<4>(g, row, column, last);
    switch (g.m - row) {
      case 3: block<3>(g, row, column, last); break;
      case 2: block<2>(g, row, column, last); break;
      case 1: block<1>(g, row, column, last); break;
    }
  }
}

void widen_row(float* dst, const void* src, tt_dtype dtype, int n, float scale) {
  V s = set1(scale);
  for (int i = 0; i < n; i += LANES) {
    int lanes = n - i < LANES ? n - i : LANES;
    V x = dtype == TT_F32 ? load_n(static_cast<const float*>(src) + i, lanes) : load_bf16_n(static_cast<const uint16_t*>(src) + i, lanes);
    store_n(dst + i, mul(x, s), lanes);
  }
}

}  // namespace TT_ISA
}  // namespace tt
