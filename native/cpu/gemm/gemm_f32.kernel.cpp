// f32 matrix product: packing, a register-blocked micro-kernel (14×32 on AVX-512, 6×16 on AVX2) and the loops of one tile.
//
// The blocking is Goto's: a slice of a b panel (nr × k_slice) is read by every a panel of the tile; a panels stream from
// L2. The micro-kernel needs mr + 2 loads for 2·mr FMAs, so it is bound by the FMA units.
#include "gemm.h"
#include "../vectors/simd.h"

namespace tt {
namespace TT_ISA {
namespace {

// A slice of a b panel may be larger than L1: read in order it comes from L2 in time, and c is written less often.
#if TT_AVX512
constexpr int MR = 14, M_BLOCK = MR * 20, K_SLICE = 2048;
#else
constexpr int MR = 6, M_BLOCK = MR * 40, K_SLICE = 384;
#endif
constexpr int NR = 2 * LANES, N_BLOCK = 512;

// ---- packing ------------------------------------------------------------------------------------------------------
// A panel holds WIDTH lanes: panel[p·WIDTH + lane]. Lanes beyond the matrix are 0.

constexpr int K_MAJOR_AHEAD = 24;
static_assert(NR % LANES == 0 && MR < LANES, "a whole vector reaches into the next row of an a panel, never past it");

template <int WIDTH, class T> void pack_k_major(float* panel, const T* source, size_t ld, int lanes, int k, float scale) {
  V s = set1(scale);
  for (int p = 0; p < k; p++, source += ld, panel += WIDTH) {
    for (int lane = 0; lane < WIDTH; lane += 64 / int(sizeof(T)))
      _mm_prefetch(reinterpret_cast<const char*>(source + K_MAJOR_AHEAD * ld + lane), _MM_HINT_T1);
    for (int lane = 0; lane < WIDTH; lane += LANES) {
      int want = WIDTH - lane < LANES ? WIDTH - lane : LANES;
      int have = lanes - lane < 0 ? 0 : lanes - lane < LANES ? lanes - lane : LANES;
      V x = have == LANES ? load_any(source + lane) : have > 0 ? load_any_n(source + lane, have) : zero();
      // A whole vector where the next row overwrites what it writes too much: masked stores are slow.
      if (want == LANES || p + 1 < k) store(panel + lane, mul(x, s));
      else store_n(panel + lane, mul(x, s), want);
    }
  }
}

/// scales: NULL, or those of the first lane (see Operand::lane_scales) with the depth counted from `first`.
template <int WIDTH, class T> void pack_lane_major(float* panel, const T* source, size_t ld, int lanes, int k, float scale, const float* scales, size_t scales_ld, int first) {
  V s = set1(scale), block[LANES];
  for (int lane = 0; lane < WIDTH; lane += LANES) {
    int want = WIDTH - lane < LANES ? WIDTH - lane : LANES;
    for (int p = 0; p < k; p += LANES) {
      int depth = k - p < LANES ? k - p : LANES;
      for (int i = 0; i < LANES; i++) {
        const T* row = source + size_t(lane + i) * ld + p;
        // The panel after this one: rows are too many for the prefetcher of the CPU.
        _mm_prefetch(reinterpret_cast<const char*>(row + WIDTH * ld), _MM_HINT_T1);
        block[i] = lane + i < lanes ? (depth == LANES ? load_any(row) : load_any_n(row, depth)) : zero();
      }
      if (scales) {
        const float* of_lanes = scales + (first + p) / GEMM_PIECE + lane * scales_ld;
        for (int i = 0; i < LANES && lane + i < lanes; i++) block[i] = mul(block[i], set1(of_lanes[i * scales_ld]));
      }
      transpose(block);
      float* out = panel + size_t(p) * WIDTH + lane;
      const int whole = want == LANES ? depth : depth - 1;
      int i = 0;
      for (; i < whole; i++, out += WIDTH) store(out, mul(block[i], s));
      for (; i < depth; i++, out += WIDTH) store_n(out, mul(block[i], s), want);
    }
  }
}

template <int WIDTH, class T> void pack_panels(float* out, size_t panel_elements, const T* source, const Operand& x, int first_lane, int lanes, int k) {
  // Panel by panel in slices of the depth: k-major sources are then read in runs that the prefetcher follows.
  const int step = x.k_major ? 64 : k;
  for (int p = 0; p < k; p += step) {
    const int depth = k - p < step ? k - p : step;
    for (int lane = 0; lane < lanes; lane += WIDTH) {
      float* panel = out + lane / WIDTH * panel_elements + size_t(p) * WIDTH;
      const int count = lanes - lane < WIDTH ? lanes - lane : WIDTH;
      if (x.k_major) pack_k_major<WIDTH>(panel, source + size_t(p) * x.ld + lane, x.ld, count, depth, x.scale);
      else pack_lane_major<WIDTH>(panel, source + size_t(lane) * x.ld + p, x.ld, count, depth, x.scale,
                                  x.lane_scales ? x.lane_scales + (first_lane + lane) * x.lane_scales_ld : nullptr, x.lane_scales_ld, x.first + p);
    }
  }
}

template <int WIDTH> void pack(void* panels, size_t panel_bytes, const Operand& x, int lane, int lanes, int k) {
  float* out = static_cast<float*>(panels);
  const size_t start = x.k_major ? size_t(lane) : size_t(lane) * x.ld, elements = panel_bytes / sizeof(float);
  if (x.dtype == TT_F32) pack_panels<WIDTH>(out, elements, static_cast<const float*>(x.data) + start, x, lane, lanes, k);
  else pack_panels<WIDTH>(out, elements, static_cast<const uint16_t*>(x.data) + start, x, lane, lanes, k);
}

// ---- micro-kernel -------------------------------------------------------------------------------------------------

/// Where a tile goes; T is float or uint16_t for bf16.
template <class T> struct Output {
  T* c;
  size_t ldc;
  float alpha, beta;
  const float* bias;
  bool stream;  // whole vectors of c are aligned, and nobody reads them soon
};

/// VECTORS of columns are computed; all MR rows are, and `rows` of them written.
template <int VECTORS> TT_INLINE void products(V (&acc)[MR][VECTORS], int depth, const float* __restrict a, const float* __restrict b) {
  for (int p = 0; p < depth; p++) {
    V right[VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) {
      right[v] = load(b + v * LANES);
      _mm_prefetch(reinterpret_cast<const char*>(b + NR * 9 + v * LANES), _MM_HINT_T0);
    }
    b += NR;
#pragma GCC unroll 14
    for (int i = 0; i < MR; i++) {
      V x = set1(a[i]);
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; v++) acc[i][v] = fma(x, right[v], acc[i][v]);
    }
    a += MR;
  }
}

/// Rows and columns of c that are there.
struct Extent { int rows, columns; };

/// acc·alpha + beta·c + bias → c for a whole tile.
enum class Write { STORE, STREAM, ADD };
template <int VECTORS, Write WRITE, class T> TT_INLINE void write_whole(V (&acc)[MR][VECTORS], const Output<T>& out) {
  const V alpha = set1(out.alpha), beta = set1(out.beta);
  V bias[VECTORS];
#pragma GCC unroll 2
  for (int v = 0; v < VECTORS; v++) bias[v] = out.bias ? load(out.bias + v * LANES) : zero();
  T* c = out.c;
#pragma GCC unroll 14
  for (int i = 0; i < MR; i++, c += out.ldc) {
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) {
      V x = add(mul(acc[i][v], alpha), bias[v]);
      if (WRITE == Write::ADD) x = fma(beta, load_any(c + v * LANES), x);
      if (WRITE == Write::STREAM) stream(c + v * LANES, x);
      else store_any_n(c + v * LANES, x, LANES);
    }
  }
}

/// The same at the borders of the matrix.
template <int VECTORS, class T> __attribute__((noinline)) void write_part(const V (&acc)[MR][VECTORS], const Output<T>& out, const Extent& there) {
  for (int i = 0; i < there.rows; i++) {
    for (int v = 0; v < VECTORS; v++) {
      const int left = there.columns - v * LANES, n = left < LANES ? left : LANES;
      if (n <= 0) break;
      T* c = out.c + size_t(i) * out.ldc + v * LANES;
      V x = mul(acc[i][v], set1(out.alpha));
      if (out.bias) x = add(x, load_n(out.bias + v * LANES, n));
      if (out.beta != 0) x = fma(set1(out.beta), load_any_n(c, n), x);
      store_any_n(c, x, n);
    }
  }
}

/// c (rows ≤ MR, columns ≤ VECTORS·LANES) = alpha·a·b + beta·c + bias over `depth` packed elements.
template <int VECTORS, class T> TT_INLINE void micro_kernel(int depth, const float* __restrict a, const float* __restrict b, const Output<T>& out, const Extent& there) {
  V acc[MR][VECTORS];
  const T* c = out.c;
#pragma GCC unroll 14
  for (int i = 0; i < MR; i++, c += out.ldc) {
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) {
      acc[i][v] = zero();
      if (!out.stream) _mm_prefetch(reinterpret_cast<const char*>(c + v * LANES), _MM_HINT_T0);
    }
  }
  products(acc, depth, a, b);
  if (there.rows < MR || there.columns < VECTORS * LANES) {
    // A copy, so that acc itself can stay in registers.
    V spilled[MR][VECTORS];
#pragma GCC unroll 14
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; v++) spilled[i][v] = acc[i][v];
    return write_part(spilled, out, there);
  }
  if (out.beta != 0) write_whole<VECTORS, Write::ADD>(acc, out);
  else if (out.stream) write_whole<VECTORS, Write::STREAM>(acc, out);
  else write_whole<VECTORS, Write::STORE>(acc, out);
}

// ---- one tile -----------------------------------------------------------------------------------------------------

int slices_of(int depth) { return (depth + K_SLICE - 1) / K_SLICE; }

template <class T> void tile_to(const GemmTile& t, T* c, size_t ldc, float beta) {
  const int slices = slices_of(t.depth), slice = slices ? (t.depth + slices - 1) / slices : 0;
  const bool stream = t.stream && slices == 1 && beta == 0 && reinterpret_cast<uintptr_t>(c) % 64 == 0 && ldc * sizeof(T) % 64 == 0;
  // Depth 0 still has to write beta·c + bias: one pass over an empty slice does.
  for (int k = 0; k < t.depth || k == 0; k += slice ? slice : 1) {
    int depth = t.depth - k < slice ? t.depth - k : slice;
    for (int j = 0; j < t.n; j += NR) {
      const float* b = static_cast<const float*>(t.b) + size_t(j) * t.b_depth + size_t(k) * NR;
      for (int i = 0; i < t.m; i += MR) {
        const float* a = static_cast<const float*>(t.a) + size_t(i) * t.a_depth + size_t(k) * MR;
        const Output<T> out = {c + size_t(i) * ldc + j, ldc, t.alpha, k ? 1.0f : beta, k || !t.bias ? nullptr : t.bias + j, stream};
        const Extent there = {t.m - i < MR ? t.m - i : MR, t.n - j < NR ? t.n - j : NR};
        if (there.columns <= LANES) micro_kernel<1>(depth, a, b, out, there);
        else micro_kernel<2>(depth, a, b, out, there);
      }
    }
  }
  if (stream) _mm_sfence();
}

void tile(const GemmTile& t) {
  if (t.c_dtype == TT_F32) return tile_to(t, static_cast<float*>(t.c), t.ldc, t.beta);
  if (slices_of(t.depth) <= 1) return tile_to(t, static_cast<uint16_t*>(t.c), t.ldc, t.beta);
  // bf16 output: the sum over all slices is rounded once, so it is made in f32 first.
  tile_to(t, t.scratch, N_BLOCK, 0);
  V beta = set1(t.beta);
  for (int i = 0; i < t.m; i++) {
    uint16_t* c = static_cast<uint16_t*>(t.c) + size_t(i) * t.ldc;
    for (int j = 0; j < t.n; j += LANES) {
      int n = t.n - j < LANES ? t.n - j : LANES;
      V x = load(t.scratch + size_t(i) * N_BLOCK + j);
      if (t.beta != 0) x = fma(beta, load_bf16_n(c + j, n), x);
      store_bf16_n(c + j, x, n);
    }
  }
}

}  // namespace

const GemmKernel* gemm_kernel_f32() {
  static const GemmKernel kernel = {MR, NR, 1, K_SLICE, M_BLOCK, N_BLOCK, sizeof(float), pack<MR>, pack<NR>, tile};
  return &kernel;
}

}  // namespace TT_ISA
}  // namespace tt
