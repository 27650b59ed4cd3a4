// What the library asks of the operating system: threads, clocks, memory, mapped files. posix.cpp with linux.cpp or macos.cpp,
// windows.cpp or wasm.cpp implement it; nothing else here includes a header of a system. Not part of the ABI.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#include "windows.h"
#elif defined(__wasm__)
#include "wasm.h"
#else
#include "posix.h"
#endif

// posix.h, windows.h and wasm.h define
//   struct Thread                     one that runs, or nothing
//   struct Mutex { lock(), unlock() }           usable without construction at run time (a static)
//   struct Condition { wait(Mutex&), wake_all() }

namespace tt {

struct Lock {
  explicit Lock(platform::Mutex& mutex) : mutex(mutex) { mutex.lock(); }
  ~Lock() { mutex.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  platform::Mutex& mutex;
};

namespace platform {

// ---- threads ------------------------------------------------------------------------------------------------------

/// Runs `body(argument)` on a new thread; false when there can be none.
bool start_thread(Thread& thread, void (*body)(int), int argument);
void join_thread(Thread& thread);
/// Cores that this process may use.
int usable_cores();
/// Tells the core that this thread waits for another.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#elif defined(__wasm__)
  // There is no instruction for it: about as long as one of x86-64 waits.
  for (int i = 0; i < 40; i++) __asm__ volatile("" ::: "memory");
#endif
}
/// Gives the core to another thread.
void yield();

// ---- time ---------------------------------------------------------------------------------------------------------

/// Of a clock that only goes forward.
int64_t nanoseconds();

// ---- memory -------------------------------------------------------------------------------------------------------

struct MachineMemory { uint64_t total, available; };  // bytes
MachineMemory machine_memory();

/// NULL when there is none; `alignment` is a power of two of at least a pointer's size.
void* allocate(size_t alignment, size_t bytes);
void release(void* memory);

#if defined(__wasm__)
constexpr size_t HUGE_PAGE = size_t(1) << 16;  // there is one size of page
#else
constexpr size_t HUGE_PAGE = size_t(2) << 20;
#endif
/// Pages straight from the system, aligned to HUGE_PAGE and made of huge pages where the system can. NULL when there are none.
void* allocate_pages(size_t bytes);
void release_pages(void* memory, size_t bytes);
/// Asks for huge pages in memory of allocate().
void prefer_huge_pages(void* memory, size_t bytes);

// ---- files --------------------------------------------------------------------------------------------------------

struct MappedFile { const void* address; uint64_t bytes; };
/// Maps a whole file read-only. False: `error` (of `room` bytes) says why.
bool map_file(MappedFile& out, const char* path, char* error, size_t room);
bool unmap_file(const void* address, size_t bytes, char* error, size_t room);

// ---- libraries of others --------------------------------------------------------------------------------------------

/// Opens a shared library by its path, or by its name where the system looks for it. NULL: `error` (of `room` bytes) says why.
void* open_library(const char* path, char* error, size_t room);
/// NULL when the library has none of that name.
void* library_symbol(void* library, const char* name);
/// For one that is not used; one that has started threads must stay.
void close_library(void* library);

/// The BLAS that belongs to the system, NULL when there is none; `reaches_more`: it has instructions that nobody else is given.
struct SystemBlas { const char* path; bool reaches_more; };
SystemBlas system_blas();

}  // namespace platform
}  // namespace tt
