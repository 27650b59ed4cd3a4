// NEON (ARMv8.0 and later): what vectors.h needs of it beyond Clang's builtins. The sections are those of avx2.h.
#pragma once
#include <arm_neon.h>

#include "clang.h"

namespace tt::TT_ISA {

// ---- arithmetic ---------------------------------------------------------------------------------------------------

/// a·b + c, rounded once.
TT_INLINE vf fma_v(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }
/// Towards zero; the nearest that there is for what no integer holds, 0 for NaN.
TT_INLINE vi to_int(vf x) {
  int32x4_t low = vcvtq_s32_f32(low_half(x)), high = vcvtq_s32_f32(high_half(x));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}
/// x·2^n for integer-valued n in −252 … 254.
TT_INLINE vf scale_by_power(vf x, vf n) {
  vi whole = to_int(n), half = whole >> 1;
  return x * vf((half + 127) << 23) * vf((whole - half + 127) << 23);
}

// ---- 16 bits ------------------------------------------------------------------------------------------------------

typedef __fp16 vhf __attribute__((vector_size(W * 2)));
TT_INLINE vf widen_f16(vh h) { return __builtin_convertvector(vhf(h), vf); }
TT_INLINE vh narrow_f16(vf x) { return vh(__builtin_convertvector(x, vhf)); }

// ---- codes --------------------------------------------------------------------------------------------------------

/// table[index] for index 0 … 15: its 64 bytes lie in four registers.
TT_INLINE vf look_up16(const float* table, vi index) {
  const uint8x16x4_t bytes = vld1q_u8_x4(reinterpret_cast<const uint8_t*>(table));
  const vu places = vu(index) * 0x04040404u + 0x03020100u;
  uint32_t both[W];
  store_bits(both, places);
  uint8x16_t low = vqtbl4q_u8(bytes, vreinterpretq_u8_u32(vld1q_u32(both))), high = vqtbl4q_u8(bytes, vreinterpretq_u8_u32(vld1q_u32(both + 4)));
  return join(vq(low), vq(high));
}

/// Bit i of plus (minus): byte i of 32 is above (below) zero.
TT_INLINE uint32_t mask_of(uint8x16_t low, uint8x16_t high) {
  const uint8x16_t weight = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t a = vpaddq_u8(vandq_u8(low, weight), vandq_u8(high, weight)), b = vpaddq_u8(a, a), c = vpaddq_u8(b, b);
  return vgetq_lane_u32(vreinterpretq_u32_u8(c), 0);
}
TT_INLINE Signs signs_of(const int8_t* p) {
  const int8x16_t low = vld1q_s8(p), high = vld1q_s8(p + 16);
  return {mask_of(vcgtzq_s8(low), vcgtzq_s8(high)), mask_of(vcltzq_s8(low), vcltzq_s8(high))};
}

}  // namespace tt::TT_ISA
