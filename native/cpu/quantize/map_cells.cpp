// The tables of map_cells.h, made at compile time.
#include "map_cells.h"

#include "codebooks.h"

namespace tt {

template <bool SIGNED> constexpr int cell_of(float x) {
  using M = MapCells<SIGNED>;
  const int cell = int(__builtin_bit_cast(unsigned, x < 0 ? -x : x) >> M::SHIFT) - M::FIRST;
  return (cell > 0 ? cell : 0) + (x < 0 ? M::COUNT : 0);
}

/// Whether all midpoints have cells of their own.
template <bool SIGNED> constexpr bool cells_are_narrow(const DynamicMap& map) {
  for (int i = 1; i < 255; i++)
    if (cell_of<SIGNED>(map.middle[i]) == cell_of<SIGNED>(map.middle[i - 1])) return false;
  return true;
}

template <bool SIGNED> constexpr CellTable<SIGNED> cell_table(const DynamicMap& map) {
  constexpr int COUNT = MapCells<SIGNED>::COUNT;
  CellTable<SIGNED> table = {};
  float* below = table.below;
  for (int i = 0; i < 255; i++) below[cell_of<SIGNED>(map.middle[i])]++;
  // In the order of the numbers: the negative ones from the largest magnitude on, then the others.
  float sum = 0;
  for (int i = SIGNED ? 2 * COUNT - 1 : -1; i >= COUNT; i--) sum += below[i], below[i] = sum - below[i];
  for (int i = 0; i < COUNT; i++) sum += below[i], below[i] = sum - below[i];
  return table;
}

static_assert(cells_are_narrow<true>(SIGNED_MAP) && cells_are_narrow<false>(UNSIGNED_MAP), "a cell has two midpoints");

constexpr CellTable<true> SIGNED_CELLS = cell_table<true>(SIGNED_MAP);
constexpr CellTable<false> UNSIGNED_CELLS = cell_table<false>(UNSIGNED_MAP);

}  // namespace tt
