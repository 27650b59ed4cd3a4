// Philox 4x32-10 (Salmon et al., SC'11) on the GPU, the generator of every random mask. Which element draws which word is part
// of the ABI: see "rng" in tritune.h. The twin of native/cpu/runtime/philox.h.
#pragma once
#include "device.h"

namespace tt {

/// The host's uint32[6], by value: what a kernel takes.
struct Rng {
  uint32_t seed_low, seed_high, step, site;
  uint64_t offset;
};
inline Rng rng_from(const uint32_t* rng) { return rng ? Rng{rng[0], rng[1], rng[2], rng[3], uint64_t(rng[4]) | uint64_t(rng[5]) << 32} : Rng{}; }

/// An element is dropped when its word is below this.
inline uint32_t dropout_threshold(float p) {
  double scaled = double(p) * 4294967296.0;
  return scaled >= 4294967295.0 ? 4294967295u : uint32_t(scaled);
}
/// What kept elements are multiplied by.
inline float dropout_keep_scale(float p) { return p > 0 ? float(1 / (1 - double(p))) : 1; }

struct Philox4 { uint32_t word[4]; };

/// Words of elements 4·block … 4·block + 3, counted with the rng's offset already added.
TT_GPU Philox4 philox_block(const Rng& rng, uint64_t block) {
  uint32_t c0 = uint32_t(block), c1 = uint32_t(block >> 32), c2 = rng.site, c3 = rng.step, k0 = rng.seed_low, k1 = rng.seed_high;
  TT_UNROLL
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
    const uint32_t n0 = uint32_t(p1 >> 32) ^ c1 ^ k0, n2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c1 = uint32_t(p1);
    c3 = uint32_t(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

/// words[i] = the word of element first + i (the rng's offset not yet added). One block of four more than N/4 is computed only
/// when first + offset is not a multiple of 4.
template <int N> TT_GPU void philox_words(uint32_t (&words)[N], const Rng& rng, uint64_t first) {
  static_assert(N % 4 == 0, "whole blocks");
  const uint64_t start = rng.offset + first;
  const uint32_t shift = uint32_t(start) & 3;
  uint32_t all[N + 4];
  TT_UNROLL
  for (int b = 0; b < N / 4 + 1; b++) {
    Philox4 four = {};
    if (b < N / 4 || shift) four = philox_block(rng, (start >> 2) + uint64_t(b));
    TT_UNROLL
    for (int i = 0; i < 4; i++) all[4 * b + i] = four.word[i];
  }
  // Selected, not indexed: an array with a run-time index would live in memory.
  TT_UNROLL
  for (int i = 0; i < N; i++) words[i] = shift == 0 ? all[i] : shift == 1 ? all[i + 1] : shift == 2 ? all[i + 2] : all[i + 3];
}

}  // namespace tt
