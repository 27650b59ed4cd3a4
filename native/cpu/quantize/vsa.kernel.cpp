// Bit-plane kernels: 32 dimensions a word, plain loops over words that vectorise. All exact.
#include "vsa.h"

#include "../vectors/vectors.h"

namespace tt::TT_ISA {

void vsa_pack_row(uint32_t* y, const int8_t* x, size_t dims) {
  const size_t words = (dims + 31) / 32;
  for (size_t w = 0; w < words; w++) {
    int8_t buffer[32] = {};
    const int8_t* from = x + 32 * w;
    if (dims - 32 * w < 32) {
      memcpy(buffer, from, dims - 32 * w);
      from = buffer;
    }
    const Signs signs = signs_of(from);
    y[w] = signs.plus;
    y[words + w] = signs.minus;
  }
}

void vsa_unpack_row(int8_t* y, const uint32_t* x, size_t dims) {
  const size_t words = (dims + 31) / 32;
  for (size_t w = 0; w < words; w++) {
    const uint32_t plus = x[w], minus = x[words + w];
    const size_t count = dims - 32 * w < 32 ? dims - 32 * w : 32;
    int8_t trits[32];
    for (uint32_t i = 0; i < 32; i++) trits[i] = int8_t(int(plus >> i & 1) - int(minus >> i & 1));
    memcpy(y + 32 * w, trits, count);
  }
}

void vsa_bind_row(uint32_t* y, const uint32_t* a, const uint32_t* b, size_t words) {
  for (size_t w = 0; w < words; w++) {
    const uint32_t ap = a[w], an = a[words + w], bp = b[w], bn = b[words + w];
    y[w] = (ap & bp) | (an & bn);
    y[words + w] = (ap & bn) | (an & bp);
  }
}

/// Counters cut into bits: slice s of a word holds bit s of 32 counters. A vector is added by rippling its plane through.
void vsa_bundle_row(uint32_t* y, const uint32_t* x, size_t count, size_t words) {
  constexpr size_t WORDS = 16;
  int slices = 0;
  while (count >> slices) slices++;
  for (size_t first = 0; first < words; first += WORDS) {
    const size_t lanes = words - first < WORDS ? words - first : WORDS;
    uint32_t plus[8][WORDS] = {}, minus[8][WORDS] = {};
    for (size_t i = 0; i < count; i++) {
      const uint32_t* from = x + i * 2 * words + first;
      uint32_t carry[WORDS] = {}, borrow[WORDS] = {};
      memcpy(carry, from, lanes * 4);
      memcpy(borrow, from + words, lanes * 4);
      for (int s = 0; s < slices; s++)
        for (size_t j = 0; j < WORDS; j++) {
          const uint32_t up = plus[s][j] & carry[j], down = minus[s][j] & borrow[j];
          plus[s][j] ^= carry[j];
          minus[s][j] ^= borrow[j];
          carry[j] = up;
          borrow[j] = down;
        }
    }
    uint32_t greater[WORDS] = {}, less[WORDS] = {};
    for (int s = slices - 1; s >= 0; s--)
      for (size_t j = 0; j < WORDS; j++) {
        const uint32_t open = ~(greater[j] | less[j]);
        greater[j] |= open & plus[s][j] & ~minus[s][j];
        less[j] |= open & minus[s][j] & ~plus[s][j];
      }
    memcpy(y + first, greater, lanes * 4);
    memcpy(y + words + first, less, lanes * 4);
  }
}

int32_t vsa_dot(const uint32_t* a, const uint32_t* b, size_t words) {
  int32_t dot = 0;
  size_t w = 0;
  for (; w + 2 <= words; w += 2) {
    uint64_t ap, an, bp, bn;
    memcpy(&ap, a + w, 8);
    memcpy(&an, a + words + w, 8);
    memcpy(&bp, b + w, 8);
    memcpy(&bn, b + words + w, 8);
    dot += __builtin_popcountll((ap & bp) | (an & bn)) - __builtin_popcountll((ap & bn) | (an & bp));
  }
  if (w < words) {
    const uint32_t ap = a[w], an = a[words + w], bp = b[w], bn = b[words + w];
    dot += __builtin_popcount((ap & bp) | (an & bn)) - __builtin_popcount((ap & bn) | (an & bp));
  }
  return dot;
}

/// Up to 32 bits of one plane from bit `from`, which with `count` stays inside it.
static inline uint32_t bits_at(const uint32_t* plane, size_t words, size_t from, size_t count) {
  const size_t word = from / 32, shift = from % 32;
  uint64_t pair = plane[word];
  if (word + 1 < words) pair |= uint64_t(plane[word + 1]) << 32;
  return uint32_t(pair >> shift & ((uint64_t(1) << count) - 1));
}

void vsa_permute_row(uint32_t* y, const uint32_t* x, size_t dims, size_t shift) {
  const size_t words = (dims + 31) / 32;
  for (int plane = 0; plane < 2; plane++, x += words, y += words) {
    size_t from = shift == 0 ? 0 : dims - shift;
    for (size_t w = 0; w < words; w++) {
      const size_t wanted = dims - 32 * w < 32 ? dims - 32 * w : 32;
      uint32_t word = 0;
      for (size_t have = 0; have < wanted;) {
        const size_t left = dims - from, count = left < wanted - have ? left : wanted - have;
        word |= bits_at(x, words, from, count) << have;
        have += count;
        from += count;
        if (from == dims) from = 0;
      }
      y[w] = word;
    }
  }
}

}  // namespace tt::TT_ISA
