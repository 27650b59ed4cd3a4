// Sums over the ranks: each rank adds up one part of all, in the order of the ranks, and the parts are collected. As many bytes as
// a ring takes, one rounding, and the same bits everywhere.
#pragma once
#include <stdint.h>

#include "mpi.h"

namespace tt::dist {

/// 0 for a type that is none.
uint64_t bytes_of(int32_t type);
/// A status, or an error code of MPI.
int32_t sum_everywhere(const Mpi& mpi, int size, void* buffer, uint64_t count, int32_t type);
int32_t sum_part(const Mpi& mpi, int size, const void* send, void* out, uint64_t count, int32_t type);

}  // namespace tt::dist
