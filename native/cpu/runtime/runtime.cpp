// Errors, the thread pool and scratch memory of libtritune_cpu.
//
// The pool spins for a short while between calls and then parks on a condition variable, so that a training
// step pays ~1 µs a call and an idle process burns nothing. Tiles are taken from an atomic counter: cores differ by up
// to 4x in AMX throughput, and a static split would wait for the slow one.
#include <stdarg.h>
#include <stdio.h>

#include <atomic>

#include "../platform/platform.h"
#include "internal.h"
#include "poison.h"

namespace tt {

// ---- errors -----------------------------------------------------------------------------------------------------

static thread_local char error_message[1024] = "no error";

tt_status fail(tt_status code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error_message, sizeof error_message, format, arguments);
  va_end(arguments);
  return code;
}

// ---- thread pool ------------------------------------------------------------------------------------------------

static constexpr int MAX_THREADS = 256;
static constexpr int SPIN_NANOSECONDS = 50000;
static constexpr int SPINS_BEFORE_YIELD = 2000;  // about 50 µs

struct Pool {
  int threads = 0;
  platform::Thread workers[MAX_THREADS];
  std::atomic<uint32_t> generation{0};
  std::atomic<int> running{0};
  std::atomic<int> parked{0};
  std::atomic<bool> stop{false};
  std::atomic<size_t> next{0};
  size_t tiles = 0;
  void (*fn)(void*, size_t, int) = nullptr;
  void* context = nullptr;
  platform::Mutex mutex;
  platform::Condition wake;
};

static Pool pool;
static platform::Mutex start_mutex;
static std::atomic<int> chosen_isa{0};
static std::atomic<bool> bf16_rounding{false};
static std::atomic<bool> byte_dots{false};
static thread_local bool inside_pool = false;

static void work(int thread) {
  inside_pool = true;
  for (size_t tile; (tile = pool.next.fetch_add(1, std::memory_order_relaxed)) < pool.tiles;) pool.fn(pool.context, tile, thread);
  inside_pool = false;
}

static void worker(int thread) {
  uint32_t seen = 0;
  for (;;) {
    const int64_t start = platform::nanoseconds();
    uint32_t now;
    for (int spins = 0; (now = pool.generation.load(std::memory_order_acquire)) == seen; spins++) {
      platform::relax();
      if ((spins & 63) == 63 && platform::nanoseconds() - start > SPIN_NANOSECONDS) {
        Lock lock(pool.mutex);
        pool.parked.fetch_add(1);
        while (pool.generation.load() == seen) pool.wake.wait(pool.mutex);
        pool.parked.fetch_sub(1);
      }
    }
    seen = now;
    if (pool.stop.load()) return;
    work(thread);
    pool.running.fetch_sub(1, std::memory_order_release);
  }
}

static void announce() {
  pool.generation.fetch_add(1);
  if (pool.parked.load() > 0) {
    Lock lock(pool.mutex);
    pool.wake.wake_all();
  }
}

static void stop_workers() {
  if (pool.threads <= 1) return;
  pool.stop = true;
  announce();
  for (int i = 1; i < pool.threads; i++) platform::join_thread(pool.workers[i]);
  pool.stop = false;
  pool.threads = 0;
}

static tt_status start(int threads, int wanted_isa) {
  int best = best_isa();
  if (best == 0) return fail(TT_UNSUPPORTED, "this CPU is without one of %s", ISA_REQUIREMENT);
  if (wanted_isa > best) return fail(TT_UNSUPPORTED, "instruction set %d asked for, this CPU reaches %d", wanted_isa, best);
  Lock lock(start_mutex);
  stop_workers();
  chosen_isa = wanted_isa ? wanted_isa : best;
  bf16_rounding = chosen_isa > 1 && has_bf16_rounding();
  byte_dots = chosen_isa > 1 && has_byte_dots();
  int wanted = threads ? threads : platform::usable_cores();
  if (wanted > MAX_THREADS) wanted = MAX_THREADS;
  pool.generation = 0;
  pool.threads = 1;
  for (int i = 1; i < wanted; i++) {
    if (!platform::start_thread(pool.workers[i], worker, i)) break;
    pool.threads = i + 1;
  }
  return TT_OK;
}

static void ensure_started() {
  if (pool.threads == 0) start(0, 0);
}

int thread_count() {
  ensure_started();
  return pool.threads;
}

Isa isa() {
  ensure_started();
  return Isa(chosen_isa.load(std::memory_order_relaxed));
}

bool rounds_to_bf16() {
  ensure_started();
  return bf16_rounding.load(std::memory_order_relaxed);
}

bool dots_bytes() {
  ensure_started();
  return byte_dots.load(std::memory_order_relaxed);
}

void run_tiles(size_t tiles, void (*fn)(void*, size_t, int), void* context) {
  ensure_started();
  if (tiles == 0) return;
  if (pool.threads == 1 || tiles == 1 || inside_pool) {
    for (size_t tile = 0; tile < tiles; tile++) fn(context, tile, 0);
    return;
  }
  pool.tiles = tiles;
  pool.fn = fn;
  pool.context = context;
  pool.next.store(0, std::memory_order_relaxed);
  pool.running.store(pool.threads - 1, std::memory_order_relaxed);
  announce();
  work(0);
  // The last tiles take about as long as ours did; on a machine that others use, a worker may have lost its core, and
  // giving ours away is then the quickest way to let it finish.
  for (int spins = 0; pool.running.load(std::memory_order_acquire) > 0; spins++) {
    if (spins < SPINS_BEFORE_YIELD) platform::relax();
    else platform::yield();
  }
}

// ---- scratch ----------------------------------------------------------------------------------------------------

struct Scratch { void* memory; size_t bytes; };
static Scratch thread_buffers[MAX_THREADS][8], shared_buffers[8];

static void* grow(Scratch& buffer, uint64_t wanted) {
  if (!can_hold(wanted) || wanted > SIZE_MAX / 2) return nullptr;
  const size_t bytes = size_t(wanted);
  if (bytes > buffer.bytes) {
    unpoison(buffer.memory, buffer.bytes);
    platform::release(buffer.memory);
    // Large buffers in huge pages: packed panels are walked with strides that would miss the TLB in small ones.
    size_t page = bytes >= (size_t(1) << 17) ? platform::HUGE_PAGE : size_t(1) << 16;
    size_t rounded = (bytes + page) & ~(page - 1);
    buffer.bytes = 0;
    buffer.memory = platform::allocate(page == platform::HUGE_PAGE ? page : 4096, rounded);
    if (!buffer.memory) return nullptr;
    if (page == platform::HUGE_PAGE) platform::prefer_huge_pages(buffer.memory, rounded);
    buffer.bytes = rounded;
  }
  // 0 bytes: what was asked for before.
  if (bytes > 0) poison_rest(buffer.memory, bytes, buffer.bytes);
  return buffer.memory;
}

void* thread_scratch(int thread, int slot, uint64_t bytes) { return grow(thread_buffers[thread][slot], bytes); }
void* shared_scratch(int slot, uint64_t bytes) { return grow(shared_buffers[slot], bytes); }

}  // namespace tt

// ---- ABI --------------------------------------------------------------------------------------------------------

extern "C" int32_t tt_abi_version(void) { return TT_ABI_VERSION; }
extern "C" const char* tt_last_error(void) { return tt::error_message; }

extern "C" tt_status tt_init(int32_t device, int32_t threads, int32_t isa) {
  TT_REQUIRE(device == 0, "tt_init: the CPU is device 0, got %d", device);
  TT_REQUIRE(threads >= 0 && threads <= tt::MAX_THREADS, "tt_init: threads must be 0..%d, got %d", tt::MAX_THREADS, threads);
  TT_REQUIRE(isa >= 0 && isa <= 3, "tt_init: isa must be 0..3, got %d", isa);
  return tt::start(threads, isa);
}
