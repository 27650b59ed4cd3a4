// The register-blocked micro-kernel of packed products (14×32 on AVX-512, 6×16 on AVX2 and NEON, 6×8 on WebAssembly) and the loops of one tile.
//
// A packed element is a word of 32 bits: a float, or a pair of bf16 of two steps of depth. The including file says which:
// it defines PER_WORD and `multiply_add(a, b, sum)`. The blocking is Goto's: a slice of a b panel is read by
// every a panel of the tile; a panels stream from L2. On AVX the micro-kernel needs mr + 2 loads for 2·mr multiply-adds, so it is
// bound by the units that multiply.
#pragma once
#include "gemm.h"
#include "../vectors/vectors.h"

namespace tt {
namespace TT_ISA {
namespace {

// A slice of a b panel may be larger than L1: read in order it comes from L2 in time, and c is written less often.
#if TT_AVX512
constexpr int MR = 14, M_BLOCK = MR * 20, K_SLICE = 2048;
#else
constexpr int MR = 6, M_BLOCK = MR * 40, K_SLICE = 384;
#endif
// Vectors of a row of the tile: as many as leave registers for one of a and one of b.
#if TT_WASM
constexpr int NV = 1;  // engines on x86 have 16 registers of 4 lanes
#else
constexpr int NV = 2;
#endif
constexpr int NR = NV * W, N_BLOCK = 512;

// ---- micro-kernel -------------------------------------------------------------------------------------------------

/// Where a tile goes; T is float or bf16.
template <class T> struct Output {
  T* c;
  size_t ldc;
  float alpha, beta;
  const float* bias;
  bool stream;  // whole vectors of c are aligned, and nobody reads them soon
};

/// VECTORS of columns are computed; all MR rows are, and `rows` of them written.
template <int VECTORS> TT_INLINE void products(vf (&acc)[MR][VECTORS], int depth, const float* __restrict a, const float* __restrict b) {
  for (int p = 0; p < depth; p++) {
    vf right[VECTORS];
    TT_UNROLL
    for (int v = 0; v < VECTORS; v++) {
      right[v] = load(b + v * W);
      prefetch(b + NR * 9 + v * W);
    }
    b += NR;
    TT_UNROLL
    for (int i = 0; i < MR; i++) {
      vf x = set1(a[i]);
      TT_UNROLL
      for (int v = 0; v < VECTORS; v++) acc[i][v] = multiply_add(x, right[v], acc[i][v]);
    }
    a += MR;
  }
}

/// Rows and columns of c that are there.
struct Extent { int rows, columns; };

/// acc·alpha + beta·c + bias → c for a whole tile.
enum class Write { STORE, STREAM, ADD };
template <int VECTORS, Write WRITE, class T> TT_INLINE void write_whole(vf (&acc)[MR][VECTORS], const Output<T>& out) {
  const vf alpha = set1(out.alpha), beta = set1(out.beta);
  vf bias[VECTORS];
  TT_UNROLL
  for (int v = 0; v < VECTORS; v++) bias[v] = out.bias ? load(out.bias + v * W) : vf{};
  T* c = out.c;
  TT_UNROLL
  for (int i = 0; i < MR; i++, c += out.ldc) {
    TT_UNROLL
    for (int v = 0; v < VECTORS; v++) {
      vf x = acc[i][v] * alpha + bias[v];
      if (WRITE == Write::ADD) x = fma_v(beta, load(c + v * W), x);
      if (WRITE == Write::STREAM) stream(c + v * W, x);
      else store_n(c + v * W, x, W);
    }
  }
}

/// The same at the borders of the matrix.
template <int VECTORS, class T> __attribute__((noinline)) void write_part(const vf (&acc)[MR][VECTORS], const Output<T>& out, const Extent& there) {
  for (int i = 0; i < there.rows; i++) {
    for (int v = 0; v < VECTORS; v++) {
      const int left = there.columns - v * W, n = left < W ? left : W;
      if (n <= 0) break;
      T* c = out.c + size_t(i) * out.ldc + v * W;
      vf x = acc[i][v] * set1(out.alpha);
      if (out.bias) x += load_n(out.bias + v * W, n);
      if (out.beta != 0) x = fma_v(set1(out.beta), load_n(c, n), x);
      store_n(c, x, n);
    }
  }
}

/// c (rows ≤ MR, columns ≤ VECTORS·W) = alpha·a·b + beta·c + bias over `depth` packed elements.
template <int VECTORS, class T> TT_INLINE void micro_kernel(int depth, const float* __restrict a, const float* __restrict b, const Output<T>& out, const Extent& there) {
  vf acc[MR][VECTORS];
  const T* c = out.c;
  TT_UNROLL
  for (int i = 0; i < MR; i++, c += out.ldc) {
    TT_UNROLL
    for (int v = 0; v < VECTORS; v++) {
      acc[i][v] = vf{};
      if (!out.stream) prefetch(c + v * W);
    }
  }
  products(acc, depth, a, b);
  if (there.rows < MR || there.columns < VECTORS * W) {
    // A copy, so that acc itself can stay in registers.
    vf spilled[MR][VECTORS];
    TT_UNROLL
    for (int i = 0; i < MR; i++)
      TT_UNROLL
      for (int v = 0; v < VECTORS; v++) spilled[i][v] = acc[i][v];
    return write_part(spilled, out, there);
  }
  if (out.beta != 0) write_whole<VECTORS, Write::ADD>(acc, out);
  else if (out.stream) write_whole<VECTORS, Write::STREAM>(acc, out);
  else write_whole<VECTORS, Write::STORE>(acc, out);
}

// ---- one tile -----------------------------------------------------------------------------------------------------

int slices_of(int words) { return (words + K_SLICE - 1) / K_SLICE; }

template <class T> void tile_to(const GemmTile& t, T* c, size_t ldc, float beta) {
  const int words = t.depth / PER_WORD, a_words = t.a_depth / PER_WORD, b_words = t.b_depth / PER_WORD;
  const int slices = slices_of(words), slice = slices ? (words + slices - 1) / slices : 0;
  const bool stream = t.stream && slices == 1 && beta == 0 && reinterpret_cast<uintptr_t>(c) % 64 == 0 && ldc * sizeof(T) % 64 == 0;
  // Depth 0 still has to write beta·c + bias: one pass over an empty slice does.
  for (int k = 0; k < words || k == 0; k += slice ? slice : 1) {
    const int depth = words - k < slice ? words - k : slice;
    for (int j = 0; j < t.n; j += NR) {
      const float* b = static_cast<const float*>(t.b) + size_t(j) * b_words + size_t(k) * NR;
      for (int i = 0; i < t.m; i += MR) {
        const float* a = static_cast<const float*>(t.a) + size_t(i) * a_words + size_t(k) * MR;
        const Output<T> out = {c + size_t(i) * ldc + j, ldc, t.alpha, k ? 1.0f : beta, k || !t.bias ? nullptr : t.bias + j, stream};
        const Extent there = {t.m - i < MR ? t.m - i : MR, t.n - j < NR ? t.n - j : NR};
        if (there.columns <= W) micro_kernel<1>(depth, a, b, out, there);
        else micro_kernel<NV>(depth, a, b, out, there);
      }
    }
  }
  if (stream) stream_fence();
}

void tile(const GemmTile& t) {
  if (t.c_dtype == TT_F32) return tile_to(t, static_cast<float*>(t.c), t.ldc, t.beta);
  if (slices_of(t.depth / PER_WORD) <= 1) return tile_to(t, static_cast<bf16*>(t.c), t.ldc, t.beta);
  // bf16 output: the sum over all slices is rounded once, so it is made in f32 first.
  tile_to(t, t.scratch, N_BLOCK, 0);
  vf beta = set1(t.beta);
  for (int i = 0; i < t.m; i++) {
    bf16* c = static_cast<bf16*>(t.c) + size_t(i) * t.ldc;
    for (int j = 0; j < t.n; j += W) {
      int n = t.n - j < W ? t.n - j : W;
      vf x = load(t.scratch + size_t(i) * N_BLOCK + j);
      if (t.beta != 0) x = fma_v(beta, load_n(c + j, n), x);
      store_n(c + j, x, n);
    }
  }
}

}  // namespace
}  // namespace TT_ISA
}  // namespace tt
