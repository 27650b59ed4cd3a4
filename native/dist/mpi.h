// The few functions of MPI that are used, of whatever library is open. Called by the communication thread alone.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace tt::dist {

/// All collectives are of bytes; each returns 0 or an error code of MPI. Counts are ints: callers cut what is longer.
struct Mpi {
  int (*init)();
  int (*finalize)();
  int (*place)(int* rank, int* size, int* local_rank, int* local_size);
  int (*gather)(const void* send, int bytes, void* receive);
  int (*exchange)(const void* send, int bytes, void* receive);
  int (*broadcast)(void* buffer, int bytes, int root);
  int (*abort)(int code);
  void (*describe)(int code, char* text, size_t room);
};

/// Opens the library with this name, or one that fits the launcher. NULL: `status` and `error` say why.
const Mpi* open_mpi(const char* name, int32_t* status, char* error, size_t room);
/// Name and version of what is open.
const char* mpi_library();

}  // namespace tt::dist
