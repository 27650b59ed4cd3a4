// The code tables of bitsandbytes: nf4 (arXiv 2305.14314), fp4, and the dynamic 8-bit maps (arXiv 2110.02861), bit for
// bit, made at compile time. core/ops/_codebooks.ts has the same.
#pragma once

namespace tt {

constexpr float NF4_VALUES[16] = {-1.0f,
                                  -0.6961928009986877f,
                                  -0.5250730514526367f,
                                  -0.39491748809814453f,
                                  -0.28444138169288635f,
                                  -0.18477343022823334f,
                                  -0.09105003625154495f,
                                  0.0f,
                                  0.07958029955625534f,
                                  0.16093020141124725f,
                                  0.24611230194568634f,
                                  0.33791524171829224f,
                                  0.44070982933044434f,
                                  0.5626170039176941f,
                                  0.7229568362236023f,
                                  1.0f};
/// The code is the number of thresholds below the value; NaN is above none.
constexpr float NF4_THRESHOLDS[15] = {-0.8480964004993439f,  -0.6106329262256622f, -0.4599952697753906f, -0.33967943489551544f, -0.23460740596055984f,
                                      -0.13791173323988914f, -0.045525018125772476f, 0.03979014977812767f, 0.1202552504837513f, 0.2035212516784668f,
                                      0.2920137718319893f,   0.3893125355243683f,  0.5016634166240692f,  0.6427869200706482f,   0.8614784178118011f};

/// The same with room behind, for tables that are read 16 at a time from the first or the second on.
constexpr float NF4_STEPS[17] = {NF4_THRESHOLDS[0],  NF4_THRESHOLDS[1],  NF4_THRESHOLDS[2],  NF4_THRESHOLDS[3],  NF4_THRESHOLDS[4], NF4_THRESHOLDS[5],
                                 NF4_THRESHOLDS[6],  NF4_THRESHOLDS[7],  NF4_THRESHOLDS[8],  NF4_THRESHOLDS[9],  NF4_THRESHOLDS[10], NF4_THRESHOLDS[11],
                                 NF4_THRESHOLDS[12], NF4_THRESHOLDS[13], NF4_THRESHOLDS[14], 2.0f,               2.0f};

constexpr float FP4_VALUES[16] = {0.0f,  0.0625f / 12,  8.0f / 12,  1.0f,  4.0f / 12,  0.5f,  2.0f / 12,  0.25f,
                                  -0.0f, -0.0625f / 12, -8.0f / 12, -1.0f, -4.0f / 12, -0.5f, -2.0f / 12, -0.25f};
/// Of magnitudes: their number gives the place in FP4_ORDER; bit 3 of the code is the sign.
constexpr float FP4_THRESHOLDS[7] = {0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f, 0.4166667f, 0.583333f, 0.8333333f};
constexpr int FP4_ORDER[8] = {0, 1, 6, 7, 4, 5, 2, 3};

struct DynamicMap {
  float value[256];   // ascending
  float middle[256];  // between a value and the next; the last is above all
};

/// Seven decades; decade i has 2^i values of each sign, or 2^(i+1) without one.
constexpr DynamicMap dynamic_map(bool is_signed) {
  constexpr float DECADES[7] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f};
  DynamicMap map = {};
  float* value = map.value;
  int n = 0;
  value[n++] = 0;
  value[n++] = 1;
  for (int decade = 0; decade < 7; decade++) {
    const int steps = 1 << (is_signed ? decade : decade + 1);
    const float step = (1.0f - 0.1f) / float(steps);
    float bound[129] = {};
    // torch.linspace counts from the nearer end, with one rounding each.
    for (int k = 0; k <= steps; k++)
      bound[k] = k < (steps + 1) / 2 ? float(double(0.1f) + double(step) * k) : float(1.0 - double(step) * (steps - k));
    for (int k = 0; k < steps; k++) {
      value[n++] = (bound[k] + bound[k + 1]) * 0.5f * DECADES[decade];
      if (is_signed) {
        value[n] = -value[n - 1];
        n++;
      }
    }
  }
  for (int i = 1; i < 256; i++) {
    const float one = value[i];
    int j = i;
    for (; j > 0 && value[j - 1] > one; j--) value[j] = value[j - 1];
    value[j] = one;
  }
  for (int i = 0; i < 255; i++) map.middle[i] = (value[i] + value[i + 1]) * 0.5f;
  map.middle[255] = 2;
  return map;
}

constexpr DynamicMap SIGNED_MAP = dynamic_map(true), UNSIGNED_MAP = dynamic_map(false);
/// The code of 0 in the signed map: 127 values are negative.
constexpr int SIGNED_ZERO = 127;
static_assert(SIGNED_MAP.value[SIGNED_ZERO] == 0 && SIGNED_MAP.value[0] < -0.99f && SIGNED_MAP.value[255] == 1, "the signed map");
static_assert(UNSIGNED_MAP.value[0] == 0 && UNSIGNED_MAP.value[1] > 0 && UNSIGNED_MAP.value[255] == 1, "the unsigned map");

}  // namespace tt
