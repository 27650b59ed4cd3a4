// Which products a BLAS gets, and how it gets them.
#include "blas.h"

#include <limits.h>
#include <string.h>

#include "../runtime/ranges.h"
#include "blas_library.h"
#include "gemm_crew.h"

namespace tt {
namespace {

/// The rule of `auto`. Thin and small products are bound by memory, or done before another library's threads have begun. Written without a
/// machine to measure on: `bun run bench blas` prints what to set it by.
bool is_large(const Gemm& g) {
  constexpr int LEAST_SIDE = 64;
  constexpr double LEAST_WORK = 1 << 21;
  return g.m >= LEAST_SIDE && g.n >= LEAST_SIDE && g.k >= LEAST_SIDE && double(g.m) * g.n * g.k >= LEAST_WORK;
}

/// Whether 32 bits count the elements of so many rows.
bool counts(size_t rows, size_t ld) { return ld <= INT_MAX && (ld == 0 || rows <= INT_MAX / ld); }

bool is_plain(const Operand& x, int lanes, int k) {
  return x.dtype == TT_F32 && !x.lane_scales && counts(size_t(x.k_major ? k : lanes), x.ld);
}

float factor(const Gemm& g) { return g.alpha * g.a.scale * g.b.scale; }

bool can_take(const Gemm& g) {
  if (g.m <= 0 || g.n <= 0 || g.k <= 0 || g.taker || g.mask_a || g.mask_c) return false;
  if (g.bias && (g.beta != 0 || g.bias_dtype != TT_F32)) return false;
  // With a factor of 0 a BLAS leaves the product out, and with it a NaN.
  return g.c_dtype == TT_F32 && counts(size_t(g.m), g.ldc) && is_plain(g.a, g.m, g.k) && is_plain(g.b, g.n, g.k) && factor(g) != 0;
}

void fill_with_bias(const Gemm& g) {
  const size_t bytes = size_t(g.n) * sizeof(float);
  for_ranges(size_t(g.m), bytes, [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; row++) memcpy(static_cast<float*>(g.c) + row * g.ldc, g.bias, bytes);
  });
}

void main_product(const Gemm& g, float beta) {
  open_sgemm()(CBLAS_ROW_MAJOR, g.a.k_major ? CBLAS_TRANSPOSED : CBLAS_PLAIN, g.b.k_major ? CBLAS_PLAIN : CBLAS_TRANSPOSED, g.m, g.n, g.k, factor(g),
               static_cast<const float*>(g.a.data), int(g.a.ld), static_cast<const float*>(g.b.data), int(g.b.ld), beta, static_cast<float*>(g.c),
               int(g.ldc));
  count_blas_product();
}

/// c += alpha·op(a2)·op(b2); op(a2) is made first where it is to be.
tt_status add_second_product(const Gemm& g) {
  Operand a2 = g.a2;
  if (g.a2_out) {
    Gemm down;
    down.m = g.m;
    down.n = g.k2;
    down.k = g.k;
    down.a = g.a;
    down.b = g.down;
    down.c = g.a2_out;
    down.ldc = size_t(g.k2);
    down.alpha = g.down_scale;
    if (tt_status status = gemm_own(down)) return status;
    a2 = {g.a2_out, TT_F32, false, size_t(g.k2), 1};
  }
  Gemm second;
  second.m = g.m;
  second.n = g.n;
  second.k = g.k2;
  second.a = a2;
  second.b = g.b2;
  second.c = g.c;
  second.ldc = g.ldc;
  second.alpha = g.alpha;
  second.beta = 1;
  return gemm_own(second);
}

}  // namespace

bool blas_takes(const Gemm& g) {
  if (gemm_by() == GemmBy::OWN || !can_take(g)) return false;
  return gemm_by() == GemmBy::BLAS || (is_large(g) && auto_has_blas());
}

tt_status gemm_by_blas(const Gemm& g) {
  if (g.bias) fill_with_bias(g);
  main_product(g, g.bias ? 1 : g.beta);
  return g.k2 ? add_second_product(g) : TT_OK;
}

}  // namespace tt
