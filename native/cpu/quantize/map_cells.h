// The dynamic 8-bit maps by tables: a float's exponent and the top of its fraction are its cell, so narrow that none has two
// midpoints between values of the map. map_cells.cpp makes the tables.
#pragma once

namespace tt {

template <bool SIGNED> struct MapCells {
  /// 2^BITS cells for each power of two from 2^LOWEST to 1, and 1 itself; smaller magnitudes belong to the first one.
  static constexpr int BITS = SIGNED ? 6 : 7, LOWEST = SIGNED ? -22 : -23;
  static constexpr int COUNT = (-LOWEST << BITS) + 1;
  /// What is left of a float's bits without the lower ones, and what of that the first cell has.
  static constexpr int SHIFT = 23 - BITS, FIRST = (127 + LOWEST) << BITS;
};

/// How many midpoints are below a cell. Cells of negative numbers follow those of the others.
template <bool SIGNED> struct CellTable { float below[(SIGNED ? 2 : 1) * MapCells<SIGNED>::COUNT]; };
extern const CellTable<true> SIGNED_CELLS;
extern const CellTable<false> UNSIGNED_CELLS;

}  // namespace tt
