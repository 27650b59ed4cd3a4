// Sums of products of bf16 tiles, by AMX. See attention_tiles.h for what is in a tile.
#pragma once
#define TT_ISA amx
#define TT_AVX512 1
#include <stddef.h>
#include <stdint.h>

#include "../gemm/amx_tiles.h"

namespace tt {
namespace amx {

// The compiler must not move loads and stores over these, hence the clobber, which the intrinsics of GCC 12 lack.
#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t ::)
#define TILE_LOAD(t, p, bytes) __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"(p), "r"(size_t(bytes)) : "memory")
#define TILE_STORE(t, p, bytes) __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(p), "r"(size_t(bytes)) : "memory")
#define TILE_MULTIPLY(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)

/// 32 × 32 sums: tiles 0–3 hold them, 4–7 the factors. Eight full tiles for the life of this object.
class Sums {
 public:
  Sums() { configure_tiles(); }
  ~Sums() { __asm__ volatile("tilerelease" ::); }
  /// From 0, into c, whose rows are `row` elements apart.
  void start(float* c, size_t row) {
    to_ = c, row_ = row;
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
  }
  /// On to what c has.
  void resume(float* c, size_t row) {
    to_ = c, row_ = row;
    TILE_LOAD(0, c, row * 4);
    TILE_LOAD(1, c + 16, row * 4);
    TILE_LOAD(2, c + 16 * row, row * 4);
    TILE_LOAD(3, c + 16 * row + 16, row * 4);
  }
  /// Left tiles of rows 0–15 and 16–31, right ones of columns 0–15 and 16–31. a_row: bytes from row to row of the left tiles.
  void multiply(const uint16_t* a0, const uint16_t* a1, const uint16_t* b0, const uint16_t* b1, size_t a_row = 64) {
    TILE_LOAD(4, a0, a_row);
    TILE_LOAD(6, b0, 64);
    TILE_LOAD(7, b1, 64);
    TILE_LOAD(5, a1, a_row);
    TILE_MULTIPLY(0, 4, 6);
    TILE_MULTIPLY(1, 4, 7);
    TILE_MULTIPLY(2, 5, 6);
    TILE_MULTIPLY(3, 5, 7);
  }
  void finish() {
    TILE_STORE(0, to_, row_ * 4);
    TILE_STORE(1, to_ + 16, row_ * 4);
    TILE_STORE(2, to_ + 16 * row_, row_ * 4);
    TILE_STORE(3, to_ + 16 * row_ + 16, row_ * 4);
  }

 private:
  float* to_ = nullptr;
  size_t row_ = 0;
};

}  // namespace amx
}  // namespace tt
