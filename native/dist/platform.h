// What libtritune_dist asks of the operating system; posix.cpp or windows.cpp implement it.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace tt::dist {

/// Opens a shared library with its symbols for all others. NULL: `error` (of `room` bytes) says why.
void* open_library(const char* name, char* error, size_t room);
void* library_symbol(void* library, const char* name);
/// The value of an environment variable of the C library, or NULL.
const char* environment(const char* name);
/// Sets one that is not set. What JavaScript sets does not reach the C library.
void set_environment(const char* name, const char* value);

/// A thread that is never joined; false when there can be none.
bool start_thread(void (*body)());
/// One lock with one condition, for the whole library; never destroyed, so that a thread may outlive exit().
void lock();
void unlock();
/// Waits for wake() under the lock, for `milliseconds` at most; negative: for ever.
void wait_for_wake(int64_t milliseconds);
void wake();

int64_t milliseconds_now();
void sleep_milliseconds(int32_t milliseconds);
/// Ends the process without running anything more of it.
[[noreturn]] void end_process(int32_t code);

/// Names of MPI libraries on this system, of each family; NULL ends a list.
extern const char* const STANDARD_NAMES[];
extern const char* const OPEN_MPI_NAMES[];
extern const char* const MPICH_NAMES[];
/// Of NCCL and RCCL, and of the drivers of GPUs.
extern const char* const NCCL_NAMES[];
extern const char* const CUDA_NAMES[];
extern const char* const HIP_NAMES[];

}  // namespace tt::dist
