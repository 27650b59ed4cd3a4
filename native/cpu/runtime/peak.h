// Calibrator loops: each runs `rounds` rounds and returns the floating-point operations done.
#pragma once
#include "internal.h"

namespace tt {

TT_KERNEL(double, fma_loop, int64_t rounds)
/// Reads all bytes, whole vectors of them, once.
TT_KERNEL(void, read_loop, const char* from, size_t bytes)
/// Four tile loads from L1 for every four tile products, the pattern that a matrix product cannot do without.
namespace amx { double load_fed_loop(int64_t rounds); }
/// Products of pairs of bf16 added to floats, independent accumulators, no memory.
namespace avx512_bf16 { double pair_loop(int64_t rounds); }
namespace neon_bf16 { double pair_loop(int64_t rounds); }

}  // namespace tt
