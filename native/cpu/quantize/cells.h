// Codes of 4 bits by tables: −1 … 1 is cut into 32 cells of one width, so narrow that none has two thresholds. A look-up gives
// the threshold of a value's cell, another the codes below and above it. No rounding is in that: cells are floors.
#pragma once
#include "codebooks.h"

namespace tt {

constexpr int CELLS = 32;
/// Cells for each 1; a little less than 16, so that 1 itself, and what a rounding makes of it, is in the last one.
constexpr float CELL_SCALE = 15.5f;

/// Cell c of −16 … 15 stands at c modulo 32.
struct Cells {
  float threshold[CELLS];  // 2 where there is none
  int codes[CELLS];        // not above the threshold, and above it in the second byte
};

constexpr int cell_of(double x) {
  const double place = x * double(CELL_SCALE);
  const int whole = int(place);
  return place < whole ? whole - 1 : whole;
}

/// The last float before a negative one: what is above it is not below `x`.
constexpr float before_negative(float x) { return __builtin_bit_cast(float, __builtin_bit_cast(unsigned, x) + 1); }

constexpr Cells nf4_cells() {
  Cells cells = {};
  for (int c = -CELLS / 2; c < CELLS / 2; c++) {
    int below = 0, inside = 0;
    float threshold = 2;
    for (const float t : NF4_THRESHOLDS) {
      if (cell_of(t) < c) below++;
      if (cell_of(t) == c) inside++, threshold = t;
    }
    cells.threshold[c & (CELLS - 1)] = threshold;
    cells.codes[c & (CELLS - 1)] = inside > 1 ? -1 : below | (below + inside) << 8;
  }
  return cells;
}

/// Thresholds are of magnitudes, and what is equal to one is not above it; so among negatives it belongs to what is above.
constexpr Cells fp4_cells() {
  Cells cells = {};
  for (int c = -CELLS / 2; c < CELLS / 2; c++) {
    const bool negative = c < 0;
    int smaller = 0, inside = 0;
    float threshold = 2;
    for (const float t : FP4_THRESHOLDS) {
      const int cell = cell_of(negative ? -double(t) : double(t));
      if (negative ? cell > c : cell < c) smaller++;
      if (cell == c) inside++, threshold = negative ? before_negative(-t) : t;
    }
    const int near = FP4_ORDER[smaller] | (negative ? 8 : 0), far = FP4_ORDER[inside ? smaller + 1 : smaller] | (negative ? 8 : 0);
    cells.threshold[c & (CELLS - 1)] = threshold;
    cells.codes[c & (CELLS - 1)] = inside > 1 ? -1 : inside && negative ? far | near << 8 : near | far << 8;
  }
  return cells;
}

constexpr Cells NF4_CELLS = nf4_cells(), FP4_CELLS = fp4_cells();

constexpr bool one_threshold_each(const Cells& cells) {
  for (const int codes : cells.codes)
    if (codes < 0) return false;
  return true;
}
static_assert(one_threshold_each(NF4_CELLS) && one_threshold_each(FP4_CELLS), "a cell has two thresholds");
static_assert(cell_of(1.0000001) == CELLS / 2 - 1 && cell_of(-1.0000001) == -CELLS / 2, "the ends are in the outer cells");

}  // namespace tt
