// One vector type for both builds of a kernel: 8 floats on AVX2, 16 on AVX-512, under the same names.
//
// Only what the kernels need. Everything is static inline inside namespace tt::TT_ISA, so nothing of the AVX-512 build
// can be merged by the linker into code that an AVX2 machine runs. The `_n` forms touch `n` elements only (0 ≤ n ≤
// LANES) and read the rest as 0: they are how matrices of any size are handled without reading out of bounds.
#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TT_INLINE static inline __attribute__((always_inline))

namespace tt {
namespace TT_ISA {

#if TT_AVX512

constexpr int LANES = 16;
using V = __m512;

TT_INLINE __mmask16 first(int n) { return n >= 16 ? __mmask16(0xffff) : __mmask16((1u << n) - 1); }
TT_INLINE V zero() { return _mm512_setzero_ps(); }
TT_INLINE V set1(float x) { return _mm512_set1_ps(x); }
TT_INLINE V add(V a, V b) { return _mm512_add_ps(a, b); }
TT_INLINE V mul(V a, V b) { return _mm512_mul_ps(a, b); }
TT_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
TT_INLINE V load(const float* p) { return _mm512_loadu_ps(p); }
TT_INLINE V load_n(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
TT_INLINE void store(float* p, V x) { _mm512_storeu_ps(p, x); }
TT_INLINE void store_n(float* p, V x, int n) { _mm512_mask_storeu_ps(p, first(n), x); }
/// Past the caches; p aligned to the vector. _mm_sfence() before another thread reads it.
TT_INLINE void stream(float* p, V x) { _mm512_stream_ps(p, x); }
TT_INLINE float sum(V x) { return _mm512_reduce_add_ps(x); }
TT_INLINE float largest(V x) { return _mm512_reduce_max_ps(x); }
TT_INLINE V sub(V a, V b) { return _mm512_sub_ps(a, b); }
TT_INLINE V div(V a, V b) { return _mm512_div_ps(a, b); }
// With a NaN in b the result is NaN: that is how the instruction breaks the tie, and it lets NaN through.
TT_INLINE V max(V a, V b) { return _mm512_max_ps(a, b); }
TT_INLINE V min(V a, V b) { return _mm512_min_ps(a, b); }
TT_INLINE V round(V x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
TT_INLINE V times_power_of_2(V x, V n) { return _mm512_scalef_ps(x, n); }
/// The first n lanes of x, the others `rest`.
TT_INLINE V keep_n(V x, V rest, int n) { return _mm512_mask_mov_ps(rest, first(n), x); }

TT_INLINE V widen(__m256i h) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16)); }
/// Round to nearest even; NaN stays a (quiet) NaN.
TT_INLINE __m256i narrow(V x) {
  __m512i u = _mm512_castps_si512(x);
  __m512i bias = _mm512_add_epi32(_mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1)), _mm512_set1_epi32(0x7fff));
  __m512i rounded = _mm512_add_epi32(u, bias);
  rounded = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), u, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}
TT_INLINE V load_bf16(const uint16_t* p) { return widen(_mm256_loadu_si256((const __m256i*)p)); }
TT_INLINE V load_bf16_n(const uint16_t* p, int n) { return widen(_mm256_maskz_loadu_epi16(first(n), p)); }
TT_INLINE void store_bf16_n(uint16_t* p, V x, int n) {
  if (n == 16) return _mm256_storeu_si256((__m256i*)p, narrow(x));
  _mm256_mask_storeu_epi16(p, first(n), narrow(x));
}
TT_INLINE void stream(uint16_t* p, V x) { _mm256_stream_si256((__m256i*)p, narrow(x)); }

/// Row i of the result is column i of what was there.
TT_INLINE void transpose(V* r) {
  V t[16];
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
    r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

#else

constexpr int LANES = 8;
using V = __m256;

TT_INLINE __m256i first(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
TT_INLINE V zero() { return _mm256_setzero_ps(); }
TT_INLINE V set1(float x) { return _mm256_set1_ps(x); }
TT_INLINE V add(V a, V b) { return _mm256_add_ps(a, b); }
TT_INLINE V mul(V a, V b) { return _mm256_mul_ps(a, b); }
TT_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
TT_INLINE V load(const float* p) { return _mm256_loadu_ps(p); }
TT_INLINE V load_n(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
TT_INLINE void store(float* p, V x) { _mm256_storeu_ps(p, x); }
TT_INLINE void store_n(float* p, V x, int n) { _mm256_maskstore_ps(p, first(n), x); }
TT_INLINE void stream(float* p, V x) { _mm256_stream_ps(p, x); }
TT_INLINE float sum(V x) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
TT_INLINE float largest(V x) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
TT_INLINE V sub(V a, V b) { return _mm256_sub_ps(a, b); }
TT_INLINE V div(V a, V b) { return _mm256_div_ps(a, b); }
// With a NaN in b the result is NaN: that is how the instruction breaks the tie, and it lets NaN through.
TT_INLINE V max(V a, V b) { return _mm256_max_ps(a, b); }
TT_INLINE V min(V a, V b) { return _mm256_min_ps(a, b); }
TT_INLINE V round(V x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// n in −126 … 127
TT_INLINE V times_power_of_2(V x, V n) {
  return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23)));
}
/// The first n lanes of x, the others `rest`.
TT_INLINE V keep_n(V x, V rest, int n) { return _mm256_blendv_ps(rest, x, _mm256_castsi256_ps(first(n))); }

TT_INLINE V widen(__m128i h) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16)); }
/// Round to nearest even; NaN stays a (quiet) NaN.
TT_INLINE __m128i narrow(V x) {
  __m256i u = _mm256_castps_si256(x);
  __m256i bias = _mm256_add_epi32(_mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1)), _mm256_set1_epi32(0x7fff));
  __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
  V nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  __m256i rounded = _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(_mm256_add_epi32(u, bias)), _mm256_castsi256_ps(quiet), nan));
  rounded = _mm256_srli_epi32(rounded, 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
}
TT_INLINE V load_bf16(const uint16_t* p) { return widen(_mm_loadu_si128((const __m128i*)p)); }
TT_INLINE V load_bf16_n(const uint16_t* p, int n) {
  if (n >= 8) return load_bf16(p);
  uint16_t part[8] = {};
  for (int i = 0; i < n; i++) part[i] = p[i];
  return load_bf16(part);
}
TT_INLINE void stream(uint16_t* p, V x) { _mm_stream_si128((__m128i*)p, narrow(x)); }
TT_INLINE void store_bf16_n(uint16_t* p, V x, int n) {
  if (n >= 8) return _mm_storeu_si128((__m128i*)p, narrow(x));
  uint16_t part[8];
  _mm_storeu_si128((__m128i*)part, narrow(x));
  for (int i = 0; i < n; i++) p[i] = part[i];
}

/// Row i of the result is column i of what was there.
TT_INLINE void transpose(V* r) {
  V t[8], s[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    s[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    s[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    s[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    s[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x31);
  }
}

#endif

/// Element types a kernel may read: the value is always widened to f32.
TT_INLINE V load_any_n(const float* p, int n) { return load_n(p, n); }
TT_INLINE V load_any_n(const uint16_t* p, int n) { return load_bf16_n(p, n); }
TT_INLINE V load_any(const float* p) { return load(p); }
TT_INLINE V load_any(const uint16_t* p) { return load_bf16(p); }
TT_INLINE void store_any_n(float* p, V x, int n) { store_n(p, x, n); }
TT_INLINE void store_any_n(uint16_t* p, V x, int n) { store_bf16_n(p, x, n); }

/// eˣ to about 1e-7, for x clamped to ±87; NaN stays NaN. (Range reduction by ln 2 in two parts, then Taylor to x⁷/7!.)
TT_INLINE V exp(V x) {
  x = max(set1(-87.0f), min(set1(87.0f), x));
  V n = round(mul(x, set1(1.44269504f)));
  V r = fma(n, set1(-0.693359375f), x);
  r = fma(n, set1(2.12194440e-4f), r);
  V y = set1(1.0f / 5040);
  y = fma(y, r, set1(1.0f / 720));
  y = fma(y, r, set1(1.0f / 120));
  y = fma(y, r, set1(1.0f / 24));
  y = fma(y, r, set1(1.0f / 6));
  y = fma(y, r, set1(0.5f));
  y = fma(y, r, set1(1.0f));
  y = fma(y, r, set1(1.0f));
  return times_power_of_2(y, n);
}

/// tanh by exp(2x): its error is about 1e-7 absolute, not relative to a small result.
TT_INLINE V tanh(V x) {
  V e = exp(add(x, x));
  return sub(set1(1), div(set1(2), add(e, set1(1))));
}

}  // namespace TT_ISA
}  // namespace tt
