// Vectors of codes: parts of vectors, the largest magnitude of a block, the scale of one, and the nearest value of a dynamic map.
#pragma once
#include "codebooks.h"
#include "map_cells.h"
#include "quantize.h"
#include "../vectors/vectors.h"

namespace tt::TT_ISA {

static inline vi load_codes_n(const uint8_t* p, size_t n) {
  uint8_t buffer[W] = {};
  memcpy(buffer, p, n);
  return load_codes(buffer);
}
/// The low bytes of the first n lanes.
static inline void store_codes(uint8_t* p, vi codes, size_t n) {
  if (n == W) return store_codes(p, codes);
  uint8_t buffer[W];
  store_codes(buffer, codes);
  memcpy(p, buffer, n);
}

/// Largest magnitude of n numbers; NaN does not count.
template <class T> static inline float largest(const T* x, size_t n) {
  vf most{}, second{};
  size_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    most = max_or_second(abs_v(load(x + i)), most);
    second = max_or_second(abs_v(load(x + i + W)), second);
  }
  most = max_or_second(most, second);
  for (; i + W <= n; i += W) most = max_or_second(abs_v(load(x + i)), most);
  if (i < n) most = max_or_second(abs_v(load_n(x + i, n - i)), most);
  return max_lanes_finite(most);
}

/// The scale of block b of a blockwise weight.
static inline float block_scale(const PackedWeight& w, size_t b) {
  if (!w.nested) return static_cast<const float*>(w.scale)[b];
  return SIGNED_MAP.value[static_cast<const uint8_t*>(w.scale)[b]] * w.nested[b / 256] + w.offset;
}

/// The code of the nearest value: the number of midpoints below x, so the lower one between two and 0 for NaN; |x| ≤ 1.
template <bool SIGNED> static inline vi nearest(vf x) {
  using M = MapCells<SIGNED>;
  const vf magnitude = min_or_second(SIGNED ? abs_v(x) : max_or_second(x, vf{}), set1(1));
  vi cell = (vi(magnitude) >> M::SHIFT) - M::FIRST;
  cell = cell > 0 ? cell : vi{};
  if (SIGNED) cell = x < 0 ? cell + M::COUNT : cell;
  const vi code = to_int(gather(SIGNED ? SIGNED_CELLS.below : UNSIGNED_CELLS.below, cell));
  const vi above = x > gather((SIGNED ? SIGNED_MAP : UNSIGNED_MAP).middle, code);
  return x == x ? code - above : vi{};
}

}  // namespace tt::TT_ISA
