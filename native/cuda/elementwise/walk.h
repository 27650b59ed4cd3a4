// Walks over two strided operands with up to 8 dimensions: what broadcasting and strided copies have in common.
#pragma once
#include "flat.h"

namespace tt {

constexpr int MAX_DIMS = 8;

/// Division of numbers below 2^31 by a constant: one multiplication and a shift (Granlund & Montgomery 1994).
struct Divider {
  uint32_t divisor, multiplier, shift;
};
inline Divider divider(uint32_t divisor) {
  uint32_t shift = 0;
  while ((uint64_t(1) << shift) < divisor) shift++;
  const uint64_t multiplier = ((uint64_t(1) << 32) * ((uint64_t(1) << shift) - divisor)) / divisor + 1;
  return {divisor, uint32_t(multiplier), shift};
}
TT_GPU uint32_t divide(uint32_t n, const Divider& d) { return (__umulhi(n, d.multiplier) + n) >> d.shift; }

/// Sizes and two strides a dimension, inner ones last; those of size 1 are dropped and neighbours merged where they walk as one.
struct Walk {
  int ndim = 0;
  int64_t size[MAX_DIMS], first[MAX_DIMS], second[MAX_DIMS];

  /// Appends a dimension, inner after outer.
  void add(int64_t n, int64_t first_stride, int64_t second_stride) {
    if (n == 1) return;
    const int last = ndim - 1;
    if (ndim > 0 && first[last] == first_stride * n && second[last] == second_stride * n) {
      size[last] *= n;
      first[last] = first_stride;
      second[last] = second_stride;
      return;
    }
    size[ndim] = n;
    first[ndim] = first_stride;
    second[ndim] = second_stride;
    ndim++;
  }
  size_t elements() const {
    size_t n = 1;
    for (int d = 0; d < ndim; d++) n *= size_t(size[d]);
    return n;
  }
};

/// A walk as a kernel takes it. Index: uint32_t where all positions are below 2^31, else uint64_t.
template <class Index> struct Steps {
  int ndim;
  Divider dividers[MAX_DIMS];  // 32 bits only
  uint64_t size[MAX_DIMS];
  int64_t first[MAX_DIMS], second[MAX_DIMS];
};
template <class Index> inline Steps<Index> steps_of(const Walk& walk) {
  Steps<Index> s = {};
  s.ndim = walk.ndim;
  for (int d = 0; d < walk.ndim; d++) {
    s.size[d] = uint64_t(walk.size[d]);
    s.first[d] = walk.first[d];
    s.second[d] = walk.second[d];
    if (sizeof(Index) == 4) s.dividers[d] = divider(uint32_t(walk.size[d]));
  }
  return s;
}

struct Offsets { int64_t first, second; };

/// Where element `i` in row-major order lies in both operands.
template <class Index> TT_GPU Offsets offsets_at(const Steps<Index>& s, Index i) {
  Offsets at = {0, 0};
  for (int d = s.ndim - 1; d > 0; d--) {
    Index rest;
    if constexpr (sizeof(Index) == 4) {
      const Index next = divide(i, s.dividers[d]);
      rest = i - next * s.dividers[d].divisor;
      i = next;
    } else {
      const Index next = i / s.size[d];
      rest = i - next * s.size[d];
      i = next;
    }
    at.first += int64_t(rest) * s.first[d];
    at.second += int64_t(rest) * s.second[d];
  }
  if (s.ndim > 0) {
    at.first += int64_t(i) * s.first[0];
    at.second += int64_t(i) * s.second[0];
  }
  return at;
}

/// Checks dims; *elements = how many there are.
inline tt_status check_dims(const char* name, const int64_t* dims, int32_t ndim, size_t* elements) {
  TT_REQUIRE(ndim >= 0 && ndim <= MAX_DIMS, "%s: ndim must be 0..%d, got %d", name, MAX_DIMS, ndim);
  TT_REQUIRE(dims || ndim == 0, "%s: dims is null", name);
  for (int d = 0; d < ndim; d++)
    TT_REQUIRE(dims[d * 3] >= 0, "%s: size of dimension %d is %lld", name, d, (long long)dims[d * 3]);
  TT_REQUIRE(can_walk(dims, ndim), "%s: dims reach further than memory can", name);
  *elements = 1;
  for (int d = 0; d < ndim; d++) *elements *= size_t(dims[d * 3]);
  return TT_OK;
}

}  // namespace tt
