// Dot products and Hamming distances of all pairs of two sets of bit planes: a block of pairs stays in registers, so that a word is read once for all of
// them. Included by vsa_pairs.kernel.cpp and vsa_pairs.vnni.cpp.
#include "vsa.h"

#include "../vectors/bits.h"

namespace tt::TT_ISA {
namespace {

/// Rows of a and b in a block.
#if TT_AVX512
constexpr int A_ROWS = 4, B_ROWS = 2;
#else
constexpr int A_ROWS = 2, B_ROWS = 2;
#endif

struct Planes { vu plus, minus; };

template <bool HAMMING, int A, int B> void block(const VsaPairs& t, size_t i, size_t j) {
  const size_t words = t.words;
  const uint32_t *a = t.a + i * 2 * words, *b = t.b + j * 2 * words;
  int32_t sums[A][B] = {};
  size_t w = 0;
  while (w < words) {
    vcount first[A][B] = {}, second[A][B] = {};
    const auto step = [&](auto load) {
      Planes right[B];
      vu some[B];
      TT_UNROLL for (int y = 0; y < B; y++) {
        const uint32_t* from = b + size_t(y) * 2 * words + w;
        right[y] = {load(from), load(from + words)};
        some[y] = right[y].plus | right[y].minus;
      }
      TT_UNROLL for (int x = 0; x < A; x++) {
        const uint32_t* from = a + size_t(x) * 2 * words + w;
        const Planes left = {load(from), load(from + words)};
        TT_UNROLL for (int y = 0; y < B; y++) {
          if (HAMMING) {
            first[x][y] = count_bits(first[x][y], (left.plus ^ right[y].plus) | (left.minus ^ right[y].minus));
          } else {
            // Dimensions in which neither is 0, and those of them in which the signs differ.
            const vu both = (left.plus | left.minus) & some[y];
            first[x][y] = count_bits(first[x][y], both);
            second[x][y] = count_bits(second[x][y], (left.plus ^ right[y].plus) & both);
          }
        }
      }
    };
    for (int steps = 0; steps < COUNT_STEPS && w < words; steps++, w += W) {
      if (words - w >= size_t(W)) {
        step([](const uint32_t* p) { return load_words(p); });
      } else {
        const size_t n = words - w;
        step([n](const uint32_t* p) { return load_words_n(p, n); });
      }
    }
    TT_UNROLL for (int x = 0; x < A; x++)
      TT_UNROLL for (int y = 0; y < B; y++) sums[x][y] += total_count(first[x][y]) - (HAMMING ? 0 : 2 * total_count(second[x][y]));
  }
  for (int x = 0; x < A; x++)
    for (int y = 0; y < B; y++) t.out[(i + size_t(x)) * t.ld + j + size_t(y)] = sums[x][y];
}

template <bool HAMMING> void all_blocks(const VsaPairs& t) {
  size_t i = 0;
  for (; i + A_ROWS <= t.a_rows; i += A_ROWS) {
    size_t j = 0;
    for (; j + B_ROWS <= t.b_rows; j += B_ROWS) block<HAMMING, A_ROWS, B_ROWS>(t, i, j);
    for (; j < t.b_rows; j++) block<HAMMING, A_ROWS, 1>(t, i, j);
  }
  for (; i < t.a_rows; i++) {
    size_t j = 0;
    for (; j + B_ROWS <= t.b_rows; j += B_ROWS) block<HAMMING, 1, B_ROWS>(t, i, j);
    for (; j < t.b_rows; j++) block<HAMMING, 1, 1>(t, i, j);
  }
}

}  // namespace

void vsa_pairs(const VsaPairs& pairs) { pairs.metric == TT_VSA_HAMMING ? all_blocks<true>(pairs) : all_blocks<false>(pairs); }

}  // namespace tt::TT_ISA
