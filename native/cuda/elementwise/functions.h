// Functions of one variable and their slopes in f32, each as accurate as f32 tests need, or rough (relative error below 1e-5)
// where the result is rounded to bf16 anyway.
#pragma once
#include "../runtime/device.h"

namespace tt {

/// e^x for results that are rounded to bf16.
TT_GPU float exp_rough(float x) { return exp2_fast(x * 1.44269504088896341f); }

template <bool ROUGH> TT_GPU float sigmoid(float x) {
  // From e^−|x|, which cannot overflow.
  if constexpr (ROUGH) {
    const float e = exp_rough(-fabsf(x)), r = __fdividef(1.f, 1.f + e);
    return x >= 0.f ? r : e * r;
  } else {
    const float e = expf(-fabsf(x)), r = 1.f / (1.f + e);
    return x >= 0.f ? r : e * r;
  }
}

/// The normal distribution function, with small relative error in the lower tail too.
TT_GPU float normal_cdf(float x) { return 0.5f * erfcf(x * -0.70710678118654752f); }
TT_GPU float normal_pdf(float x) { return expf(x * x * -0.5f) * 0.39894228040143268f; }

/// A value and the slope there; the compiler drops the one that is not used.
struct Activated { float value, slope; };

template <bool ROUGH> TT_GPU Activated silu(float x) {
  const float s = sigmoid<ROUGH>(x), value = x * s;
  return {value, s * (x * (1.f - s) + 1.f)};
}
/// 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) = x·sigmoid(2·…)
template <bool ROUGH> TT_GPU Activated gelu_tanh(float x) {
  const float inner = x * (0.0356774081363001f * x * x + 0.797884560802865356f), s = sigmoid<ROUGH>(inner + inner);
  return {x * s, s + 2.f * x * s * (1.f - s) * (0.1070322244089f * x * x + 0.797884560802865356f)};
}
TT_GPU Activated gelu_erf(float x) {
  const float below = normal_cdf(x);
  return {x * below, below + x * normal_pdf(x)};
}

// ---- sine and cosine ----------------------------------------------------------------------------------------------------
// Own ones: those of CUDA keep an array in local memory for large angles.

/// 2/π in binary after 32 zeros: where the bits of a large angle start depends on its exponent.
__device__ const uint32_t TWO_OVER_PI[10] = {0, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu, 0xdebbc561u, 0xb7246e3au};

struct Angle {
  float rest;  // −π/4 … π/4
  int quarters;
};

/// x − quarters·π/2 for any finite x (Payne & Hanek 1983): the product with 96 bits of 2/π, of which only the last two before the
/// point and those after it matter.
TT_GPU Angle reduce_large_angle(float x) {
  const uint32_t bits = __float_as_uint(x), mantissa = (bits & 0x7fffffu) | 0x800000u;
  // |x| = mantissa·2^shift, and bit i of the table (0 is the first of the 32 zeros) weighs 2^(31−i). Bits that weigh 2^2 or more
  // after the shift give whole turns: the window starts at the one that weighs 2^1.
  const int shift = int(bits >> 23 & 255u) - 150, start = shift + 30;
  const int word = start >> 5, offset = start & 31;
  uint32_t window[3];
  TT_UNROLL
  for (int i = 0; i < 3; i++) {
    const uint32_t high = TWO_OVER_PI[word + i], low = TWO_OVER_PI[word + i + 1];
    window[i] = offset ? high << offset | low >> (32 - offset) : high;
  }
  // In units of 2^−62; what overflows is whole turns.
  const uint64_t product = (uint64_t(mantissa * window[0]) << 32) + uint64_t(mantissa) * window[1] + (uint64_t(mantissa) * window[2] >> 32);
  const int quarters = int((product + (uint64_t(1) << 61)) >> 62);
  const int64_t fraction = int64_t(product - (uint64_t(quarters) << 62));
  const float rest = float(double(fraction) * (1.57079632679489662 / 4611686018427387904.0));
  const bool negative = bits >> 31;
  return {negative ? -rest : rest, negative ? -quarters : quarters};
}

TT_GPU Angle reduce_angle(float x) {
  if (!(fabsf(x) <= 8192.f)) return fabsf(x) < INFINITY ? reduce_large_angle(x) : Angle{x - x, 0};
  const float n = rintf(x * 0.636619772367581343f);
  return {fmaf(n, -7.54978995489188216e-8f, fmaf(n, -4.837512969970703125e-4f, fmaf(n, -1.5703125f, x))), int(n)};
}

/// sin (quarter 0) or cos (quarter 1), with the polynomials of Cephes.
TT_GPU float sin_shifted(float x, int quarter) {
  const Angle angle = reduce_angle(x);
  const float r = angle.rest, z = r * r;
  const float s = fmaf(((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z, r, r);
  const float c = fmaf(((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z, z, 1.f - 0.5f * z);
  const int q = angle.quarters + quarter;
  const float picked = q & 1 ? c : s;
  return q & 2 ? -picked : picked;
}

}  // namespace tt
