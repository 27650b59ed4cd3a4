// Philox 4x32-10 (Salmon et al., SC'11), the generator of every random mask. Which element draws which word is part of
// the ABI: see "rng" in tritune.h.
#pragma once
#include <stdint.h>

namespace tt {

struct Philox4 { uint32_t word[4]; };

// static inline: each instruction-set build of a kernel must have its own copy, never one merged by the linker.
static inline Philox4 philox4x32(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
    uint32_t n0 = uint32_t(p1 >> 32) ^ c1 ^ k0, n2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c1 = uint32_t(p1);
    c3 = uint32_t(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

/// Words of elements 4·block … 4·block + 3, counted with the rng's offset already added.
static inline Philox4 philox_block(const uint32_t* rng, uint64_t block) {
  return philox4x32(uint32_t(block), uint32_t(block >> 32), rng[3], rng[2], rng[0], rng[1]);
}

static inline uint64_t rng_offset(const uint32_t* rng) { return uint64_t(rng[4]) | uint64_t(rng[5]) << 32; }

/// An element is dropped when its word is below this.
static inline uint32_t dropout_threshold(float p) {
  double scaled = double(p) * 4294967296.0;
  return scaled >= 4294967295.0 ? 4294967295u : uint32_t(scaled);
}

}  // namespace tt
