// Small f32 matrix products for blocks that live in L1 and L2: C (m,n) = keep·C + A·B, B in panels of TILE columns.
#pragma once
#include "vectors.h"

namespace tt::TT_ISA {

#ifdef TT_AVX512
constexpr int STRIP = 14;  // rows of a register tile: 28 accumulators, 2 of B, 1 broadcast of 32 registers
#else
constexpr int STRIP = 6;  // 12 accumulators of 16
#endif
constexpr int TILE = 2 * W;

/// Row-major A: stride `row`, step 1 along k. Transposed A: step `row` along k.
struct Left { const float* data; size_t row; };
/// Column j, row k at data[(j / TILE)·panel + k·row + j % TILE]: packed panels (row = TILE) or a plain matrix (panel = TILE).
struct Right { const float* data; size_t row, panel; };

template <int M, int NV, bool TRANSPOSED>
static void tile(float* c, size_t c_row, const float* a, size_t a_row, const float* b, size_t b_row, size_t k, const float* keep) {
  vf sum[M][NV];
#pragma GCC unroll 16
  for (int i = 0; i < M; i++)
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) sum[i][v] = keep ? load(c + i * c_row + v * W) * keep[i] : vf{};
  for (size_t p = 0; p < k; p++) {
    vf right[NV];
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) right[v] = load(b + p * b_row + v * W);
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) {
      vf left = set1(TRANSPOSED ? a[p * a_row + i] : a[i * a_row + p]);
#pragma GCC unroll 2
      for (int v = 0; v < NV; v++) sum[i][v] += left * right[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; i++)
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) store(c + i * c_row + v * W, sum[i][v]);
}

template <int NV, bool TRANSPOSED, int M = STRIP>
static inline void strip(int m, float* c, size_t c_row, const float* a, size_t a_row, const float* b, size_t b_row, size_t k, const float* keep) {
  if constexpr (M > 0) {
    if (m == M) return tile<M, NV, TRANSPOSED>(c, c_row, a, a_row, b, b_row, k, keep);
    return strip<NV, TRANSPOSED, M - 1>(m, c, c_row, a, a_row, b, b_row, k, keep);
  }
}

/// keep: a factor for each row of what C holds, or NULL to overwrite C. n is a multiple of W, m ≤ STRIP.
template <bool TRANSPOSED = false>
static void strip_matmul(float* c, size_t c_row, Left a, Right b, int m, size_t n, size_t k, const float* keep) {
  for (size_t j = 0; j < n; j += TILE) {
    const float* panel = b.data + j / TILE * b.panel;
    if (n - j >= size_t(TILE)) strip<2, TRANSPOSED>(m, c + j, c_row, a.data, a.row, panel, b.row, k, keep);
    else strip<1, TRANSPOSED>(m, c + j, c_row, a.data, a.row, panel, b.row, k, keep);
  }
}

constexpr float ONES[STRIP] = {1, 1, 1, 1, 1, 1
#ifdef TT_AVX512
                               , 1, 1, 1, 1, 1, 1, 1, 1
#endif
};

// ---- transposing ------------------------------------------------------------------------------------------------

template <int STEP> static inline void exchange(vf* r) {
  vi low = (lanes() & STEP) != 0 ? lanes() - STEP + W : lanes();
  vi high = (lanes() & STEP) != 0 ? lanes() + W : lanes() + STEP;
#pragma GCC unroll 16
  for (int i = 0; i < W; i++) {
    if (i & STEP) continue;
    vf a = r[i], b = r[i + STEP];
    r[i] = __builtin_shuffle(a, b, low);
    r[i + STEP] = __builtin_shuffle(a, b, high);
  }
}
/// W×W transpose in registers.
static inline void transpose_square(vf* r) {
  exchange<1>(r);
  exchange<2>(r);
  exchange<4>(r);
  if constexpr (W == 16) exchange<8>(r);
}

/// to[c·TILE + r] = from[r·stride + c] for W rows (`rows` of them there, the rest zeros) and `cols` columns.
template <class T> static inline void transpose_into_panel(float* to, const T* from, size_t stride, size_t rows, size_t cols) {
  for (size_t c = 0; c < cols; c += W) {
    size_t some = cols - c < size_t(W) ? cols - c : size_t(W);
    vf r[W];
    for (size_t i = 0; i < size_t(W); i++) {
      const T* row = from + i * stride + c;
      r[i] = i >= rows ? vf{} : some == size_t(W) ? load(row) : load_n(row, some);
    }
    transpose_square(r);
    for (size_t i = 0; i < some; i++) store(to + (c + i) * TILE, r[i]);
  }
}

}  // namespace tt::TT_ISA
