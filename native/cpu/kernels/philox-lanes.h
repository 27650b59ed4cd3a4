// Philox 4x32-10 on vectors: W blocks at a time, their 4·W words in element order. Bit-identical to ../philox.h.
#pragma once
#include "../philox.h"
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
  vu c0 = vu(lanes()) + uint32_t(block);
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
  uint32_t by_word[4][W];
  store_bits(by_word[0], c0);
  store_bits(by_word[1], c1);
  store_bits(by_word[2], c2);
  store_bits(by_word[3], c3);
  for (int i = 0; i < W; i++)
    for (int word = 0; word < 4; word++) words[4 * i + word] = by_word[word][i];
}

}  // namespace tt::TT_ISA
