// What AddressSanitizer and ThreadSanitizer must be told about fibers. Without them every function here is empty.
#pragma once
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define EMU_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define EMU_TSAN 1
extern "C" {
void AnnotateIgnoreReadsBegin(const char*, int);
void AnnotateIgnoreReadsEnd(const char*, int);
void AnnotateIgnoreWritesBegin(const char*, int);
void AnnotateIgnoreWritesEnd(const char*, int);
}
#endif

namespace emu {

/// The scheduler's own state is not what races are looked for in.
struct Quiet {
#ifdef EMU_TSAN
  Quiet() { AnnotateIgnoreReadsBegin("", 0), AnnotateIgnoreWritesBegin("", 0); }
  ~Quiet() { AnnotateIgnoreReadsEnd("", 0), AnnotateIgnoreWritesEnd("", 0); }
#else
  ~Quiet() {}
#endif
};
/// Inside Quiet: work done for the kernel, which counts again.
struct Loud {
#ifdef EMU_TSAN
  Loud() { AnnotateIgnoreReadsEnd("", 0), AnnotateIgnoreWritesEnd("", 0); }
  ~Loud() { AnnotateIgnoreReadsBegin("", 0), AnnotateIgnoreWritesBegin("", 0); }
#else
  ~Loud() {}
#endif
};

/// A happens-before edge from every release of `tag` to the acquires after it: what a barrier is.
inline void release(void* tag) {
#ifdef EMU_TSAN
  __tsan_release(tag);
#else
  (void)tag;
#endif
}
inline void acquire(void* tag) {
#ifdef EMU_TSAN
  __tsan_acquire(tag);
#else
  (void)tag;
#endif
}

inline void poison(void* start, size_t bytes) {
#ifdef EMU_ASAN
  __asan_poison_memory_region(start, bytes);
#else
  (void)start, (void)bytes;
#endif
}
inline void unpoison(void* start, size_t bytes) {
#ifdef EMU_ASAN
  __asan_unpoison_memory_region(start, bytes);
#else
  (void)start, (void)bytes;
#endif
}

}  // namespace emu
