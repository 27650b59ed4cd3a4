// The twins of native/cuda/runtime/hopper.h: mbarriers with phases, tensor-map loads, wgmma. What is asynchronous on a GPU happens as early or
// as late as the schedule says: a load lands when it is issued, or when somebody waits for its barrier; a wgmma reads shared memory
// when it is issued, or at the wait that asks for its result.
#pragma once
#include "emulator.h"

namespace tt {

// ---- mbarriers ----------------------------------------------------------------------------------------------------------------

struct Barrier { uint64_t state; };

}  // namespace tt

namespace emu {

/// What the 8 bytes of a barrier hold.
struct BarrierState {
  uint32_t parity : 1, arrivals : 15, missing : 16;
  int32_t bytes;  // still to come
};
static_assert(sizeof(BarrierState) == sizeof(tt::Barrier), "a barrier is 8 bytes");

inline BarrierState& state_of(tt::Barrier* b) { return *reinterpret_cast<BarrierState*>(b); }

/// Begins the next phase when everything is there, and wakes those who wait.
inline void try_end_phase(tt::Barrier* b) {
  BarrierState& s = state_of(b);
  if (s.missing || s.bytes) return;
  s.parity ^= 1;
  s.missing = s.arrivals;
  for (Fiber& f : current->fibers)
    if (f.state == WAITS_FOR_BARRIER && f.awaited == b) f.state = RUNNABLE;
}
inline void arrive(tt::Barrier* b, int bytes) {
  Quiet quiet;
  release(b);
  BarrierState& s = state_of(b);
  if (!s.missing) fail_block("an mbarrier gets more arrivals than it was made for");
  s.bytes += bytes;
  s.missing--;
  try_end_phase(b);
}

// ---- tensor maps --------------------------------------------------------------------------------------------------------------

inline char* swizzled(char* base, int offset) { return base + (offset ^ (offset >> 7 & 7) << 4); }

/// Copies the box, zeros where it hangs over the matrix. Rows of 128 bytes; the 16-byte pieces of a row change places by its number in
/// 8: bits 4–6 of the shared address are xored with bits 7–9.
inline void land(const TensorLoad& load) {
  const TensorMap& map = load.map;
  acquire(load.barrier);
  {
    Loud loud;
    for (int row = 0; row < map.box_rows; row++)
      for (int column = 0; column < 64; column++) {
        const int64_t x = int64_t(load.x) + column, y = int64_t(load.y) + row;
        uint16_t value = 0;
        if (x >= 0 && x < int64_t(map.cols) && y >= 0 && y < int64_t(map.rows)) value = map.base[size_t(y) * map.ld + size_t(x)];
        memcpy(swizzled(load.to, row * 128 + column * 2), &value, 2);
      }
  }
  release(load.barrier);
  state_of(load.barrier).bytes -= map.box_rows * 128;
  try_end_phase(load.barrier);
}
/// Lands what was issued for a barrier and has not come yet.
inline void land_all(const tt::Barrier* b) {
  std::vector<TensorLoad> now, later;
  for (const TensorLoad& load : current->loads) (load.barrier == b ? now : later).push_back(load);
  current->loads = later;
  for (const TensorLoad& load : now) land(load);
}

// ---- wgmma ----------------------------------------------------------------------------------------------------------------------

/// Element (lane, k) of an operand, as the descriptor says: see operand_descriptor in native/cuda/runtime/hopper.h.
inline float operand(uint64_t descriptor, bool rows_of_k, int lane, int k) {
  const int start = int(descriptor & 0x3fff) << 4, next_64 = int(descriptor >> 16 & 0x3fff) << 4, next_8 = int(descriptor >> 32 & 0x3fff) << 4;
  const int offset = rows_of_k ? start + lane / 8 * next_8 + lane % 8 * 128 + k * 2 : start + lane / 64 * next_64 + k / 8 * next_8 + k % 8 * 128 + lane % 64 * 2;
  uint16_t bits;
  memcpy(&bits, swizzled(current->shared, offset), 2);
  return __uint_as_float(uint32_t(bits) << 16);
}
/// The part of one thread: rows g and g+8 of its warp's 16, columns 2t and 2t+1 of every 8.
inline void multiply(const WarpgroupProduct& p, int index) {
  const int lane = index & 31, row = (index >> 5 & 3) * 16 + (lane >> 2), column = (lane & 3) * 2;
  float a[2][16];
  for (int half = 0; half < 2; half++)
    for (int k = 0; k < 16; k++) a[half][k] = operand(p.a, !p.trans_a, row + half * 8, k);
  for (int j = 0; j < p.columns / 8; j++)
    for (int e = 0; e < 2; e++) {
      float sum[2] = {};
      for (int k = 0; k < 16; k++) {
        const float b = operand(p.b, p.trans_b, j * 8 + column + e, k);
        for (int half = 0; half < 2; half++) sum[half] += a[half][k] * b;
      }
      for (int half = 0; half < 2; half++) {
        float& d = p.d[j * 4 + half * 2 + e];
        d = (p.keep ? d : 0.f) + sum[half];
      }
    }
}

}  // namespace emu

namespace tt {

inline void barrier_init(Barrier* b, int arrivals) {
  emu::BarrierState s = {};
  s.arrivals = s.missing = uint32_t(arrivals);
  emu::state_of(b) = s;
}
inline void barrier_init_done() {}
inline void barrier_arrive(Barrier* b) { emu::arrive(b, 0); }
inline void barrier_expect(Barrier* b, int bytes) { emu::arrive(b, bytes); }
inline void barrier_wait(Barrier* b, int parity) {
  emu::Quiet quiet;
  emu::Fiber* me = emu::current->running;
  me->place = "an mbarrier";
  while (int(emu::state_of(b).parity) == parity) {
    emu::land_all(b);
    if (int(emu::state_of(b).parity) != parity) break;
    me->state = emu::WAITS_FOR_BARRIER;
    me->awaited = b;
    emu::yield();
  }
  me->awaited = me->place = nullptr;
  emu::acquire(b);
}

inline bool has_tensor_maps() { return true; }
using TensorMap = emu::TensorMap;
inline bool make_tensor_map(TensorMap* map, const void* base, size_t rows, size_t cols, size_t ld, int box_rows) {
  if (reinterpret_cast<uintptr_t>(base) % 16 || ld % 8 || ld < cols || !rows || !cols || box_rows > 256) return false;
  *map = {static_cast<const uint16_t*>(base), rows, cols, ld, box_rows};
  return true;
}

inline void tensor_load(void* to, const TensorMap* map, Barrier* b, int x, int y) {
  emu::Quiet quiet;
  const emu::TensorLoad load = {static_cast<char*>(to), *map, b, x, y};
  if ((load.to - emu::current->shared) % 1024) emu::fail_block("tensor_load: the place in shared memory is not 1024-byte aligned");
  bool wanted = emu::schedule().early;
  for (const emu::Fiber& f : emu::current->fibers) wanted |= f.state == emu::WAITS_FOR_BARRIER && f.awaited == b;
  if (wanted) emu::land(load);
  else emu::current->loads.push_back(load);
}
inline void tensor_prefetch(const TensorMap*) {}
template <int registers> inline void registers_up() {}
template <int registers> inline void registers_down() {}

inline uint32_t shared_address(const void* p) { return uint32_t(static_cast<const char*>(p) - emu::current->shared); }

inline void wgmma_fence() { emu::current->running->fenced = true; }
template <bool TRANS_A, bool TRANS_B, int N> inline void wgmma(float (&d)[N], uint64_t a, uint64_t b, bool keep) {
  emu::Fiber* me = emu::current->running;
  if (!me->fenced) emu::fail_block("wgmma without wgmma_fence");
  const emu::WarpgroupProduct product = {d, a, b, N * 2, TRANS_A, TRANS_B, keep};
  if (emu::schedule().early) {
    emu::multiply(product, me->index);
    return;
  }
  emu::Quiet quiet;
  me->open_products.push_back(product);
}
inline void wgmma_commit() {
  emu::Quiet quiet;
  emu::Fiber* me = emu::current->running;
  me->product_groups.push_back(std::move(me->open_products));
  me->open_products.clear();
}
template <int groups> inline void wgmma_wait() {
  emu::Fiber* me = emu::current->running;
  while (me->product_groups.size() > size_t(groups)) {
    for (const emu::WarpgroupProduct& product : me->product_groups.front()) emu::multiply(product, me->index);
    emu::Quiet quiet;
    me->product_groups.erase(me->product_groups.begin());
  }
  if (groups == 0) me->fenced = false;  // now other instructions touch the accumulators
  emu::warp_barrier(0xffffffffu, "wgmma_wait");
}

}  // namespace tt
