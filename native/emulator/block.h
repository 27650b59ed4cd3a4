// A block of CUDA threads as fibers: who runs, who waits at which barrier, and what goes wrong.
//
// Threads run one at a time until they wait, in the order of the schedule. A warp collective (shuffle, mma, ldmatrix…) is done
// once, by the lane that arrives last. What a GPU would answer with a hang or with garbage ends the launch with a message.
#pragma once
#include <stdarg.h>
#include <stdio.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "fiber.h"
#include "runtime.h"
#include "schedule.h"
#include "types.h"

namespace tt { struct Barrier; }

namespace emu {

enum State : uint8_t { RUNNABLE, WAITS_FOR_WARP, WAITS_FOR_BLOCK, WAITS_FOR_BARRIER, DONE };

struct AsyncCopy { void* to; const void* from; bool in_range; };

// Of hopper.h: a row-major matrix of 16-bit elements with the box that a load takes of it, a load, and one wgmma of a thread.
struct TensorMap { const uint16_t* base; size_t rows, cols, ld; int box_rows; };
struct TensorLoad { char* to; TensorMap map; tt::Barrier* barrier; int x, y; };
struct WarpgroupProduct { float* d; uint64_t a, b; int columns; bool trans_a, trans_b, keep; };

struct Fiber {
  Context context;
  dim3 thread;
  int index = 0;
  State state = DONE;
  bool started = false;         // its loop has begun: it only needs to be resumed
  const char* place = nullptr;  // source line of the last wait
  std::vector<AsyncCopy> open;  // cp.async not committed yet
  std::vector<std::vector<AsyncCopy>> groups;
  size_t first_group = 0;       // groups before it have landed
  const void* awaited = nullptr;  // the mbarrier it waits for
  bool fenced = false;          // wgmma may touch the accumulators
  std::vector<WarpgroupProduct> open_products;
  std::vector<std::vector<WarpgroupProduct>> product_groups;  // committed, not done yet
  bool copies_pending() const {
    for (size_t i = first_group; i < groups.size(); i++) if (!groups[i].empty()) return true;
    return !open.empty();
  }
};

struct Warp;
using WarpOperation = void (*)(Warp&, uint32_t lanes);
struct Warp {
  uint32_t live = 0, arrived = 0, wanted = 0;
  WarpOperation operation = nullptr;
  uint64_t in[32], out[32];
  int argument[32];
  const void *a[32], *b[32];
  void* d[32];
};

struct Block {
  dim3 index, size, grid;
  int threads = 0, live = 0, arrived = 0, votes = 0, last_votes = 0;
  std::deque<Fiber> fibers;  // never moved: a fiber that waits holds the address of its own; never fewer
  std::vector<Warp> warps;
  int position = -1;  // of the thread that ran last, in the order of the schedule
  Fiber* running = nullptr;
  Context caller;
  char* shared = nullptr;  // dynamic shared memory
  const std::function<void()>* body = nullptr;
  std::vector<TensorLoad> loads;  // issued, not landed yet
  bool failed = false;
  char barrier_tag = 0, start_tag = 0, end_tag = 0;  // for the race detector
  ~Block() { for (Fiber& f : fibers) f.context.free(); }
};
inline thread_local Block* current = nullptr;

// ---- failures -----------------------------------------------------------------------------------------------------

/// Ends the block: its fibers are left where they stand, so this never returns (saying so would make AddressSanitizer look for the
/// stack that is left). Only from inside a fiber.
inline void fail_block(const char* format, ...) {
  Block& b = *current;
  char what[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  std::string text = std::string("emulator: ") + what + " in block (" + std::to_string(b.index.x) + "," + std::to_string(b.index.y) + "," + std::to_string(b.index.z) + ")";
  int listed = 0;
  for (Fiber& f : b.fibers)
    if (f.state != DONE && f.place && listed++ < 4) text += "; thread " + std::to_string(f.index) + " waits at " + f.place;
  report_failure(text);
  b.failed = true;
  for (Fiber& f : b.fibers) f.started = false, f.context.abandon();
  switch_context(b.running->context, b.caller);
}

// ---- the scheduler --------------------------------------------------------------------------------------------------

inline Fiber* next_runnable() {
  Block& b = *current;
  const Schedule& s = schedule();
  if (s.greedy) b.position = -1;
  for (int k = 0; k < b.threads; k++) {
    if (++b.position >= b.threads) b.position = 0;
    Fiber& f = b.fibers[size_t(s.reverse ? b.threads - 1 - b.position : b.position)];
    if (f.state == RUNNABLE) return &f;
  }
  return nullptr;
}

/// Gives the processor to another thread; returns when this one may go on.
inline void yield() {
  Block& b = *current;
  Fiber* me = b.running;
  Fiber* next = next_runnable();
  if (!next) fail_block("deadlock: not all threads reach the same barrier");
  if (next == me) return;
  b.running = next;
  switch_context(me->context, next->context);
}

inline void open_block_barrier() {
  Block& b = *current;
  b.arrived = 0;
  b.last_votes = b.votes;
  b.votes = 0;
  for (Fiber& f : b.fibers) if (f.state == WAITS_FOR_BLOCK) f.state = RUNNABLE;
}

/// Runs the operation when all lanes that it waits for and that still live are there.
inline void try_warp(Warp& w) {
  const uint32_t needed = w.wanted & w.live;
  if (!needed || (w.arrived & needed) != needed) return;
  if (w.operation) {
    acquire(&w);
    { Loud loud; w.operation(w, w.arrived); }
    release(&w);
  }
  const size_t base = size_t(&w - current->warps.data()) * 32;
  for (uint32_t lanes = w.arrived; lanes; lanes &= lanes - 1) current->fibers[base + size_t(__builtin_ctz(lanes))].state = RUNNABLE;
  w.arrived = w.wanted = 0;
  w.operation = nullptr;
}

/// __syncthreads with a vote; returns the number of threads that voted.
inline int block_barrier(int vote, const char* place) {
  Quiet quiet;
  Block& b = *current;
  Fiber* me = b.running;
  me->place = place;
  release(&b.barrier_tag);
  b.votes += vote != 0;
  me->state = WAITS_FOR_BLOCK;
  if (++b.arrived == b.live) open_block_barrier();
  if (me->state != RUNNABLE) yield();
  acquire(&b.barrier_tag);
  me->place = nullptr;
  return b.last_votes;
}

inline Warp& my_warp() { return current->warps[size_t(current->running->index) >> 5]; }
inline int my_lane() { return current->running->index & 31; }

inline void warp_barrier(uint32_t lanes, const char* place, WarpOperation operation = nullptr) {
  Quiet quiet;
  Fiber* me = current->running;
  Warp& w = my_warp();
  me->place = place;
  if (!(lanes >> my_lane() & 1)) fail_block("%s: the calling lane is not in its own mask", place);
  if (w.wanted && (w.wanted != lanes || w.operation != operation)) fail_block("%s: lanes of one warp disagree on the mask or the operation", place);
  w.wanted = lanes;
  w.operation = operation;
  release(&w);
  w.arrived |= 1u << my_lane();
  me->state = WAITS_FOR_WARP;
  try_warp(w);
  if (me->state != RUNNABLE) yield();
  acquire(&w);
  me->place = nullptr;
}

// ---- running ----------------------------------------------------------------------------------------------------------

/// Every fiber: runs the kernel of one block after another.
inline void fiber_loop() {
  {
    Quiet quiet;
    fiber_entered(current->caller);
  }
  for (;;) {
    const std::function<void()>* body;
    {
      Quiet quiet;
      acquire(&current->start_tag);
      body = current->body;
    }
    (*body)();
    Context *mine, *to;
    {
      Quiet quiet;
      Block& b = *current;
      Fiber* me = b.running;
      if (me->copies_pending()) fail_block("thread %d ends with cp.async under way that nobody waited for", me->index);
      if (!me->product_groups.empty() || !me->open_products.empty()) fail_block("thread %d ends with a wgmma under way that nobody waited for", me->index);
      if (b.live == 1 && !b.loads.empty()) fail_block("the block ends with tensor loads under way");
      me->state = DONE;
      Warp& w = b.warps[size_t(me->index) >> 5];
      w.live &= ~(1u << (me->index & 31));
      b.live--;
      release(&b.end_tag);
      if (b.live && b.arrived == b.live) open_block_barrier();
      try_warp(w);
      Fiber* next = b.live ? next_runnable() : nullptr;
      if (b.live && !next) fail_block("deadlock: thread %d has left, others wait for it at a barrier", me->index);
      b.running = next;
      mine = &me->context, to = next ? &next->context : &b.caller;
    }
    // Outside of Quiet: a fiber that never runs again may not be destroyed while ThreadSanitizer looks away.
    switch_context(*mine, *to);
  }
}

constexpr size_t GUARD = 1024;           // bytes behind dynamic shared memory that nobody may touch
constexpr unsigned char GUARD_BYTE = 0xa5;

/// Runs one block to its end; false when it failed.
inline bool run_block(const std::function<void()>& body, dim3 grid, dim3 size, dim3 index, size_t shared_bytes) {
  Quiet quiet;
  static thread_local Block block;
  Block& b = block;
  current = &b;
  const int threads = int(size.x * size.y * size.z);
  b.index = index, b.size = size, b.grid = grid;
  b.threads = b.live = threads;
  b.arrived = b.votes = 0;
  b.position = -1;
  b.loads.clear();
  b.failed = false;
  b.body = &body;
  if (b.fibers.size() < size_t(threads)) b.fibers.resize(size_t(threads));
  b.warps.assign(size_t(threads + 31) / 32, Warp());
  const size_t rounded = (shared_bytes + 1023) & ~size_t(1023);
  b.shared = static_cast<char*>(aligned_alloc(1024, rounded + GUARD));
  memset(b.shared, 0xff, shared_bytes);  // NaN in every float type
  memset(b.shared + shared_bytes, GUARD_BYTE, rounded + GUARD - shared_bytes);
  poison(b.shared + shared_bytes, rounded + GUARD - shared_bytes);
#ifdef EMU_TSAN
  b.caller.tsan = __tsan_get_current_fiber();
#endif
  for (int i = 0; i < threads; i++) {
    Fiber& f = b.fibers[size_t(i)];
    f.index = i;
    f.thread = dim3(unsigned(i) % size.x, unsigned(i) / size.x % size.y, unsigned(i) / (size.x * size.y));
    f.state = RUNNABLE;
    f.place = nullptr;
    f.open.clear();
    f.groups.clear();
    f.first_group = 0;
    f.awaited = nullptr;
    f.fenced = false;
    f.open_products.clear();
    f.product_groups.clear();
    if (!f.started) {
      f.context.allocate();
      f.context.prepare(fiber_loop);
      f.started = true;
    }
    b.warps[size_t(i) >> 5].live |= 1u << (i & 31);
  }
  release(&b.start_tag);
  b.running = next_runnable();
  switch_context(b.caller, b.running->context);
  acquire(&b.end_tag);
  unpoison(b.shared + shared_bytes, rounded + GUARD - shared_bytes);
  size_t end = rounded + GUARD;
  while (end > shared_bytes && static_cast<unsigned char>(b.shared[end - 1]) == GUARD_BYTE) end--;
  if (end > shared_bytes && !b.failed) {
    report_failure("emulator: a kernel wrote " + std::to_string(end - shared_bytes) + " bytes past its " + std::to_string(shared_bytes) + " bytes of dynamic shared memory");
    b.failed = true;
  }
  ::free(b.shared);
  current = nullptr;
  return !b.failed;
}

/// kernel<<<grid, size, shared_bytes>>>(arguments…)
template <class K, class... A> void launch(K kernel, dim3 grid, dim3 size, size_t shared_bytes, A... arguments) {
  const size_t threads = size_t(size.x) * size.y * size.z, blocks = size_t(grid.x) * grid.y * grid.z;
  if (!threads || threads > 1024 || shared_bytes > LARGEST_SHARED || !blocks || grid.y > 65535 || grid.z > 65535) {
    set_error(cudaErrorInvalidConfiguration);
    return;
  }
  if (!may_share(reinterpret_cast<const void*>(kernel), shared_bytes)) {
    set_error(cudaErrorInvalidValue);  // cudaFuncSetAttribute was forgotten
    return;
  }
  const std::function<void()> body = [&] { kernel(arguments...); };
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < blocks;)
      if (!run_block(body, grid, size, dim3(unsigned(i % grid.x), unsigned(i / grid.x % grid.y), unsigned(i / (size_t(grid.x) * grid.y))), shared_bytes))
        next.store(blocks);
  };
  const size_t workers = std::min(size_t(schedule().threads), blocks);
  std::vector<std::thread> others;
  for (size_t i = 1; i < workers; i++) others.emplace_back(work);
  work();
  for (auto& thread : others) thread.join();
}

}  // namespace emu
