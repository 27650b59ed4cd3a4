// Philox 4x32-10 on vectors: W blocks at a time, their 4·W words in element order. Bit-identical to ../philox.h.
#pragma once
#include "../runtime/philox.h"
#include "vectors.h"

namespace tt::TT_ISA {

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
  store_interleaved(words, c0, c1, c2, c3);
}

}  // namespace tt::TT_ISA
