// Dot products of bytes: codes of two bits by whole numbers of −127 … 127. What differs between instruction sets stands here under the same names.
#pragma once
#include "bits.h"

// Sums wait in vdot for DOT_STEPS steps at most, then widen_dots makes W sums of them; in which lane a product ends is not said.
//  codes_of(packed, p)   the codes in bits 2p and 2p+1 of each byte, times 1 << CODE_SHIFT(p)
//  dot_step(sum, c, x)   sum + the products of the bytes of c, unsigned, and of x, signed
//  dot_signed(sum, w, x) W sums + the products of the bytes of w and of x, both signed; x is not −128. SIGNED_OFFSET times the sum of x comes with it.
namespace tt::TT_ISA {

#if TT_AVX512
#if defined(__AVX512VNNI__)
#define TT_DOTS 1
typedef vi vdot;
constexpr int DOT_STEPS = 1024;  // of 4 · 192 · 127
// Codes stay where they are in the byte: a factor that sums of the end can lose as well.
constexpr int CODE_SHIFT(int p) { return 2 * p; }
TT_INLINE vbytes codes_of(vbytes packed, int p) { return packed & each_byte(3u << (2 * p)); }
TT_INLINE vdot dot_step(vdot sum, vbytes codes, vbytes x) { return vdot(_mm512_dpbusd_epi32(__m512i(sum), __m512i(codes), __m512i(x))); }
TT_INLINE vi widen_dots(vdot sum) { return sum; }
// The bytes of w are unsigned to the instruction: 128 more than they are.
constexpr int SIGNED_OFFSET = 128;
TT_INLINE vi dot_signed(vi sum, vbytes w, vbytes x) { return vi(_mm512_dpbusd_epi32(__m512i(sum), __m512i(w ^ each_byte(0x80)), __m512i(x))); }
#endif
#else
constexpr int SIGNED_OFFSET = 0;
#define TT_DOTS 1
constexpr int CODE_SHIFT(int) { return 0; }
TT_INLINE vbytes codes_of(vbytes packed, int p) { return vbytes(vu(packed) >> uint32_t(2 * p)) & each_byte(3); }
#if TT_AVX2
typedef int16_t vdot __attribute__((vector_size(BYTES)));
constexpr int DOT_STEPS = 40;  // of 2 · 3 · 127
TT_INLINE vdot dot_step(vdot sum, vbytes codes, vbytes x) { return vdot(_mm256_add_epi16(__m256i(sum), _mm256_maddubs_epi16(__m256i(codes), __m256i(x)))); }
TT_INLINE vi widen_dots(vdot sum) { return vi(_mm256_madd_epi16(__m256i(sum), _mm256_set1_epi16(1))); }
TT_INLINE vi dot_signed(vi sum, vbytes w, vbytes x) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(__m256i(w)), _mm256_sign_epi8(__m256i(x), __m256i(w)));
  return sum + vi(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#elif TT_NEON && defined(__ARM_FEATURE_DOTPROD)
typedef int32x4_t vdot;
constexpr int DOT_STEPS = 1 << 16;
TT_INLINE vdot dot_step(vdot sum, vbytes codes, vbytes x) {
  sum = vdotq_s32(sum, int8x16_t(low_bytes(codes)), int8x16_t(low_bytes(x)));
  return vdotq_s32(sum, int8x16_t(high_bytes(codes)), int8x16_t(high_bytes(x)));
}
TT_INLINE vi widen_dots(vdot sum) { return __builtin_shufflevector(sum, int32x4_t{}, 0, 1, 2, 3, 4, 5, 6, 7); }
TT_INLINE int32x4_t dot_half(int32x4_t sum, half_bytes w, half_bytes x) { return vdotq_s32(sum, int8x16_t(w), int8x16_t(x)); }
#elif TT_NEON
typedef int16x8_t vdot;
constexpr int DOT_STEPS = 20;  // of 4 · 3 · 127
TT_INLINE vdot dot_step(vdot sum, vbytes codes, vbytes x) {
  const int8x16_t c0 = int8x16_t(low_bytes(codes)), c1 = int8x16_t(high_bytes(codes)), x0 = int8x16_t(low_bytes(x)), x1 = int8x16_t(high_bytes(x));
  sum = vmlal_high_s8(vmlal_s8(sum, vget_low_s8(c0), vget_low_s8(x0)), c0, x0);
  return vmlal_high_s8(vmlal_s8(sum, vget_low_s8(c1), vget_low_s8(x1)), c1, x1);
}
TT_INLINE vi widen_dots(vdot sum) { return __builtin_shufflevector(vpaddlq_s16(sum), int32x4_t{}, 0, 1, 2, 3, 4, 5, 6, 7); }
TT_INLINE int32x4_t dot_half(int32x4_t sum, half_bytes w, half_bytes x) {
  const int8x16_t a = int8x16_t(w), b = int8x16_t(x);
  return vpadalq_s16(vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b))), vmull_high_s8(a, b));
}
#else
typedef int32_t vdot __attribute__((vector_size(16)));
constexpr int DOT_STEPS = 1 << 16;
TT_INLINE v128_t add_dots(v128_t sum, half_bytes codes, half_bytes x) {
#ifdef __wasm_relaxed_simd__
  // Codes have the top bit clear, so that every engine gives the same.
  return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(v128_t(x), v128_t(codes), sum);
#else
  const v128_t c = v128_t(codes), v = v128_t(x);
  const v128_t products = wasm_i16x8_add(wasm_i16x8_extmul_low_i8x16(c, v), wasm_i16x8_extmul_high_i8x16(c, v));
  return wasm_i32x4_add(sum, wasm_i32x4_extadd_pairwise_i16x8(products));
#endif
}
TT_INLINE vdot dot_step(vdot sum, vbytes codes, vbytes x) {
  return vdot(add_dots(add_dots(v128_t(sum), low_bytes(codes), low_bytes(x)), high_bytes(codes), high_bytes(x)));
}
TT_INLINE vi widen_dots(vdot sum) { return __builtin_shufflevector(sum, vdot{}, 0, 1, 2, 3, 4, 5, 6, 7); }
TT_INLINE vdot dot_half(vdot sum, half_bytes w, half_bytes x) {
  const v128_t a = v128_t(w), b = v128_t(x);
  const v128_t low = wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_extmul_low_i8x16(a, b)), high = wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_extmul_high_i8x16(a, b));
  return vdot(wasm_i32x4_add(v128_t(sum), wasm_i32x4_add(low, high)));
}
#endif
#if !TT_AVX2
/// The halves of a vector are registers of their own.
TT_INLINE vi dot_signed(vi sum, vbytes w, vbytes x) {
  const auto low = dot_half(__builtin_shufflevector(sum, sum, 0, 1, 2, 3), low_bytes(w), low_bytes(x));
  const auto high = dot_half(__builtin_shufflevector(sum, sum, 4, 5, 6, 7), high_bytes(w), high_bytes(x));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}
#endif
#endif

#if TT_DOTS
/// The sums of the lanes of four vectors.
TT_INLINE void sum_lanes4(int32_t* out, vi a, vi b, vi c, vi d) {
#if TT_AVX512
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(__m512i(a), __m512i(b)), _mm512_unpackhi_epi32(__m512i(a), __m512i(b)));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(__m512i(c), __m512i(d)), _mm512_unpackhi_epi32(__m512i(c), __m512i(d)));
  const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i two = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_add_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1)));
#elif TT_AVX2
  const __m256i two = _mm256_hadd_epi32(_mm256_hadd_epi32(__m256i(a), __m256i(b)), _mm256_hadd_epi32(__m256i(c), __m256i(d)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_add_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1)));
#else
  typedef int32_t four __attribute__((vector_size(16)));
  const auto half = [](vi v) { return four(__builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7)); };
  const four p = half(a), q = half(b), r = half(c), s = half(d);
  const four pq = __builtin_shufflevector(p, q, 0, 4, 1, 5) + __builtin_shufflevector(p, q, 2, 6, 3, 7);  // p q p q
  const four rs = __builtin_shufflevector(r, s, 0, 4, 1, 5) + __builtin_shufflevector(r, s, 2, 6, 3, 7);
  store_bits(out, four(__builtin_shufflevector(pq, rs, 0, 1, 4, 5) + __builtin_shufflevector(pq, rs, 2, 3, 6, 7)));
#endif
}
#endif

}  // namespace tt::TT_ISA
