// Vectors of codes: bytes to lanes and back, look-ups, and the nearest value of a dynamic map.
#pragma once
#include "codebooks.h"
#include "../vectors/vectors.h"

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

/// The code of the nearest value: the number of midpoints below x, so the lower one between two and 0 for NaN; |x| ≤ 1.
/// The guess from the decade's even steps is at most one off, because only the steps across its borders are uneven.
template <bool SIGNED> static inline vi nearest(const DynamicMap& map, vf x) {
  vf magnitude = SIGNED ? abs_v(x) : max_or_second(x, vf{});
  vi decade = vi{} - (magnitude > 1e-6f) - (magnitude > 1e-5f) - (magnitude > 1e-4f) - (magnitude > 1e-3f) - (magnitude > 1e-2f) - (magnitude > 1e-1f);
  vf place = magnitude * look_up16(map.slope, decade) - look_up16(map.shift, decade);
  vi step = to_int(min_or_second(max_or_second(place, vf{}), look_up16(map.last, decade)));
  vi above = step + to_int(look_up16(map.first, decade));
  vi code = SIGNED ? (x < 0 ? SIGNED_ZERO - 1 - above : SIGNED_ZERO + 1 + above) : above + 1;
  vi below = code - 1;
  below = below < 0 ? vi{} : below;
  vi up = x > gather(map.middle, code);
  vi down = (x <= gather(map.middle, below)) & (code > 0);
  return x == x ? code - up + down : vi{};
}

/// The W codes in W/2 bytes, the high nibble first.
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
