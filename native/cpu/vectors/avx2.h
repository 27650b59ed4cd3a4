// AVX2 with FMA and F16C: what vectors.h needs of it. The sections are the same in avx512.h, neon.h and wasm.h.
#pragma once
#include <immintrin.h>

namespace tt::TT_ISA {

TT_INLINE __m256i first_lanes(size_t n) { return __m256i(lanes() < int32_t(n)); }

// ---- arithmetic ---------------------------------------------------------------------------------------------------

// The instruction returns its second operand when either is NaN; these names say which one that is.
TT_INLINE vf max_or_second(vf a, vf b) { return vf(_mm256_max_ps(__m256(a), __m256(b))); }
TT_INLINE vf min_or_second(vf a, vf b) { return vf(_mm256_min_ps(__m256(a), __m256(b))); }
TT_INLINE vf round_even(vf x) { return vf(_mm256_round_ps(__m256(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }
TT_INLINE vf sqrt_v(vf x) { return vf(_mm256_sqrt_ps(__m256(x))); }
/// a·b + c, rounded once.
TT_INLINE vf fma_v(vf a, vf b, vf c) { return vf(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c))); }
/// Towards zero; any number for what no integer holds.
TT_INLINE vi to_int(vf x) { return vi(_mm256_cvttps_epi32(__m256(x))); }
/// 1/x to about 1 ulp, for x of moderate size.
TT_INLINE vf reciprocal_v(vf x) { return 1.0f / x; }
/// x·2^n for integer-valued n in −252 … 254.
TT_INLINE vf scale_by_power(vf x, vf n) {
  vi whole = to_int(n), half = whole >> 1;
  return x * vf((half + 127) << 23) * vf((whole - half + 127) << 23);
}

// ---- 16 bits ------------------------------------------------------------------------------------------------------

// Not __builtin_convertvector: gcc 12 splits it in two.
TT_INLINE vu widen_bits(vh h) { return vu(_mm256_cvtepu16_epi32(__m128i(h))); }
/// The low 16 bits of each lane, whose high ones are 0.
TT_INLINE vh low_halves(vu x) {
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(__m256i(x), __m256i(x)), 0xd8);
  return vh(_mm256_castsi256_si128(packed));
}
TT_INLINE vf widen_f16(vh h) { return vf(_mm256_cvtph_ps(__m128i(h))); }
TT_INLINE vh narrow_f16(vf x) { return vh(_mm256_cvtps_ph(__m256(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }

// ---- memory -------------------------------------------------------------------------------------------------------

TT_INLINE vf first_floats(const float* p, size_t n) { return vf(_mm256_maskload_ps(p, first_lanes(n))); }
TT_INLINE void put_floats(float* p, vf v, size_t n) { _mm256_maskstore_ps(p, first_lanes(n), __m256(v)); }
TT_INLINE vh first_halves(const uint16_t* p, size_t n) {
  uint16_t buffer[W] = {};
  copy_first(buffer, p, n);
  return load_bits<vh>(buffer);
}
TT_INLINE void put_halves(uint16_t* p, vh v, size_t n) {
  uint16_t buffer[W];
  store_bits(buffer, v);
  copy_first(p, buffer, n);
}
template <class T> TT_INLINE void stream_bits(T* p, vf v) { _mm256_stream_ps(p, __m256(v)); }
template <class T> TT_INLINE void stream_bits(T* p, vh v) { _mm_stream_si128(reinterpret_cast<__m128i*>(p), __m128i(v)); }
TT_INLINE void stream_fence() { _mm_sfence(); }

// ---- across lanes -------------------------------------------------------------------------------------------------

/// Pairwise, always in the same order.
TT_INLINE float sum_lanes(vf v) {
  __m128 m = _mm_add_ps(_mm256_castps256_ps128(__m256(v)), _mm256_extractf128_ps(__m256(v), 1));
  m = _mm_add_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_add_ss(m, _mm_movehdup_ps(m)));
}
/// For numbers that are not NaN.
TT_INLINE float max_lanes_finite(vf v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(__m256(v)), _mm256_extractf128_ps(__m256(v), 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

/// W×W transpose in registers: row i of the result is column i of what was there.
TT_INLINE void transpose_square(vf* rows) {
  __m256 t[8], s[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(__m256(rows[i]), __m256(rows[i + 1]));
    t[i + 1] = _mm256_unpackhi_ps(__m256(rows[i]), __m256(rows[i + 1]));
  }
  for (int i = 0; i < 8; i += 4) {
    s[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    s[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    s[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    s[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    rows[i] = vf(_mm256_permute2f128_ps(s[i], s[i + 4], 0x20));
    rows[i + 4] = vf(_mm256_permute2f128_ps(s[i], s[i + 4], 0x31));
  }
}

// ---- integers -----------------------------------------------------------------------------------------------------

struct Product { vu high, low; };
/// 32×32 → 64 bit products of all lanes with a constant.
TT_INLINE Product multiply_wide(vu a, uint32_t constant) {
  __m256i c = _mm256_set1_epi32(int32_t(constant));
  __m256i even = _mm256_mul_epu32(__m256i(a), c), odd = _mm256_mul_epu32(_mm256_srli_epi64(__m256i(a), 32), c);
  return {vu(_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa)),
          vu(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa))};
}
/// words[r·W + 4·q + c] = column c at lane 4·q + r, for r = 0 … 3: the columns as rows of four words.
TT_INLINE void store_interleaved(uint32_t* words, vu c0, vu c1, vu c2, vu c3) {
  __m256i low01 = _mm256_unpacklo_epi32(__m256i(c0), __m256i(c1)), high01 = _mm256_unpackhi_epi32(__m256i(c0), __m256i(c1));
  __m256i low23 = _mm256_unpacklo_epi32(__m256i(c2), __m256i(c3)), high23 = _mm256_unpackhi_epi32(__m256i(c2), __m256i(c3));
  store_bits(words, _mm256_unpacklo_epi64(low01, low23));
  store_bits(words + W, _mm256_unpackhi_epi64(low01, low23));
  store_bits(words + 2 * W, _mm256_unpacklo_epi64(high01, high23));
  store_bits(words + 3 * W, _mm256_unpackhi_epi64(high01, high23));
}

// ---- codes --------------------------------------------------------------------------------------------------------

TT_INLINE vf gather(const float* table, vi index) { return vf(_mm256_i32gather_ps(table, __m256i(index), 4)); }
/// table[index] for index 0 … 15.
TT_INLINE vf look_up16(const float* table, vi index) {
  __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), __m256i(index));
  __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), __m256i(index));
  return vf(_mm256_blendv_ps(low, high, __m256(index << 28)));
}
/// W bytes as lanes.
TT_INLINE vi load_codes(const uint8_t* p) { return vi(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)))); }
TT_INLINE vi load_codes(const int8_t* p) { return vi(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)))); }
/// The low byte of each lane.
TT_INLINE void store_codes(uint8_t* p, vi codes) {
  const __m256i ends = _mm256_shuffle_epi8(__m256i(codes), _mm256_set_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 12, 8, 4, 0, -1, -1, -1, -1, -1,
                                                                           -1, -1, -1, -1, -1, -1, -1, 12, 8, 4, 0));
  const uint64_t eight = uint64_t(uint32_t(_mm256_extract_epi32(ends, 0))) | uint64_t(uint32_t(_mm256_extract_epi32(ends, 4))) << 32;
  memcpy(p, &eight, 8);
}
/// The W codes in W/2 bytes, the high nibble first.
TT_INLINE vi load_nibbles(const uint8_t* p) {
  int32_t four;
  memcpy(&four, p, 4);
  __m128i bytes = _mm_cvtepu8_epi16(_mm_cvtsi32_si128(four));
  return vi(_mm256_cvtepu8_epi32(_mm_or_si128(_mm_srli_epi16(bytes, 4), _mm_slli_epi16(_mm_and_si128(bytes, _mm_set1_epi16(15)), 8))));
}
/// The inverse: codes of 4 bits.
TT_INLINE void store_nibbles(uint8_t* p, vi codes) {
  const __m256i pairs = __m256i(codes);
  const __m256i bytes = _mm256_or_si256(_mm256_slli_epi64(pairs, 4), _mm256_srli_epi64(pairs, 32));
  const __m256i ends = _mm256_shuffle_epi8(bytes, _mm256_set_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 8, 0, -1, -1, -1, -1, -1, -1, -1,
                                                                  -1, -1, -1, -1, -1, -1, -1, 8, 0));
  const uint32_t four = uint32_t(_mm256_extract_epi16(ends, 0)) | uint32_t(_mm256_extract_epi16(ends, 8)) << 16;
  memcpy(p, &four, 4);
}

struct Signs { uint32_t plus, minus; };
/// Bit i of plus (minus): byte i of 32 is above (below) zero.
TT_INLINE Signs signs_of(const int8_t* p) {
  const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {uint32_t(_mm256_movemask_epi8(_mm256_cmpgt_epi8(v, _mm256_setzero_si256()))), uint32_t(_mm256_movemask_epi8(v))};
}

}  // namespace tt::TT_ISA
