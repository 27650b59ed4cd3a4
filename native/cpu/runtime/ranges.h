// Splitting n elements or rows over the pool, in pieces whose borders do not depend on the thread count.
#pragma once
#include "internal.h"

namespace tt {

/// Elements (or rows) of one piece: about 128 KB of traffic, a multiple of 64 elements where there are that many.
inline size_t piece_size(size_t bytes_per_element) {
  size_t count = (size_t(128) << 10) / (bytes_per_element ? bytes_per_element : 1);
  return count >= 64 ? count & ~size_t(63) : count ? count : 1;
}

/// body(begin, end, thread) over [0, n). Small n stays on the calling thread: waking the others costs more.
template <class F> inline void for_ranges(size_t n, size_t bytes_per_element, F&& body) {
  size_t piece = piece_size(bytes_per_element);
  if (n <= piece) {
    if (n) body(size_t(0), n, 0);
    return;
  }
  parallel((n + piece - 1) / piece, [&](size_t tile, int thread) {
    size_t begin = tile * piece, end = begin + piece < n ? begin + piece : n;
    body(begin, end, thread);
  });
}

/// The same in pieces four times as large, for ops that only stream: long runs keep the prefetchers of the CPU going.
template <class F> inline void for_long_ranges(size_t n, size_t bytes_per_element, F&& body) { for_ranges(n, (bytes_per_element + 3) / 4, body); }

inline char* at(void* p, size_t index, tt_dtype dtype) { return static_cast<char*>(p) + index * dtype_bytes(dtype); }
inline const char* at(const void* p, size_t index, tt_dtype dtype) { return static_cast<const char*>(p) + index * dtype_bytes(dtype); }

/// Whether results of this size leave the caches before somebody reads them, so that they may as well be written past them.
inline bool worth_streaming(size_t bytes) { return bytes > size_t(1) << 20; }

// Kernels that also have a copy in *.amx.cpp, where bf16 is rounded by one instruction.
#if TT_X64
#define TT_KERNEL_BF16(result, name, ...) \
  TT_KERNEL(result, name, __VA_ARGS__)    \
  namespace amx { result name(__VA_ARGS__); }
#define TT_DISPATCH_BF16(name, ...) (tt::rounds_to_bf16() ? tt::amx::name(__VA_ARGS__) : TT_DISPATCH(name, __VA_ARGS__))
#else
#define TT_KERNEL_BF16 TT_KERNEL
#define TT_DISPATCH_BF16 TT_DISPATCH
#endif

/// The checks almost every function has.
#define TT_REQUIRE_DTYPE(name, dtype) TT_REQUIRE(tt::is_compute_dtype(dtype), name ": dtype must be f32 (0) or bf16 (1), got %d", int(dtype))
#define TT_REQUIRE_POINTER(name, pointer) TT_REQUIRE((pointer) != nullptr, name ": " #pointer " is null")
#define TT_REQUIRE_SIZE(name, size) TT_REQUIRE((size) >= 0, name ": " #size " must not be negative, got %d", int(size))

}  // namespace tt
