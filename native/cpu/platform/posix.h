// Threads and locks of Linux and macOS.
#pragma once
#include <pthread.h>

namespace tt::platform {

struct Thread { pthread_t handle; };

struct Mutex {
  pthread_mutex_t handle = PTHREAD_MUTEX_INITIALIZER;
  void lock() { pthread_mutex_lock(&handle); }
  void unlock() { pthread_mutex_unlock(&handle); }
};

struct Condition {
  pthread_cond_t handle = PTHREAD_COND_INITIALIZER;
  void wait(Mutex& mutex) { pthread_cond_wait(&handle, &mutex.handle); }
  void wake_all() { pthread_cond_broadcast(&handle); }
};

/// False for a library that was cut off where opening one would end the process instead of failing.
bool is_whole_library(const char* path);

}  // namespace tt::platform
