// Sums of products of bf16 tiles, by AVX-512's products of pairs. See attention_tiles.h for what is in a tile, tile_sums.h for the same on AMX.
#pragma once
#define TT_ISA avx512_bf16
#define TT_AVX512 1
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../vectors/vectors.h"

namespace tt {
namespace avx512_bf16 {

/// 32 × 32 sums, in the memory that they are for.
class Sums {
 public:
  /// From 0, into c, whose rows are `row` elements apart.
  void start(float* c, size_t row) { to_ = c, row_ = row, fresh_ = true; }
  /// On to what c has.
  void resume(float* c, size_t row) { to_ = c, row_ = row, fresh_ = false; }
  /// Left tiles of rows 0–15 and 16–31, right ones of columns 0–15 and 16–31. a_row: bytes from row to row of the left tiles.
  void multiply(const uint16_t* a0, const uint16_t* a1, const uint16_t* b0, const uint16_t* b1, size_t a_row = 64) {
    for (size_t row = 0; row < 32; row += ROWS) add_rows(row, (row < 16 ? a0 : a1) + row % 16 * (a_row / 2), b0, b1, a_row / 2);
    fresh_ = false;
  }
  /// `start()` alone leaves nothing.
  void finish() {}

 private:
  static constexpr size_t ROWS = 8, PAIRS = 16;

  void add_rows(size_t row, const uint16_t* a, const uint16_t* b0, const uint16_t* b1, size_t a_row) {
    vf sums[ROWS][2];
    float* c = to_ + row * row_;
    TT_UNROLL for (size_t i = 0; i < ROWS; i++) {
      sums[i][0] = fresh_ ? vf{} : load(c + i * row_);
      sums[i][1] = fresh_ ? vf{} : load(c + i * row_ + W);
    }
    for (size_t k = 0; k < PAIRS; k++) {
      const __m512bh left = pairs(b0 + k * 32), right = pairs(b1 + k * 32);
      TT_UNROLL for (size_t i = 0; i < ROWS; i++) {
        uint32_t pair;
        memcpy(&pair, a + i * a_row + 2 * k, sizeof pair);
        const auto both = (__m512bh)_mm512_set1_epi32(int(pair));
        sums[i][0] = vf(_mm512_dpbf16_ps(__m512(sums[i][0]), both, left));
        sums[i][1] = vf(_mm512_dpbf16_ps(__m512(sums[i][1]), both, right));
      }
    }
    TT_UNROLL for (size_t i = 0; i < ROWS; i++) {
      store(c + i * row_, sums[i][0]);
      store(c + i * row_ + W, sums[i][1]);
    }
  }
  static __m512bh pairs(const uint16_t* p) { return (__m512bh)_mm512_loadu_si512(p); }

  float* to_ = nullptr;
  size_t row_ = 0;
  bool fresh_ = false;
};

}  // namespace avx512_bf16
}  // namespace tt
