// Sums of everything before, over a warp and over a block.
#pragma once
#include "../runtime/device.h"

namespace tt {

/// Sum over this lane and the ones before it.
template <class T> TT_GPU T warp_scan(T v) {
  TT_UNROLL
  for (int o = 1; o < 32; o <<= 1) {
    const T before = __shfl_up_sync(0xffffffffu, v, o);
    if (int(threadIdx.x & 31) >= o) v += before;
  }
  return v;
}

/// Sum over this thread and the ones before it in a block of `threads` (a multiple of 32); *total is that of the block.
/// `shared` has threads/32 entries and is free again on return.
template <class T> TT_GPU T block_scan(T v, T* shared, int threads, T* total) {
  v = warp_scan(v);
  const int warp = int(threadIdx.x >> 5);
  if ((threadIdx.x & 31) == 31) shared[warp] = v;
  __syncthreads();
  T before = 0, sum = 0;
  for (int w = 0; w < threads / 32; w++) {
    if (w == warp) before = sum;
    sum += shared[w];
  }
  __syncthreads();
  *total = sum;
  return v + before;
}

}  // namespace tt
