// Philox 4x32-10 on vectors: W blocks at a time, their 4·W words in element order. Bit-identical to ../philox.h.
#pragma once
#include "../runtime/philox.h"
#include "vectors.h"

namespace tt::TT_ISA {

struct Product { vu high, low; };

/// 32×32 → 64 bit products of all lanes with a constant.
static inline Product multiply_wide(vu a, uint32_t constant) {
#ifdef TT_AVX512
  __m512i c = _mm512_set1_epi32(int32_t(constant));
  __m512i even = _mm512_mul_epu32(__m512i(a), c), odd = _mm512_mul_epu32(_mm512_srli_epi64(__m512i(a), 32), c);
  return {vu(_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd)),
          vu(_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32)))};
#else
  __m256i c = _mm256_set1_epi32(int32_t(constant));
  __m256i even = _mm256_mul_epu32(__m256i(a), c), odd = _mm256_mul_epu32(_mm256_srli_epi64(__m256i(a), 32), c);
  return {vu(_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa)),
          vu(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa))};
#endif
}

/// words[0 … 4·W) = the words of blocks `block` … `block + W − 1`.
static inline void philox_words(uint32_t* words, const uint32_t* rng, uint64_t block) {
  // Which block a lane computes is chosen so that interleaving the four words gives the order of the elements.
  vu c0 = vu((lanes() & 3) * (W / 4) + (lanes() >> 2)) + uint32_t(block);
  vu c1 = vu{} + uint32_t(block >> 32);
  c1 -= vu(c0 < uint32_t(block));  // carry: a true lane is −1
  vu c2 = vu{} + rng[3], c3 = vu{} + rng[2];
  uint32_t k0 = rng[0], k1 = rng[1];
  for (int round = 0; round < 10; round++) {
    Product p0 = multiply_wide(c0, 0xD2511F53u), p1 = multiply_wide(c2, 0xCD9E8D57u);
    vu n0 = p1.high ^ c1 ^ k0, n2 = p0.high ^ c3 ^ k1;
    c1 = p1.low;
    c3 = p0.low;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
#ifdef TT_AVX512
  __m512i low01 = _mm512_unpacklo_epi32(__m512i(c0), __m512i(c1)), high01 = _mm512_unpackhi_epi32(__m512i(c0), __m512i(c1));
  __m512i low23 = _mm512_unpacklo_epi32(__m512i(c2), __m512i(c3)), high23 = _mm512_unpackhi_epi32(__m512i(c2), __m512i(c3));
  _mm512_storeu_si512(words, _mm512_unpacklo_epi64(low01, low23));
  _mm512_storeu_si512(words + W, _mm512_unpackhi_epi64(low01, low23));
  _mm512_storeu_si512(words + 2 * W, _mm512_unpacklo_epi64(high01, high23));
  _mm512_storeu_si512(words + 3 * W, _mm512_unpackhi_epi64(high01, high23));
#else
  __m256i low01 = _mm256_unpacklo_epi32(__m256i(c0), __m256i(c1)), high01 = _mm256_unpackhi_epi32(__m256i(c0), __m256i(c1));
  __m256i low23 = _mm256_unpacklo_epi32(__m256i(c2), __m256i(c3)), high23 = _mm256_unpackhi_epi32(__m256i(c2), __m256i(c3));
  store_bits(words, _mm256_unpacklo_epi64(low01, low23));
  store_bits(words + W, _mm256_unpackhi_epi64(low01, low23));
  store_bits(words + 2 * W, _mm256_unpacklo_epi64(high01, high23));
  store_bits(words + 3 * W, _mm256_unpackhi_epi64(high01, high23));
#endif
}

}  // namespace tt::TT_ISA
