// WebAssembly: one thread, so that locks have nothing to do.
#pragma once

namespace tt::platform {

struct Thread {};
struct Mutex {
  void lock() {}
  void unlock() {}
};
struct Condition {
  void wait(Mutex&) {}
  void wake_all() {}
};

}  // namespace tt::platform
