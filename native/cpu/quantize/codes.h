// Vectors of codes: parts of vectors, and the nearest value of a dynamic map.
#pragma once
#include "codebooks.h"
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

/// The code of the nearest value: the number of midpoints below x, so the lower one between two and 0 for NaN; |x| ≤ 1.
/// The guess from the decade's even steps is at most one off, because only the steps across its borders are uneven.
template <bool SIGNED> static inline vi nearest(const DynamicMap& map, vf x) {
  vf magnitude = SIGNED ? abs_v(x) : max_or_second(x, vf{});
  vi decade = vi{} - (magnitude > 1e-6f) - (magnitude > 1e-5f) - (magnitude > 1e-4f) - (magnitude > 1e-3f) - (magnitude > 1e-2f) - (magnitude > 1e-1f);
  vf place = magnitude * look_up16(map.slope, decade) - look_up16(map.shift, decade);
  vi step = to_int(min_or_second(max_or_second(place, vf{}), look_up16(map.last, decade)));
  vi above = step + to_int(look_up16(map.first, decade));
  vi code = SIGNED ? (x < 0 ? SIGNED_ZERO - 1 - above : SIGNED_ZERO + 1 + above) : above + 1;
  vi below = code - 1;
  below = below < 0 ? vi{} : below;
  vi up = x > gather(map.middle, code);
  vi down = (x <= gather(map.middle, below)) & (code > 0);
  return x == x ? code - up + down : vi{};
}

}  // namespace tt::TT_ISA
