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
constexpr int MR = 14, M_BLOCK = MR * 20, K_SLICE = 640;
#else
constexpr int MR = 6, M_BLOCK = MR * 40, K_SLICE = 384;
#endif
constexpr int NR = 2 * LANES, N_BLOCK = 512;

// ---- packing ------------------------------------------------------------------------------------------------------
// A panel holds WIDTH lanes: panel[p·WIDTH + lane]. Lanes beyond the matrix are 0.

template <int WIDTH, class T> void pack_k_major(float* panel, const T* source, size_t ld, int lanes, int k, float scale) {
  V s = set1(scale);
  for (int p = 0; p < k; p++, source += ld, panel += WIDTH) {
    for (int lane = 0; lane < WIDTH; lane += LANES) {
      int want = WIDTH - lane < LANES ? WIDTH - lane : LANES;
      int have = lanes - lane < 0 ? 0 : lanes - lane < LANES ? lanes - lane : LANES;
      V x = have > 0 ? load_any_n(source + lane, have) : zero();
      store_n(panel + lane, mul(x, s), want);
    }
  }
}

template <int WIDTH, class T> void pack_lane_major(float* panel, const T* source, size_t ld, int lanes, int k, float scale) {
  V s = set1(scale), block[LANES];
  for (int lane = 0; lane < WIDTH; lane += LANES) {
    int want = WIDTH - lane < LANES ? WIDTH - lane : LANES;
    for (int p = 0; p < k; p += LANES) {
      int depth = k - p < LANES ? k - p : LANES;
      for (int i = 0; i < LANES; i++) {
        const T* row = source + size_t(lane + i) * ld + p;
        block[i] = lane + i < lanes ? (depth == LANES ? load_any(row) : load_any_n(row, depth)) : zero();
      }
      transpose(block);
      float* out = panel + size_t(p) * WIDTH + lane;
      for (int i = 0; i < depth; i++, out += WIDTH) store_n(out, mul(block[i], s), want);
    }
  }
}

template <int WIDTH, class T> void pack_panels(float* out, size_t panel_elements, const T* source, const Operand& x, int lanes, int k) {
  // Panel by panel in slices of the depth: k-major sources are then read in runs that the prefetcher follows.
  const int step = x.k_major ? 64 : k;
  for (int p = 0; p < k; p += step) {
    const int depth = k - p < step ? k - p : step;
    for (int lane = 0; lane < lanes; lane += WIDTH) {
      float* panel = out + lane / WIDTH * panel_elements + size_t(p) * WIDTH;
      const int count = lanes - lane < WIDTH ? lanes - lane : WIDTH;
      if (x.k_major) pack_k_major<WIDTH>(panel, source + size_t(p) * x.ld + lane, x.ld, count, depth, x.scale);
      else pack_lane_major<WIDTH>(panel, source + size_t(lane) * x.ld + p, x.ld, count, depth, x.scale);
    }
  }
}

template <int WIDTH> void pack(void* panels, size_t panel_bytes, const Operand& x, int lane, int lanes, int k) {
  float* out = static_cast<float*>(panels);
  const size_t start = x.k_major ? size_t(lane) : size_t(lane) * x.ld, elements = panel_bytes / sizeof(float);
  if (x.dtype == TT_F32) pack_panels<WIDTH>(out, elements, static_cast<const float*>(x.data) + start, x, lanes, k);
  else pack_panels<WIDTH>(out, elements, static_cast<const uint16_t*>(x.data) + start, x, lanes, k);
}

// ---- micro-kernel -------------------------------------------------------------------------------------------------

struct Output {
  float* c;
  size_t ldc;
  float alpha, beta;
  const float* bias;
};

TT_INLINE V finish(V acc, V alpha, float beta, const float* c, const float* bias, int n) {
  V x = mul(acc, alpha);
  if (bias) x = add(x, load_n(bias, n));
  if (beta != 0) x = fma(set1(beta), load_n(c, n), x);
  return x;
}

/// c (rows ≤ MR, columns ≤ NR) = alpha·a·b + beta·c + bias over `depth` packed elements.
TT_INLINE void micro_kernel(int depth, const float* __restrict a, const float* __restrict b, const Output& out, int rows, int columns) {
  V acc[MR][2];
#pragma GCC unroll 14
  for (int i = 0; i < MR; i++) {
    acc[i][0] = zero();
    acc[i][1] = zero();
    const float* c = out.c + size_t(i < rows ? i : 0) * out.ldc;
    _mm_prefetch(reinterpret_cast<const char*>(c), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(c + 16), _MM_HINT_T0);
  }
  for (int p = 0; p < depth; p++) {
    V b0 = load(b), b1 = load(b + LANES);
    b += NR;
    _mm_prefetch(reinterpret_cast<const char*>(b + NR * 8), _MM_HINT_T0);
    if (LANES == 16) _mm_prefetch(reinterpret_cast<const char*>(b + NR * 8 + 16), _MM_HINT_T0);
#pragma GCC unroll 14
    for (int i = 0; i < MR; i++) {
      V x = set1(a[i]);
      acc[i][0] = fma(x, b0, acc[i][0]);
      acc[i][1] = fma(x, b1, acc[i][1]);
    }
    a += MR;
  }
  V alpha = set1(out.alpha);
  int n0 = columns < LANES ? columns : LANES, n1 = columns - n0;
  const float* bias1 = out.bias ? out.bias + LANES : nullptr;
#pragma GCC unroll 14
  for (int i = 0; i < MR; i++) {
    if (i < rows) {
      float* c = out.c + size_t(i) * out.ldc;
      store_n(c, finish(acc[i][0], alpha, out.beta, c, out.bias, n0), n0);
      if (n1 > 0) store_n(c + LANES, finish(acc[i][1], alpha, out.beta, c + LANES, bias1, n1), n1);
    }
  }
}

// ---- one tile -----------------------------------------------------------------------------------------------------

void tile_f32(const GemmTile& t, float* c, size_t ldc, float alpha, float beta, const float* bias) {
  int slices = (t.depth + K_SLICE - 1) / K_SLICE, slice = slices ? (t.depth + slices - 1) / slices : 0;
  // Depth 0 still has to write beta·c + bias: one pass over an empty slice does.
  for (int k = 0; k < t.depth || k == 0; k += slice ? slice : 1) {
    int depth = t.depth - k < slice ? t.depth - k : slice;
    for (int j = 0; j < t.n; j += NR) {
      const float* b = static_cast<const float*>(t.b) + size_t(j) * t.b_depth + size_t(k) * NR;
      for (int i = 0; i < t.m; i += MR) {
        const float* a = static_cast<const float*>(t.a) + size_t(i) * t.a_depth + size_t(k) * MR;
        Output out = {c + size_t(i) * ldc + j, ldc, alpha, k ? 1.0f : beta, k || !bias ? nullptr : bias + j};
        micro_kernel(depth, a, b, out, t.m - i < MR ? t.m - i : MR, t.n - j < NR ? t.n - j : NR);
      }
    }
  }
}

void tile(const GemmTile& t) {
  if (t.c_dtype == TT_F32) return tile_f32(t, static_cast<float*>(t.c), t.ldc, t.alpha, t.beta, t.bias);
  // bf16 output: the sum over all slices is rounded once, so it is made in f32 first.
  tile_f32(t, t.scratch, N_BLOCK, t.alpha, 0, t.bias);
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
