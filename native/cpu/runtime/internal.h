// What every source of libtritune_cpu shares: errors, the thread pool, per-thread scratch memory, the kernel tables.
// Not part of the ABI.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "../../include/checks.h"
#include "../../include/tritune.h"
#include "features.h"

namespace tt {

// ---- errors -----------------------------------------------------------------------------------------------------

/// Stores the message for tt_last_error() of this thread and returns `code`.
tt_status fail(tt_status code, const char* format, ...) __attribute__((format(printf, 2, 3)));

#define TT_REQUIRE(condition, ...) \
  do { if (!(condition)) return tt::fail(TT_BAD_ARGUMENT, __VA_ARGS__); } while (0)

/// With addresses of 32 bits, as in WebAssembly, the bytes of a tensor may not wrap around either. For sizes of which can_hold() is true.
template <class... Sizes> inline bool can_address(Sizes... sizes) {
  const uint64_t all[] = {uint64_t(sizes)...};
  unsigned __int128 product = 1;
  for (const uint64_t size : all) product *= size < 1 ? 1 : size;
  return sizeof(void*) == 8 || product <= uint64_t(1) << 28;
}

/// The sizes of a tensor, none of them negative.
#define TT_REQUIRE_HOLD(name, ...) TT_REQUIRE(tt::can_hold(__VA_ARGS__) && tt::can_address(__VA_ARGS__), "%s: more elements than memory can hold (" #__VA_ARGS__ ")", name)

inline bool is_compute_dtype(tt_dtype dtype) { return dtype == TT_F32 || dtype == TT_BF16; }
inline size_t dtype_bytes(tt_dtype dtype) { return dtype == TT_F32 || dtype == TT_I32 ? 4 : dtype == TT_BF16 || dtype == TT_F16 ? 2 : 1; }

// ---- threads ----------------------------------------------------------------------------------------------------

/// Threads of the pool, the caller included.
int thread_count();
/// The instruction set chosen at tt_init (or at the first call that needs it).
Isa isa();
/// Whether the chosen instruction set has instructions on bf16.
bool rounds_to_bf16();
/// Whether it has dot products of bytes.
bool dots_bytes();

/// Whether matrix products may run on AMX. Elsewhere than on x86-64 that is known when compiling, and tt::amx needs no
/// definition.
#if TT_X64
inline bool on_amx() { return isa() == ISA_AMX; }
#else
constexpr bool on_amx() { return false; }
#endif

// *.kernel.cpp are compiled once for each instruction set, with TT_ISA = avx2 and avx512, neon, or wasm, and hold all their
// code in namespace tt::TT_ISA. A kernel is declared for all with TT_KERNEL and called with TT_DISPATCH (AMX machines run
// the AVX-512 one).
#if TT_X64
#define TT_KERNEL(result, name, ...) \
  namespace avx2 { result name(__VA_ARGS__); } \
  namespace avx512 { result name(__VA_ARGS__); }
#define TT_DISPATCH(name, ...) (tt::isa() >= tt::ISA_AVX512 ? tt::avx512::name(__VA_ARGS__) : tt::avx2::name(__VA_ARGS__))
#elif defined(__aarch64__)
#define TT_KERNEL(result, name, ...) namespace neon { result name(__VA_ARGS__); }
#define TT_DISPATCH(name, ...) tt::neon::name(__VA_ARGS__)
#else
#define TT_KERNEL(result, name, ...) namespace wasm { result name(__VA_ARGS__); }
#define TT_DISPATCH(name, ...) tt::wasm::name(__VA_ARGS__)
#endif

// Kernels on bytes and bits have a copy for CPUs with dot products of bytes, in *.vnni.cpp and *.neon.cpp. CPUs with AVX-512 but without those run the
// AVX2 one.
#if TT_X64
#define TT_KERNEL_BYTES(result, name, ...) \
  namespace avx2 { result name(__VA_ARGS__); } \
  namespace vnni { result name(__VA_ARGS__); }
#define TT_DISPATCH_BYTES(name, ...) (tt::dots_bytes() ? tt::vnni::name(__VA_ARGS__) : tt::avx2::name(__VA_ARGS__))
#elif defined(__aarch64__)
#define TT_KERNEL_BYTES(result, name, ...) \
  namespace neon { result name(__VA_ARGS__); } \
  namespace neon_dots { result name(__VA_ARGS__); }
#define TT_DISPATCH_BYTES(name, ...) (tt::dots_bytes() ? tt::neon_dots::name(__VA_ARGS__) : tt::neon::name(__VA_ARGS__))
#else
#define TT_KERNEL_BYTES TT_KERNEL
#define TT_DISPATCH_BYTES TT_DISPATCH
#endif

/// Runs fn(context, tile, thread) for every tile in [0, tiles); tiles are taken from a shared counter, so which thread
/// runs a tile is not fixed: a tile's result must not depend on it. Returns when all are done. Not re-entrant.
void run_tiles(size_t tiles, void (*fn)(void* context, size_t tile, int thread), void* context);

/// body(tile, thread), a lambda.
template <class F> inline void parallel(size_t tiles, const F& body) {
  run_tiles(tiles, [](void* context, size_t tile, int thread) { (*static_cast<const F*>(context))(tile, thread); }, const_cast<F*>(&body));
}

/// Scratch memory of one pool thread, at least `bytes`, 64-byte aligned, kept between calls; `slot` 0..7 tells several
/// buffers of one thread apart. NULL when out of memory.
void* thread_scratch(int thread, int slot, uint64_t bytes);
/// Scratch shared by the whole call (taken by the calling thread), slots 0..7.
void* shared_scratch(int slot, uint64_t bytes);

}  // namespace tt
