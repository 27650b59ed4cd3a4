/*
 * Checks of sizes that both libraries make before they touch anything. What C cannot know, how large a buffer is, the caller
 * promises; but a product of sizes that no memory holds is a mistake whatever the pointers are. Not part of the ABI.
 */
#ifndef TRITUNE_CHECKS_H
#define TRITUNE_CHECKS_H
#include <stddef.h>
#include <stdint.h>

namespace tt {

/// Elements of 1 to 8 bytes that a process of 47 address bits can hold.
constexpr uint64_t MOST_ELEMENTS = uint64_t(1) << 45;

/// True when a tensor of these sizes, none of them negative, can exist.
template <class... Rest> inline bool can_hold(uint64_t first, Rest... rest) {
  const uint64_t sizes[] = {first, uint64_t(rest)...};
  unsigned __int128 product = 1;
  for (uint64_t size : sizes) {
    product *= size;
    if (product > MOST_ELEMENTS) product = MOST_ELEMENTS + 1;  // a size of 0 that follows still makes it nothing
  }
  return product <= MOST_ELEMENTS;
}

/// True when a walk over dims[ndim][3] = {size, stride, stride} stays within what can exist, both ways from its start.
inline bool can_walk(const int64_t* dims, int ndim) {
  __int128 elements = 1;
  for (int d = 0; d < ndim; d++) {
    if (dims[d * 3] < 0) return false;
    if (dims[d * 3] == 0) return true;
    elements *= dims[d * 3];
    if (elements > __int128(MOST_ELEMENTS)) elements = __int128(MOST_ELEMENTS) + 1;
  }
  if (elements > __int128(MOST_ELEMENTS)) return false;
  for (int column = 1; column <= 2; column++) {
    __int128 reach = 0;
    for (int d = 0; d < ndim; d++) {
      const __int128 stride = dims[d * 3 + column];
      reach += __int128(dims[d * 3] - 1) * (stride < 0 ? -stride : stride);
      if (reach > __int128(MOST_ELEMENTS)) return false;
    }
  }
  return true;
}

}  // namespace tt
#endif
