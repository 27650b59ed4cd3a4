// The code tables of bitsandbytes on the device: NF4, FP4 and the dynamic 8-bit maps, and the choice of a code.
//
// The thresholds are those of its GPU kernels, compared in f32: the bytes are equal. Four of its decimals lie halfway between
// two f32; what compilers make of the literal with `f` stands here in full, as the way over f64 gives the other one.
#pragma once
#include "../runtime/internal.h"

namespace tt {

// ---- four bits --------------------------------------------------------------------------------------------------------

/// Values of the codes 0 … 15 of TT_NF4 and TT_FP4; bit 3 of an FP4 code is its sign.
__device__ const float CODES_4BIT[2][16] = {
    {-1.f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.f,
     0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
     0.7229568362236023f, 1.f},
    {0.f, 0.0625f / 12, 8.f / 12, 1.f, 4.f / 12, 0.5f, 2.f / 12, 0.25f, -0.f, -0.0625f / 12, -8.f / 12, -1.f, -4.f / 12, -0.5f, -2.f / 12, -0.25f}};

/// Code of a value in −1 … 1: above a threshold is the upper code, NaN is above none. Selects only, no branches.
TT_GPU uint32_t nf4_code(float x) {
  const bool a = x > 0.03979014977812767f;
  const bool b = x > (a ? 0.3893125355243683f : -0.33967943489551544f);
  const float third = a ? (b ? 0.6427869200706482f : 0.2035212516784668f) : (b ? -0.13791173323988914f : -0.6106329262256622f);
  const bool c = x > third;
  const float above = b ? (c ? 0.86147838830947876f : 0.50166338682174683f) : (c ? 0.2920137718319893f : 0.1202552542090416f);
  const float below = b ? (c ? -0.045525018125772476f : -0.23460740596055984f) : (c ? -0.4599952697753906f : -0.84809643030166626f);
  return (a ? 8u : 0u) | (b ? 4u : 0u) | (c ? 2u : 0u) | (x > (a ? above : below) ? 1u : 0u);
}
TT_GPU uint32_t fp4_code(float x) {
  const float size = fabsf(x);
  const bool a = size > 0.29166667f;
  const bool b = size > (a ? 0.583333f : 0.0859375f);
  const float third = a ? (b ? 0.8333333f : 0.4166667f) : (b ? 0.20833333f : 0.00260417f);
  // In the order of their values the codes are 0, 1, 6, 7, 4, 5, 2, 3.
  const uint32_t code = a ? (b ? 2u : 4u) : (b ? 6u : 0u);
  return code | (size > third ? 1u : 0u) | (x < 0 ? 8u : 0u);
}

// ---- eight bits: the dynamic maps (Dettmers et al. 2022, arXiv 2110.02861) ----------------------------------------------

/// Value of an ascending code. Seven decades below 1, decade i of 2^i values of each sign, or 2^(i+1) when there is no
/// sign; 0 and 1 besides. Each is the middle of a step of torch.linspace(0.1, 1), rounded where torch rounds.
TT_GPU float dynamic_map(int code, bool is_signed) {
  const int zero = is_signed ? 127 : 0;
  if (code == zero) return 0.f;
  if (code == 255) return 1.f;
  const int order = (code < zero ? zero - code : code - zero) - 1;  // among the values of one sign, from the smallest
  const int first_log = is_signed ? 0 : 1;
  int decade = 0;
  while (order >= (2 << (decade + first_log)) - (1 << first_log)) decade++;
  const int steps = 1 << (decade + first_log), k = order - (steps - (1 << first_log));
  const float from = 0.1f, step = (1.f - from) / float(steps);
  float bounds[2];
  TT_UNROLL
  for (int i = 0; i < 2; i++) {
    // linspace counts from the nearer end, with one rounding.
    const int at = k + i;
    bounds[i] = at < (steps + 1) >> 1 ? fmaf(step, float(at), from) : fmaf(-step, float(steps - at), 1.f);
  }
  float power = 1e-6f;
  if (decade == 1) power = 1e-5f;
  if (decade == 2) power = 1e-4f;
  if (decade == 3) power = 1e-3f;
  if (decade == 4) power = 1e-2f;
  if (decade == 5) power = 1e-1f;
  if (decade == 6) power = 1.f;
  const float value = __fmul_rn(__fadd_rn(bounds[0], bounds[1]) * 0.5f, power);
  return code < zero ? -value : value;
}

/// Fills a shared table of the 256 values with a block of 256 threads or fewer; the caller synchronises.
TT_GPU void fill_dynamic_map(float* map, bool is_signed) {
  for (int code = int(threadIdx.x); code < 256; code += int(blockDim.x)) map[code] = dynamic_map(code, is_signed);
}

/// Code of the nearest value of an ascending map; the lower one in the middle of two, 0 for NaN.
TT_GPU int nearest_code(const float* map, float x) {
  int code = 0;
  for (int step = 128; step; step >>= 1)
    if (x > __fadd_rn(map[code + step - 1], map[code + step]) * 0.5f) code += step;
  return code;
}

}  // namespace tt
