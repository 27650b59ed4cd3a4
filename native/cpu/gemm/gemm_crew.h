// Who works on a product, and what the two halves of the driver (gemm.cpp, gemm_blocked.cpp) share.
#pragma once
#include "gemm.h"

namespace tt {

/// The whole pool, or one of its threads.
struct Crew { bool alone; int thread; };

template <class F> inline void share(Crew crew, size_t tiles, const F& body) {
  if (!crew.alone) return parallel(tiles, body);
  for (size_t tile = 0; tile < tiles; tile++) body(tile, crew.thread);
}

inline void* crew_scratch(Crew crew, int thread_slot, int shared_slot, uint64_t bytes) {
  return crew.alone ? thread_scratch(crew.thread, thread_slot, bytes) : shared_scratch(shared_slot, bytes);
}

inline int round_up(int x, int step) { return (x + step - 1) / step * step; }
inline int divide_up(int x, int y) { return (x + y - 1) / y; }
inline int smaller(int x, int y) { return x < y ? x : y; }
inline int larger(int x, int y) { return x > y ? x : y; }

/// gemm() that leaves nothing to a BLAS.
tt_status gemm_own(const Gemm& g);
tt_status no_gemm_scratch();
/// The bias as f32; *out is NULL when there is none.
tt_status widen_bias(const float** out, const Gemm& g, Crew crew);
tt_status gemm_blocked(const Gemm& g, Crew crew);
/// Whether all threads do this one better by sharing the depth.
bool gemm_is_deep(const Gemm& g);
tt_status gemm_deep(const Gemm& g);

}  // namespace tt
