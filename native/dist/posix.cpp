// Linux and macOS for libtritune_dist.
#include "platform.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

namespace tt::dist {

#if defined(__APPLE__)
const char* const STANDARD_NAMES[] = {"libmpi_abi.dylib", nullptr};
const char* const OPEN_MPI_NAMES[] = {"libmpi.40.dylib", "/opt/homebrew/lib/libmpi.40.dylib", "/usr/local/lib/libmpi.40.dylib",
                                      nullptr};
const char* const MPICH_NAMES[] = {"libmpi.12.dylib", "/opt/homebrew/lib/libmpi.12.dylib", "/usr/local/lib/libmpi.12.dylib",
                                   nullptr};
#else
const char* const STANDARD_NAMES[] = {"libmpi_abi.so.1", "libmpi_abi.so.0", nullptr};
const char* const OPEN_MPI_NAMES[] = {"libmpi.so.40", "libmpi.so.80", nullptr};
const char* const MPICH_NAMES[] = {"libmpich.so.12", "libmpi.so.12", "libmpi_cray.so.12", nullptr};
#endif
const char* const NCCL_NAMES[] = {"libnccl.so.2", "librccl.so.1", nullptr};
const char* const CUDA_NAMES[] = {"libcuda.so.1", nullptr};
const char* const HIP_NAMES[] = {"libamdhip64.so.7", "libamdhip64.so.6", nullptr};

void* open_library(const char* name, char* error, size_t room) {
  void* found = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
  if (!found) {
    const char* why = dlerror();
    snprintf(error, room, "%s", why ? why : name);
  }
  return found;
}

void* library_symbol(void* library, const char* name) { return dlsym(library, name); }

const char* environment(const char* name) { return getenv(name); }

void set_environment(const char* name, const char* value) { setenv(name, value, 0); }

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void* run(void* body) {
  reinterpret_cast<void (*)()>(body)();
  return nullptr;
}

bool start_thread(void (*body)()) {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, run, reinterpret_cast<void*>(body)) != 0) return false;
  pthread_detach(thread);
  return true;
}

void lock() { pthread_mutex_lock(&mutex); }
void unlock() { pthread_mutex_unlock(&mutex); }
void wake() { pthread_cond_broadcast(&condition); }

void wait_for_wake(int64_t milliseconds) {
  if (milliseconds < 0) {
    pthread_cond_wait(&condition, &mutex);
    return;
  }
  timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += milliseconds / 1000;
  end.tv_nsec += milliseconds % 1000 * 1000000;
  if (end.tv_nsec >= 1000000000) {
    end.tv_sec++;
    end.tv_nsec -= 1000000000;
  }
  pthread_cond_timedwait(&condition, &mutex, &end);
}

int64_t milliseconds_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

void sleep_milliseconds(int32_t milliseconds) { usleep(useconds_t(milliseconds) * 1000); }

void end_process(int32_t code) { _exit(code); }

}  // namespace tt::dist
