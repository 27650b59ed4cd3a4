// AVX-512: what vectors.h needs of it. The sections are the same in avx2.h, neon.h and wasm.h.
#pragma once
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // how gcc 12's own header spells "any value"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif

namespace tt::TT_ISA {

TT_INLINE __mmask16 first_lanes(size_t n) { return __mmask16((1u << n) - 1); }

// ---- arithmetic ---------------------------------------------------------------------------------------------------

// The instruction returns its second operand when either is NaN; these names say which one that is.
TT_INLINE vf max_or_second(vf a, vf b) { return vf(_mm512_max_ps(__m512(a), __m512(b))); }
TT_INLINE vf min_or_second(vf a, vf b) { return vf(_mm512_min_ps(__m512(a), __m512(b))); }
TT_INLINE vf round_even(vf x) { return vf(_mm512_roundscale_ps(__m512(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }
TT_INLINE vf sqrt_v(vf x) { return vf(_mm512_sqrt_ps(__m512(x))); }
/// a·b + c, rounded once.
TT_INLINE vf fma_v(vf a, vf b, vf c) { return vf(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c))); }
/// Towards zero; any number for what no integer holds.
TT_INLINE vi to_int(vf x) { return vi(_mm512_cvttps_epi32(__m512(x))); }
/// 1/x to about 1 ulp, for x of moderate size. (A wide division takes as long as 30 multiplications.)
TT_INLINE vf reciprocal_v(vf x) {
  vf r = vf(_mm512_rcp14_ps(__m512(x)));
  return fma_v(r, fma_v(-x, r, set1(1)), r);
}
/// x·2^n for integer-valued n in −252 … 254.
TT_INLINE vf scale_by_power(vf x, vf n) { return vf(_mm512_scalef_ps(__m512(x), __m512(n))); }

// ---- 16 bits ------------------------------------------------------------------------------------------------------

// Not __builtin_convertvector: gcc 12 splits it in two.
TT_INLINE vu widen_bits(vh h) { return vu(_mm512_cvtepu16_epi32(__m256i(h))); }
/// The low 16 bits of each lane.
TT_INLINE vh low_halves(vu x) { return vh(_mm512_cvtepi32_epi16(__m512i(x))); }
TT_INLINE vf widen_f16(vh h) { return vf(_mm512_cvtph_ps(__m256i(h))); }
TT_INLINE vh narrow_f16(vf x) { return vh(_mm512_cvtps_ph(__m512(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }

// ---- memory -------------------------------------------------------------------------------------------------------

TT_INLINE vf first_floats(const float* p, size_t n) { return vf(_mm512_maskz_loadu_ps(first_lanes(n), p)); }
TT_INLINE void put_floats(float* p, vf v, size_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), __m512(v)); }
TT_INLINE vh first_halves(const uint16_t* p, size_t n) { return vh(_mm256_maskz_loadu_epi16(first_lanes(n), p)); }
/// Clang 21 turns a store of one narrowed lane into one of the whole wide lane, two bytes too many, when it knows the mask.
/// So it must not.
TT_INLINE __mmask16 unknown_lanes(size_t n) {
  uint32_t lanes = first_lanes(n);
#if defined(__clang__)
  __asm__("" : "+r"(lanes));
#endif
  return __mmask16(lanes);
}
TT_INLINE void put_halves(uint16_t* p, vh v, size_t n) { _mm256_mask_storeu_epi16(p, unknown_lanes(n), __m256i(v)); }
template <class T> TT_INLINE void stream_bits(T* p, vf v) { _mm512_stream_ps(p, __m512(v)); }
template <class T> TT_INLINE void stream_bits(T* p, vh v) { _mm256_stream_si256(reinterpret_cast<__m256i*>(p), __m256i(v)); }
TT_INLINE void stream_fence() { _mm_sfence(); }

// ---- across lanes -------------------------------------------------------------------------------------------------

/// Pairwise, always in the same order.
TT_INLINE float sum_lanes(vf v) { return _mm512_reduce_add_ps(__m512(v)); }
/// For numbers that are not NaN.
TT_INLINE float max_lanes_finite(vf v) { return _mm512_reduce_max_ps(__m512(v)); }

/// W×W transpose in registers: row i of the result is column i of what was there.
TT_INLINE void transpose_square(vf* rows) {
  __m512 r[16], t[16];
  for (int i = 0; i < 16; i++) r[i] = __m512(rows[i]);
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    __m512d a = _mm512_castps_pd(t[i]), b = _mm512_castps_pd(t[i + 1]), c = _mm512_castps_pd(t[i + 2]), d = _mm512_castps_pd(t[i + 3]);
    r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
    r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
    r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
    r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    rows[i] = vf(_mm512_shuffle_f32x4(t[i], t[i + 8], 0x88));
    rows[i + 8] = vf(_mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd));
    rows[i + 4] = vf(_mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88));
    rows[i + 12] = vf(_mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd));
  }
}

// ---- integers -----------------------------------------------------------------------------------------------------

struct Product { vu high, low; };
/// 32×32 → 64 bit products of all lanes with a constant.
TT_INLINE Product multiply_wide(vu a, uint32_t constant) {
  __m512i c = _mm512_set1_epi32(int32_t(constant));
  __m512i even = _mm512_mul_epu32(__m512i(a), c), odd = _mm512_mul_epu32(_mm512_srli_epi64(__m512i(a), 32), c);
  return {vu(_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd)),
          vu(_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32)))};
}
/// words[r·W + 4·q + c] = column c at lane 4·q + r, for r = 0 … 3: the columns as rows of four words.
TT_INLINE void store_interleaved(uint32_t* words, vu c0, vu c1, vu c2, vu c3) {
  __m512i low01 = _mm512_unpacklo_epi32(__m512i(c0), __m512i(c1)), high01 = _mm512_unpackhi_epi32(__m512i(c0), __m512i(c1));
  __m512i low23 = _mm512_unpacklo_epi32(__m512i(c2), __m512i(c3)), high23 = _mm512_unpackhi_epi32(__m512i(c2), __m512i(c3));
  _mm512_storeu_si512(words, _mm512_unpacklo_epi64(low01, low23));
  _mm512_storeu_si512(words + W, _mm512_unpackhi_epi64(low01, low23));
  _mm512_storeu_si512(words + 2 * W, _mm512_unpacklo_epi64(high01, high23));
  _mm512_storeu_si512(words + 3 * W, _mm512_unpackhi_epi64(high01, high23));
}

// ---- codes --------------------------------------------------------------------------------------------------------

TT_INLINE vf gather(const float* table, vi index) { return vf(_mm512_i32gather_ps(__m512i(index), table, 4)); }
/// table[index] for index 0 … 15.
TT_INLINE vf look_up16(const float* table, vi index) { return vf(_mm512_permutexvar_ps(__m512i(index), _mm512_loadu_ps(table))); }
/// W bytes as lanes.
TT_INLINE vi load_codes(const uint8_t* p) { return vi(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))); }
TT_INLINE vi load_codes(const int8_t* p) { return vi(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))); }
/// The low byte of each lane.
TT_INLINE void store_codes(uint8_t* p, vi codes) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(__m512i(codes))); }
/// The W codes in W/2 bytes, the high nibble first.
TT_INLINE vi load_nibbles(const uint8_t* p) {
  __m128i bytes = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return vi(_mm512_cvtepu8_epi32(_mm_or_si128(_mm_srli_epi16(bytes, 4), _mm_slli_epi16(_mm_and_si128(bytes, _mm_set1_epi16(15)), 8))));
}

/// The inverse: codes of 4 bits.
TT_INLINE void store_nibbles(uint8_t* p, vi codes) {
  const __m512i pairs = __m512i(codes);
  const __m512i bytes = _mm512_or_si512(_mm512_slli_epi64(pairs, 4), _mm512_srli_epi64(pairs, 32));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm512_cvtepi64_epi8(bytes));
}

/// 2·W values of W bytes, the high nibble first, looked up in a table of 16 halves.
#define TT_HALF_TABLES 1
typedef __m512i half_table;
TT_INLINE half_table make_half_table(vh values) { return _mm512_castsi256_si512(__m256i(values)); }
TT_INLINE __m512i look_up_halves(half_table table, const uint8_t* nibbles) {
  const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(nibbles)));
  // The index takes the low five bits, of which the fifth would reach past the table.
  const __m512i low = _mm512_slli_epi32(_mm512_and_si512(bytes, _mm512_set1_epi32(15)), 16);
  return _mm512_permutexvar_epi16(_mm512_or_si512(_mm512_srli_epi32(bytes, 4), low), table);
}
TT_INLINE void store_halves(bf16* p, __m512i v) { _mm512_storeu_si512(p, v); }
/// Two vectors of numbers, none of them NaN, rounded to bf16 as narrow() does.
TT_INLINE __m512i narrow_finite(vf low, vf high) {
  typedef uint16_t halves __attribute__((vector_size(64)));
  const halves upper = {1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  const vu a = vu(low) + (0x7fffu + (vu(low) >> 16 & 1u)), b = vu(high) + (0x7fffu + (vu(high) >> 16 & 1u));
  return _mm512_permutex2var_epi16(__m512i(a), __m512i(upper), __m512i(b));
}
TT_INLINE void stream_halves(bf16* p, __m512i v) { _mm512_stream_si512(reinterpret_cast<__m512i*>(p), v); }

/// 32 entries of 4 bytes, looked up by the low five bits of an index.
#define TT_TABLES_OF_32 1
struct table32 { vi low, high; };
template <class T> TT_INLINE table32 load_table32(const T* entries) { return {load_bits<vi>(entries), load_bits<vi>(entries + W)}; }
TT_INLINE vi look_up32(const table32& table, vi index) { return vi(_mm512_permutex2var_epi32(__m512i(table.low), __m512i(index), __m512i(table.high))); }
/// ⌊x·scale⌋ in the low bits, exactly, for |x·scale| < 2^22; the upper ones mean nothing.
TT_INLINE vi low_bits_of_floor(vf x, vf scale) {
  return vi(_mm512_fmadd_round_ps(__m512(x), __m512(scale), _mm512_set1_ps(0x1.8p23f), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
}
/// 2·W numbers, those with an even index apart from the odd ones.
struct Pairs { vf even, odd; };
TT_INLINE Pairs load_pairs(const bf16* p) {
  const vi both = load_bits<vi>(p);
  return {vf(both << 16), vf(both & int32_t(0xffff0000))};
}
TT_INLINE Pairs load_pairs(const float* p) {
  const __m512i low = _mm512_loadu_si512(p), high = _mm512_loadu_si512(p + W);
  const __m512i even = __m512i(lanes() * 2), odd = __m512i(lanes() * 2 + 1);
  return {vf(_mm512_permutex2var_epi32(low, even, high)), vf(_mm512_permutex2var_epi32(low, odd, high))};
}
/// The bits of the largest |x| as a float's, NaN being larger than Inf; n is a multiple of 2·W.
TT_INLINE uint32_t largest_magnitude_bits(const bf16* p, size_t n) {
  const __m512i magnitude = _mm512_set1_epi16(0x7fff);
  __m512i most = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 2 * W) most = _mm512_max_epu16(most, _mm512_and_si512(_mm512_loadu_si512(p + i), magnitude));
  const __m256i half = _mm256_max_epu16(_mm512_castsi512_si256(most), _mm512_extracti64x4_epi64(most, 1));
  const __m128i quarter = _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  // There is an instruction for the least of eight.
  const __m128i least = _mm_minpos_epu16(_mm_xor_si128(quarter, _mm_set1_epi16(-1)));
  return (~uint32_t(_mm_cvtsi128_si32(least)) & 0xffffu) << 16;
}
TT_INLINE uint32_t largest_magnitude_bits(const float* p, size_t n) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i most = _mm512_setzero_si512(), second = most;
  for (size_t i = 0; i < n; i += 2 * W) {
    most = _mm512_max_epi32(most, _mm512_and_si512(_mm512_loadu_si512(p + i), magnitude));
    second = _mm512_max_epi32(second, _mm512_and_si512(_mm512_loadu_si512(p + i + W), magnitude));
  }
  return uint32_t(_mm512_reduce_max_epi32(_mm512_max_epi32(most, second)));
}

struct Signs { uint32_t plus, minus; };
/// Bit i of plus (minus): byte i of 32 is above (below) zero.
TT_INLINE Signs signs_of(const int8_t* p) {
  const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {uint32_t(_mm256_movemask_epi8(_mm256_cmpgt_epi8(v, _mm256_setzero_si256()))), uint32_t(_mm256_movemask_epi8(v))};
}

}  // namespace tt::TT_ISA
