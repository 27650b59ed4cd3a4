// Tells AddressSanitizer which bytes of a larger block are in use; nothing in other builds. Not part of the ABI.
#pragma once
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace tt {

/// Any access to these bytes is a mistake from now on.
inline void poison(const void* start, size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(start, bytes);
#endif
}

inline void unpoison(const void* start, size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(start, bytes);
#endif
}

/// Of a block of `whole` bytes the first `used` are in use.
inline void poison_rest(const void* start, size_t used, size_t whole) {
  unpoison(start, used);
  poison(static_cast<const char*>(start) + used, whole - used);
}

}  // namespace tt
