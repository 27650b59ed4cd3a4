// WebAssembly's SIMD128, with or without the relaxed instructions: what vectors.h needs of it beyond Clang's builtins. The
// sections are those of avx2.h.
#pragma once
#include <wasm_simd128.h>

#include "clang.h"

namespace tt::TT_ISA {

// ---- arithmetic ---------------------------------------------------------------------------------------------------

/// a·b + c: rounded once where the relaxed instruction is, and the CPU behind it rounds once; else twice.
TT_INLINE vf fma_v(vf a, vf b, vf c) {
#ifdef __wasm_relaxed_simd__
  return join(vq(wasm_f32x4_relaxed_madd(v128_t(low_half(a)), v128_t(low_half(b)), v128_t(low_half(c)))),
              vq(wasm_f32x4_relaxed_madd(v128_t(high_half(a)), v128_t(high_half(b)), v128_t(high_half(c)))));
#else
  return a * b + c;
#endif
}
/// Towards zero; the nearest that there is for what no integer holds, 0 for NaN.
TT_INLINE vi to_int(vf x) {
  typedef int32_t vqi __attribute__((vector_size(16)));
  vqi low = vqi(wasm_i32x4_trunc_sat_f32x4(v128_t(low_half(x)))), high = vqi(wasm_i32x4_trunc_sat_f32x4(v128_t(high_half(x))));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}
/// x·2^n for integer-valued n in −252 … 254.
TT_INLINE vf scale_by_power(vf x, vf n) {
  vi whole = to_int(n), half = whole >> 1;
  return x * vf((half + 127) << 23) * vf((whole - half + 127) << 23);
}

// ---- 16 bits ------------------------------------------------------------------------------------------------------

// There is no instruction for f16. The exponent is put in place by a multiplication, which makes denormals right too.
TT_INLINE vf widen_f16(vh h) {
  vu bits = widen_bits(h), magnitude = bits & 0x7fffu;
  vf finite = vf(magnitude << 13) * 0x1p112f;
  vf other = vf((magnitude << 13) | 0x7f800000u);
  vf x = magnitude >= 0x7c00u ? other : finite;
  return vf(vu(x) | ((bits & 0x8000u) << 16));
}
/// Round to nearest even; NaN stays a (quiet) NaN.
TT_INLINE vh narrow_f16(vf x) {
  vu bits = vu(x), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  vu normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
  // Adding 0.5 puts the last bit of an f16 denormal where the float's own last bit is.
  vu denormal = vu(vf(magnitude) + 0.5f) - 0x3f000000u;
  vu small = vu(magnitude < 0x38800000u), large = vu(magnitude >= 0x477ff000u), nan = vu(magnitude > 0x7f800000u);
  vu result = small ? denormal : normal;
  result = large ? vu{} + 0x7c00u : result;
  result = nan ? ((magnitude >> 13) & 0x3ffu) | 0x7e00u : result;
  return low_halves(result | sign);
}

// ---- codes --------------------------------------------------------------------------------------------------------

/// table[index] for index 0 … 15.
TT_INLINE vf look_up16(const float* table, vi index) { return gather(table, index); }

/// Bit i of plus (minus): byte i of 32 is above (below) zero.
TT_INLINE Signs signs_of(const int8_t* p) {
  const v128_t low = wasm_v128_load(p), high = wasm_v128_load(p + 16), zero = wasm_i8x16_splat(0);
  return {uint32_t(wasm_i8x16_bitmask(wasm_i8x16_gt(low, zero))) | uint32_t(wasm_i8x16_bitmask(wasm_i8x16_gt(high, zero))) << 16,
          uint32_t(wasm_i8x16_bitmask(low)) | uint32_t(wasm_i8x16_bitmask(high)) << 16};
}

}  // namespace tt::TT_ISA
