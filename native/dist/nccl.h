// NCCL, or RCCL, of whatever library is open: collectives on the memory of a GPU, on a stream of this library. Called by the communication thread alone, but for
// open_nccl and give_up.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "mpi.h"

namespace tt::dist {

/// Where this process is among all.
struct Place {
  int rank, size, local_rank, local_size;
};

/// A status; `error` says why it is not 0.
int32_t open_nccl(const char* name, char* error, size_t room);
/// Name and version of what is open, or an empty text.
const char* nccl_library();

/// Whoever is told that by the environment needs no MPI: the same collectives of bytes in the memory of the host, through that of the GPU.
const Mpi* nccl_alone(const Place& place, int device);

/// Statuses; what TT_DIST_NCCL means is in nccl_failure().
int32_t join_nccl(const Mpi& mpi, const Place& place, int device);
int32_t nccl_sum(uint64_t buffer, uint64_t count, int32_t type);
int32_t nccl_sum_part(uint64_t send, uint64_t out, uint64_t count, int32_t type);
int32_t nccl_gather(uint64_t send, uint64_t bytes, uint64_t receive);
int32_t nccl_broadcast(uint64_t buffer, uint64_t bytes, int root);
void leave_nccl();
/// What the others wait for fails there.
int32_t abort_nccl();
const char* nccl_failure();

/// From any thread: what is being waited for is aborted.
void give_up();

}  // namespace tt::dist
