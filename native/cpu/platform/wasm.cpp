// WebAssembly: the heap is all the memory there is, files are read by the host, and threads are workers that the host starts on
// the same memory (plugins/wasm/threads.ts).
#include <stdio.h>

#include "platform.h"
#include "wasm-heap.h"

/// Milliseconds of performance.now().
__attribute__((import_module("env"), import_name("now"))) extern "C" double tt_host_now();
/// Runs tritune_thread(start) in a worker, with its own stack that ends at `stack` and its own thread-local variables at `locals`. 0: it
/// cannot.
__attribute__((import_module("env"), import_name("start_thread"))) extern "C" int32_t tt_host_start_thread(void* start, void* stack, void* locals);

namespace tt::platform {

enum ThreadState { ASKED_FOR, RUNNING, ENDED, GIVEN_UP };
/// That of a worker which was given up stays: it may still come and look.
struct ThreadStart { void (*body)(int); int argument; std::atomic<int32_t> state; void *stack, *locals; };

namespace {

constexpr size_t STACK = size_t(1) << 20;
constexpr int64_t PATIENCE = int64_t(10) * 1000000000;  // nanoseconds for a worker to come

int32_t* word(std::atomic<int32_t>& value) { return reinterpret_cast<int32_t*>(&value); }
/// Until the word is another than `seen`, or somebody wakes. It traps where memory is not shared: there is one thread then, for which no lock is ever taken already.
void wait_on(std::atomic<int32_t>& value, int32_t seen) { __builtin_wasm_memory_atomic_wait32(word(value), seen, -1); }
void wake(std::atomic<int32_t>& value, int count) { __builtin_wasm_memory_atomic_notify(word(value), unsigned(count)); }

Mutex heap_mutex;
WasmHeap heap;

void run(ThreadStart* start) {
  int32_t seen = ASKED_FOR;
  if (!start->state.compare_exchange_strong(seen, RUNNING)) return;
  wake(start->state, 1);
  start->body(start->argument);
  start->state.store(ENDED);
}

}  // namespace

// Ulrich Drepper, "Futexes are tricky", mutex 2.
void Mutex::lock() {
  int32_t seen = 0;
  if (state.compare_exchange_strong(seen, 1)) return;
  if (seen != 2) seen = state.exchange(2);
  while (seen != 0) {
    wait_on(state, 2);
    seen = state.exchange(2);
  }
}
void Mutex::unlock() {
  if (state.exchange(0) == 2) wake(state, 1);
}
void Condition::wait(Mutex& mutex) {
  const int32_t seen = wakes.load();
  mutex.unlock();
  wait_on(wakes, seen);
  mutex.lock();
}
void Condition::wake_all() {
  wakes.fetch_add(1);
  wake(wakes, INT32_MAX);
}

// Returns when the worker runs: one that never comes would be waited for by every product.
bool start_thread(Thread& thread, void (*body)(int), int argument) {
  ThreadStart* start = static_cast<ThreadStart*>(allocate(64, sizeof(ThreadStart)));
  char* stack = static_cast<char*>(allocate(64, STACK));
  void* locals = allocate(64, __builtin_wasm_tls_size());
  if (start && stack && locals) {
    start->body = body;
    start->argument = argument;
    start->stack = stack;
    start->locals = locals;
    start->state.store(ASKED_FOR);
    if (tt_host_start_thread(start, stack + STACK, locals) != 0) {
      const int64_t asked = nanoseconds();
      int32_t seen = ASKED_FOR;
      while (start->state.load() == ASKED_FOR && nanoseconds() - asked < PATIENCE) __builtin_wasm_memory_atomic_wait32(word(start->state), ASKED_FOR, PATIENCE / 100);
      thread.start = start;
      return !start->state.compare_exchange_strong(seen, GIVEN_UP);
    }
  }
  release(start);
  release(stack);
  release(locals);
  return false;
}
void join_thread(Thread& thread) {
  ThreadStart* start = thread.start;
  while (start->state.load() != ENDED) yield();
  // Saying that it has ended is the last thing a thread does on its stack.
  release(start->stack);
  release(start->locals);
  release(start);
}
int usable_cores() { return 1; }
/// Sleeps for a moment: nothing else gives a core away.
void yield() {
  static std::atomic<int32_t> nobody{0};
  __builtin_wasm_memory_atomic_wait32(word(nobody), 0, 50000);
}
int64_t nanoseconds() { return int64_t(tt_host_now() * 1e6); }

MachineMemory machine_memory() {
  const uint64_t all = uint64_t(4) << 30, used = uint64_t(__builtin_wasm_memory_size(0)) << 16;
  return {all, all - used};
}

void* allocate(size_t alignment, size_t bytes) {
  Lock lock(heap_mutex);
  return heap.allocate(alignment, bytes);
}
void release(void* memory) {
  Lock lock(heap_mutex);
  heap.release(memory);
}
void* allocate_pages(size_t bytes) { return allocate(64, bytes); }
void release_pages(void* memory, size_t) { release(memory); }
void prefer_huge_pages(void*, size_t) {}

bool map_file(MappedFile& out, const char* path, char* error, size_t room) {
  out = {nullptr, 0};
  snprintf(error, room, "%s: WebAssembly cannot map files", path);
  return false;
}
bool unmap_file(const void*, size_t, char* error, size_t room) {
  snprintf(error, room, "WebAssembly cannot map files");
  return false;
}

void* open_library(const char* path, char* error, size_t room) {
  snprintf(error, room, "%s: WebAssembly cannot open libraries", path);
  return nullptr;
}
void* library_symbol(void*, const char*) { return nullptr; }
void close_library(void*) {}
SystemBlas system_blas() { return {nullptr, false}; }

}  // namespace tt::platform

extern "C" void tritune_thread(void* start) { tt::platform::run(static_cast<tt::platform::ThreadStart*>(start)); }
