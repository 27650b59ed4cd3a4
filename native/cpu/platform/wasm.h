// Threads and locks of WebAssembly: threads are workers of the host on the same memory, and locks words that they wait on. A page's
// main thread must not wait, so whoever starts threads runs in a worker there.
#pragma once
#include <stdint.h>

#include <atomic>

namespace tt::platform {

struct Thread { struct ThreadStart* start; };

struct Mutex {
  std::atomic<int32_t> state{0};  // 0 free, 1 taken, 2 taken and waited for
  void lock();
  void unlock();
};

struct Condition {
  std::atomic<int32_t> wakes{0};
  void wait(Mutex& mutex);
  void wake_all();
};

}  // namespace tt::platform
