// Threads and locks of Windows. The handles have the size of those in windows.h, which only windows.cpp includes: its macros
// reach far.
#pragma once

namespace tt::platform {

struct Thread { void* handle; };

struct Mutex {
  void* handle = nullptr;  // SRWLOCK
  void lock();
  void unlock();
};

struct Condition {
  void* handle = nullptr;  // CONDITION_VARIABLE
  void wait(Mutex& mutex);
  void wake_all();
};

}  // namespace tt::platform
