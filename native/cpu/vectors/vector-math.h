// exp, log, tanh, erf, sin, cos on vectors: range reduction and the polynomials of Cephes (Moshier, netlib.org/cephes,
// single precision). Relative errors are at most a few 1e-7; NaN comes out as NaN, infinities go to the proper limits.
#pragma once
#include <math.h>

#include "vectors.h"

namespace tt::TT_ISA {

static inline vf horner(vf, float c) { return set1(c); }
template <class... Rest> static inline vf horner(vf x, float c, Rest... rest) { return horner(x, rest...) * x + c; }

static inline vf exp_v(vf x) {
  x = min_or_second(set1(89.0f), max_or_second(set1(-104.0f), x));
  vf n = round_even(x * 1.44269504088896341f);
  vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
  vf p = horner(r, 5.0000001201e-1f, 1.6666665459e-1f, 4.1665795894e-2f, 8.3334519073e-3f, 1.3981999507e-3f, 1.9875691500e-4f);
  return scale_by_power(p * r * r + r + 1.0f, n);
}

/// e^x for x ≤ 0, with 0 below −87 in place of denormals; NaN stays NaN.
static inline vf exp_below_zero_v(vf x) {
  vf n = round_even(x * 1.44269504088896341f);
  vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
  vf p = horner(r, 5.0000001201e-1f, 1.6666665459e-1f, 4.1665795894e-2f, 8.3334519073e-3f, 1.3981999507e-3f, 1.9875691500e-4f);
  p = p * r * r + r + 1.0f;
  // −Inf makes p NaN, so the comparison decides on x.
  // Unsigned: lanes that the comparison below drops may wrap around.
  vf y = vf(vu(p) + (vu(to_int(n)) << 23));
  return x < -87.0f ? vf{} : y;
}

/// 2^x for x ≤ 0 to 1e-7, with 0 below −126 in place of denormals; NaN stays NaN.
static inline vf exp2_below_zero_v(vf x) {
  vf n = round_even(x), f = x - n;
  vf p = horner(f, 1.0f, 0.69314718246f, 0.24022647738f, 0.055503323675f, 0.0096184369177f, 0.0013398875017f, 0.00015353359049f);
  vf y = vf(vu(p) + (vu(to_int(n)) << 23));
  return x < -126.0f ? vf{} : y;
}

/// 2^x for x ≤ 0, relative error 3e-6: for results that are rounded to bf16. Below −126, −Inf too, it is 2^−126; NaN stays
/// NaN.
static inline vf exp2_rough_v(vf x) {
  x = max_or_second(set1(-126), x);
  vf n = round_even(x), f = x - n;
  vf p = horner(f, 0.9999992847442627f, 0.6931217908859253f, 0.240247443318367f, 0.05591786280274391f, 0.009570102207362652f);
  return vf(vu(p) + (vu(to_int(n)) << 23));
}

static inline vf log_v(vf x) {
  vi denormal = x < 1.17549435e-38f;
  vf y = denormal ? x * 8388608.0f : x;
  vi bits = vi(y);
  vi exponent = ((bits >> 23) & 255) - 126;
  vf m = vf((bits & 0x007fffff) | 0x3f000000);  // 0.5 … 1
  vi low = m < 0.707106781186547524f;
  vf e = to_float(exponent + low) - (denormal ? set1(23.0f) : vf{});  // a true lane is −1
  m = (low ? m + m : m) - 1.0f;
  vf z = m * m;
  vf p = horner(m, 3.3333331174e-1f, -2.4999993993e-1f, 2.0000714765e-1f, -1.6668057665e-1f, 1.4249322787e-1f, -1.2420140846e-1f,
                1.1676998740e-1f, -1.1514610310e-1f, 7.0376836292e-2f);
  vf r = m * z * p - e * 2.12194440e-4f - z * 0.5f;
  r = m + r + e * 0.693359375f;
  r = x == 0.0f ? set1(-INFINITY) : r;
  r = x == INFINITY ? x : r;
  return x >= 0.0f ? r : set1(NAN);
}

/// From e^−|x|, which cannot overflow; 0 below −87.
static inline vf sigmoid_v(vf x) {
  vf e = exp_below_zero_v(-abs_v(x)), r = reciprocal_v(1.0f + e);
  return x >= 0.0f ? r : e * r;
}

/// Relative error 4e-6: for results that are rounded to bf16.
static inline vf sigmoid_rough_v(vf x) {
  vf e = exp2_rough_v(abs_v(x) * -1.44269504088896341f), r = reciprocal_v(1.0f + e);
  return x >= 0.0f ? r : e * r;
}

static inline vf tanh_v(vf x) {
  vf a = abs_v(x), z = x * x;
  vf small = horner(z, -3.33332819422e-1f, 1.33314422036e-1f, -5.37397155531e-2f, 2.06390887954e-2f, -5.70498872745e-3f) * z * x + x;
  vf large = 1.0f - 2.0f / (exp_v(a + a) + 1.0f);
  large = vf(vi(large) | (vi(x) & int32_t(0x80000000)));
  return a < 0.625f ? small : large;
}

/// The normal distribution function Φ(x) = erfc(−x/√2)/2, with small relative error in the lower tail too.
static inline vf normal_cdf_v(vf x) {
  vf u = abs_v(x) * 0.70710678118654752f;
  vf z = u * u;
  vf erf_small = horner(z, 1.128379165726710f, -3.761262582423300e-1f, 1.128358514861418e-1f, -2.685381193529856e-2f,
                        5.188327685732524e-3f, -8.010193625184903e-4f, 7.853861353153693e-5f) * u;
  // exp(−x²/2): the rounding error of x² is put back, for it would grow with the exponent.
  vf s = x * x;
  vf lost = fma_v(x, x, -s);
  vf e = exp_v(s * -0.5f) * (1.0f - 0.5f * (s < 1e4f ? lost : vf{}));
  vf q = 1.0f / u, y = q * q;
  vf p1 = horner(y, 5.638259427386472e-1f, -2.741127028184656e-1f, 3.404879937665872e-1f, -4.944515323274145e-1f, 6.210004621745983e-1f,
                 -5.824733027278666e-1f, 3.687424674597105e-1f, -1.387039388740657e-1f, 2.326819970068386e-2f);
  vf p2 = horner(y, 5.641895067754075e-1f, -2.820767439740514e-1f, 4.218463358204948e-1f, -1.015265279202700f, 2.921019019210786f,
                 -7.495518717768503f, 1.297719955372516e+1f, -1.047766399936249e+1f);
  vf tail = 0.5f * e * q * (u < 2.0f ? p1 : p2);  // Φ(−|x|) for u ≥ 1
  vf half = 0.5f * erf_small;
  vf lower = u < 1.0f ? 0.5f - half : tail;
  vf upper = u < 1.0f ? 0.5f + half : 1.0f - tail;
  vf r = x < 0.0f ? lower : upper;
  return x != x ? x : r;
}
static inline vf normal_pdf_v(vf x) { return exp_v(x * x * -0.5f) * 0.39894228040143268f; }

/// GELU with tanh: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) = x·sigmoid(2·…).
static inline vf gelu_tanh_v(vf x) {
  vf inner = x * (0.0356774081363001f * x * x + 0.797884560802865356f);
  return x * sigmoid_v(inner + inner);
}
static inline vf gelu_tanh_slope_v(vf x) {
  vf inner = x * (0.0356774081363001f * x * x + 0.797884560802865356f);
  vf s = sigmoid_v(inner + inner);
  return s + 2.0f * x * s * (1.0f - s) * (0.1070322244089f * x * x + 0.797884560802865356f);
}
static inline vf gelu_erf_v(vf x) { return x * normal_cdf_v(x); }
static inline vf gelu_erf_slope_v(vf x) { return normal_cdf_v(x) + x * normal_pdf_v(x); }

/// sin (quarter 0) or cos (quarter 1).
static inline vf sin_shifted_v(vf x, int32_t quarter) {
  // Three-part π/2 is exact enough to here; larger angles are rare and go to libm.
  for (int i = 0; i < W; i++)
    if (__builtin_fabsf(x[i]) > 8192.0f) {
      vf r{};
      for (int j = 0; j < W; j++) r[j] = quarter ? cosf(x[j]) : sinf(x[j]);
      return r;
    }
  vf j = round_even(x * 0.636619772367581343f);
  vf r = x - j * 1.5703125f - j * 4.837512969970703125e-4f - j * 7.54978995489188216e-8f;
  vf z = r * r;
  vf s = horner(z, -1.6666654611e-1f, 8.3321608736e-3f, -1.9515295891e-4f) * z * r + r;
  vf c = horner(z, 4.166664568298827e-2f, -1.388731625493765e-3f, 2.443315711809948e-5f) * z * z - 0.5f * z + 1.0f;
  vi q = to_int(j) + quarter;
  vf picked = (q & 1) == 0 ? s : c;
  vf signed_ = vf(vi(picked) ^ ((q & 2) << 30));
  return x == x ? signed_ : x;
}

}  // namespace tt::TT_ISA
