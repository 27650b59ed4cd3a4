// The entry points of the matrix products: few rows, deep sums, and everything else (gemm_blocked.cpp); or a BLAS (blas.h).
#include "gemm.h"

#include "blas.h"
#include "gemm_crew.h"

namespace tt {
namespace {

constexpr int SMALL_M = 16;      // up to here the weights are read once, unpacked
constexpr double TINY = 1 << 18;  // up to so many multiplications the calling thread is done before another one has woken up
constexpr int MAX_DEPTH = 2048;  // deeper f32 results are summed in several passes over c: a packed block must fit L2

const char* lane_start(const Operand& x, size_t lane) {
  return static_cast<const char*>(x.data) + lane * (x.k_major ? 1 : x.ld) * dtype_bytes(x.dtype);
}

bool is_tiny(const Gemm& g) { return double(g.m) * g.n * (double(g.k) + g.k2) <= TINY; }

bool rows_by_rows(const Gemm& g) {
  if (g.a.k_major || g.b.k_major || g.a.lane_scales) return false;
  return g.k2 == 0 || (!g.b2.k_major && (g.a2_out ? !g.down.k_major : !g.a2.k_major));
}

/// x of small_rows: (m, k + k2) f32.
void widen_rows(float* x, size_t ldx, const Gemm& g) {
  for (int row = 0; row < g.m; row++) {
    float* out = x + size_t(row) * ldx;
    TT_DISPATCH(widen_row, out, lane_start(g.a, row), g.a.dtype, g.k, g.a.scale * g.b.scale);
    if (g.k2 && !g.a2_out) TT_DISPATCH(widen_row, out + g.k, lane_start(g.a2, row), g.a2.dtype, g.k2, g.a2.scale * g.b2.scale);
  }
}

tt_status small_rows(const Gemm& g, Crew crew) {
  constexpr int COLUMNS = 64;
  SmallGemm s = {g.m, g.n, g.k, g.k2, nullptr, size_t(g.k) + g.k2, g.b, g.b2, g.c, g.c_dtype, g.ldc, g.alpha, g.beta, nullptr};
  float* x = static_cast<float*>(crew_scratch(crew, SLOT_PACKED_A, SLOT_PACKED_B, (size_t(g.m) * s.ldx + 1) * sizeof(float)));
  if (!x) return no_gemm_scratch();
  widen_rows(x, s.ldx, g);
  s.x = x;
  if (g.a2_out) {
    // The scale of b is part of x already, that of b2 comes with the second half.
    const float scale = g.down_scale * g.down.scale / g.b.scale;
    const SmallGemm down = {g.m, g.k2, g.k, 0, x, s.ldx, g.down, {}, g.a2_out, TT_F32, size_t(g.k2), scale, 0, nullptr};
    TT_DISPATCH(gemm_small_rows, down, 0, g.k2);
    for (int row = 0; row < g.m; row++)
      TT_DISPATCH(widen_row, x + size_t(row) * s.ldx + g.k, g.a2_out + size_t(row) * g.k2, TT_F32, g.k2, g.b2.scale);
  }
  if (tt_status status = widen_bias(&s.bias, g, crew)) return status;
  share(crew, divide_up(g.n, COLUMNS), [&](size_t tile, int) {
    int first = int(tile) * COLUMNS;
    TT_DISPATCH(gemm_small_rows, s, first, smaller(first + COLUMNS, g.n));
  });
  return TT_OK;
}

tt_status run(const Gemm& g, Crew crew) {
  if (g.m == 0 || g.n == 0) return TT_OK;
  if (g.taker || g.mask_a || g.mask_c) return gemm_blocked(g, crew);
  if (g.m <= SMALL_M && rows_by_rows(g)) return small_rows(g, crew);
  if (!crew.alone && gemm_is_deep(g)) return gemm_deep(g);
  if (g.k <= MAX_DEPTH || g.c_dtype != TT_F32 || g.a2_out) return gemm_blocked(g, crew);
  Gemm part = g;
  const int depth = round_up(divide_up(g.k, divide_up(g.k, MAX_DEPTH)), 32);
  for (int k = 0; k < g.k; k += depth) {
    part.k = smaller(depth, g.k - k);
    part.a.data = static_cast<const char*>(g.a.data) + size_t(k) * (g.a.k_major ? g.a.ld : 1) * dtype_bytes(g.a.dtype);
    part.b.data = static_cast<const char*>(g.b.data) + size_t(k) * (g.b.k_major ? g.b.ld : 1) * dtype_bytes(g.b.dtype);
    part.a.first = g.a.first + k;
    if (tt_status status = gemm_blocked(part, crew)) return status;
    part.beta = 1;
    part.bias = nullptr;
    part.k2 = 0;
  }
  return TT_OK;
}

}  // namespace

tt_status no_gemm_scratch() { return fail(TT_OUT_OF_MEMORY, "no memory for the packed operands of a matrix product"); }

tt_status widen_bias(const float** out, const Gemm& g, Crew crew) {
  *out = nullptr;
  if (!g.bias) return TT_OK;
  if (g.bias_dtype == TT_F32) {
    *out = static_cast<const float*>(g.bias);
    return TT_OK;
  }
  float* wide = static_cast<float*>(crew_scratch(crew, SLOT_GEMM_SPARE, SLOT_BIAS, size_t(g.n) * sizeof(float)));
  if (!wide) return no_gemm_scratch();
  TT_DISPATCH(widen_row, wide, g.bias, g.bias_dtype, g.n, 1);
  *out = wide;
  return TT_OK;
}

bool gemm_on_amx(tt_dtype dtype) { return on_amx() && dtype == TT_BF16; }

bool gemm_in_pairs(tt_dtype dtype) {
  static const bool fast = has_fast_bf16_pairs();
  return fast && rounds_to_bf16() && !on_amx() && dtype == TT_BF16;
}

const GemmKernel* gemm_kernel(tt_dtype a, tt_dtype b) {
#if TT_X64
  if (gemm_on_amx(a) || gemm_on_amx(b)) return amx::gemm_kernel_bf16();
  if (gemm_in_pairs(a) || gemm_in_pairs(b)) return avx512_bf16::gemm_kernel_pairs();
#elif defined(__aarch64__)
  if (gemm_in_pairs(a) || gemm_in_pairs(b)) return neon_bf16::gemm_kernel_pairs();
#endif
  return TT_DISPATCH(gemm_kernel_f32);
}

int gemm_row_step(tt_dtype dtype) { return gemm_kernel(dtype, dtype)->mr; }

tt_status gemm(const Gemm& g) { return blas_takes(g) ? gemm_by_blas(g) : gemm_own(g); }
tt_status gemm_own(const Gemm& g) { return run(g, {is_tiny(g), 0}); }
tt_status gemm_on_thread(const Gemm& g, int thread) { return run(g, {true, thread}); }

}  // namespace tt
