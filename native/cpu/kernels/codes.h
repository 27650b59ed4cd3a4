// Vectors of codes: bytes to lanes and back, look-ups, and the nearest value of a dynamic map.
#pragma once
#include "../codebooks.h"
#include "vectors.h"

namespace tt::TT_ISA {

static inline vf gather(const float* table, vi index) {
#ifdef TT_AVX512
  return vf(_mm512_i32gather_ps(__m512i(index), table, 4));
#else
  return vf(_mm256_i32gather_ps(table, __m256i(index), 4));
#endif
}

/// W bytes as lanes.
static inline vi load_codes(const uint8_t* p) {
#ifdef TT_AVX512
  return vi(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#else
  return vi(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#endif
}
static inline vi load_codes_n(const uint8_t* p, size_t n) {
  uint8_t buffer[W] = {};
  memcpy(buffer, p, n);
  return load_codes(buffer);
}
/// The low bytes of the first n lanes.
static inline void store_codes(uint8_t* p, vi codes, size_t n) {
#ifdef TT_AVX512
  if (n == W) return _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(__m512i(codes)));
#endif
  int32_t buffer[W];
  store_bits(buffer, codes);
  for (size_t j = 0; j < n; j++) p[j] = uint8_t(buffer[j]);
}

/// The number of midpoints below x: the nearest value, the lower one between two, 0 for NaN.
static inline vi nearest(const DynamicMap& map, vf x) {
  vi code{};
#pragma GCC unroll 8
  for (int step = 128; step > 0; step >>= 1) code += (x > gather(map.middle - 1 + step, code)) & step;
  return code;
}

/// table[index] for index 0 … 15.
static inline vf look_up16(const float* table, vi index) {
#ifdef TT_AVX512
  return vf(_mm512_permutexvar_ps(__m512i(index), _mm512_loadu_ps(table)));
#else
  __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), __m256i(index));
  __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), __m256i(index));
  return vf(_mm256_blendv_ps(low, high, __m256(index << 28)));
#endif
}

/// 2·W nibbles' worth of pairs: the W codes of W/2 bytes, the high nibble first.
static inline vi load_nibbles(const uint8_t* p) {
#ifdef TT_AVX512
  __m128i bytes = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#else
  int32_t four;
  memcpy(&four, p, 4);
  __m128i bytes = _mm_cvtepu8_epi16(_mm_cvtsi32_si128(four));
#endif
  __m128i pairs = _mm_or_si128(_mm_srli_epi16(bytes, 4), _mm_slli_epi16(_mm_and_si128(bytes, _mm_set1_epi16(15)), 8));
#ifdef TT_AVX512
  return vi(_mm512_cvtepu8_epi32(pairs));
#else
  return vi(_mm256_cvtepu8_epi32(pairs));
#endif
}

}  // namespace tt::TT_ISA
