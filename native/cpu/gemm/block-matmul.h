// Small f32 matrix products for blocks that live in L1 and L2: C (m,n) = keep·C + A·B, B in panels of TILE columns.
#pragma once
#include "../vectors/vectors.h"

namespace tt::TT_ISA {

#if TT_AVX512
constexpr int STRIP = 14;  // rows of a register tile: 28 accumulators, 2 of B, 1 broadcast of 32 registers
#else
constexpr int STRIP = 6;  // 12 accumulators of 16 registers; on NEON 24 of 32, two for each vector
#endif
#if TT_WASM
constexpr int TILE = W;
#else
constexpr int TILE = 2 * W;
#endif

/// How A lies: element (i, k) at data[i·ROW + k] (a block of scores, with its row length fixed so that the compiler needs
/// one pointer for all rows), or transposed at data[k·ROW + i].
template <int ROW, bool TRANSPOSED> struct Left { const float* data; };
/// Column j, row k at data[(j / TILE)·panel + k·row + j % TILE]: packed panels (row = TILE) or a plain matrix (panel = TILE).
struct Right { const float* data; size_t row, panel; };

template <int M, int NV, int ROW, bool TRANSPOSED>
static void tile(float* c, size_t c_row, const float* a, const float* b, size_t b_row, size_t k, const float* keep) {
  vf sum[M][NV];
  TT_UNROLL
  for (int i = 0; i < M; i++)
    TT_UNROLL
    for (int v = 0; v < NV; v++) sum[i][v] = keep ? load(c + i * c_row + v * W) * keep[i] : vf{};
  for (size_t p = 0; p < k; p++) {
    vf right[NV];
    TT_UNROLL
    for (int v = 0; v < NV; v++) right[v] = load(b + p * b_row + v * W);
    TT_UNROLL
    for (int i = 0; i < M; i++) {
      vf left = set1(TRANSPOSED ? a[p * ROW + i] : a[i * ROW + p]);
      TT_UNROLL
      for (int v = 0; v < NV; v++) sum[i][v] += left * right[v];
    }
  }
  TT_UNROLL
  for (int i = 0; i < M; i++)
    TT_UNROLL
    for (int v = 0; v < NV; v++) store(c + i * c_row + v * W, sum[i][v]);
}

template <int NV, int ROW, bool TRANSPOSED, int M = STRIP>
static inline void strip(int m, float* c, size_t c_row, const float* a, const float* b, size_t b_row, size_t k, const float* keep) {
  if constexpr (M > 0) {
    if (m == M) return tile<M, NV, ROW, TRANSPOSED>(c, c_row, a, b, b_row, k, keep);
    return strip<NV, ROW, TRANSPOSED, M - 1>(m, c, c_row, a, b, b_row, k, keep);
  }
}

/// keep: a factor for each row of what C holds, or NULL to overwrite C. n is a multiple of W, m ≤ STRIP.
template <int ROW, bool TRANSPOSED>
static void strip_matmul(float* c, size_t c_row, Left<ROW, TRANSPOSED> a, Right b, int m, size_t n, size_t k, const float* keep) {
  for (size_t j = 0; j < n; j += TILE) {
    const float* panel = b.data + j / TILE * b.panel;
    if (n - j >= size_t(TILE)) strip<TILE / W, ROW, TRANSPOSED>(m, c + j, c_row, a.data, panel, b.row, k, keep);
    else strip<1, ROW, TRANSPOSED>(m, c + j, c_row, a.data, panel, b.row, k, keep);
  }
}

constexpr float ONES[STRIP] = {1, 1, 1, 1, 1, 1
#if TT_AVX512
                               , 1, 1, 1, 1, 1, 1, 1, 1
#endif
};

/// Rows of queries as the left side of a product over their channels: strips of STRIP rows, [channel][row of the strip].
typedef Left<STRIP, true> LeftStrip;
/// Loads one strip: row(i) is the pointer of row i < m. Writes up to W − STRIP floats past the strip's end, which the next
/// strip overwrites; the last one needs that much room.
template <class Row> static inline void load_strip(float* to, Row row, int m, size_t size, float scale) {
  for (size_t c = 0; c < size; c += W) {
    const size_t some = size - c < size_t(W) ? size - c : size_t(W);
    vf r[W];
    for (int i = 0; i < W; i++) r[i] = i >= m ? vf{} : (some == size_t(W) ? load(row(i) + c) : load_n(row(i) + c, some)) * scale;
    transpose_square(r);
    for (size_t i = 0; i < some; i++) store(to + (c + i) * STRIP, r[i]);
  }
}

// ---- transposing ------------------------------------------------------------------------------------------------

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
