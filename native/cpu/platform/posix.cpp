// What Linux and macOS have in common.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "platform.h"

namespace tt::platform {
namespace {

struct Start { void (*body)(int); int argument; };

void* run(void* memory) {
  const Start start = *static_cast<Start*>(memory);
  free(memory);
  start.body(start.argument);
  return nullptr;
}

bool refuse(char* error, size_t room, const char* path, const char* reason) {
  snprintf(error, room, "%s: %s", path, reason);
  return false;
}

}  // namespace

bool start_thread(Thread& thread, void (*body)(int), int argument) {
  Start* start = static_cast<Start*>(malloc(sizeof(Start)));
  if (!start) return false;
  *start = {body, argument};
  if (pthread_create(&thread.handle, nullptr, run, start) == 0) return true;
  free(start);
  return false;
}

void join_thread(Thread& thread) { pthread_join(thread.handle, nullptr); }

void yield() { sched_yield(); }

int64_t nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
}

void* allocate(size_t alignment, size_t bytes) {
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, bytes) == 0 ? memory : nullptr;
}

void release(void* memory) { free(memory); }

void* allocate_pages(size_t bytes) {
  // Mapped with room to spare, then the ends are given back: mmap only promises page alignment.
  char* start = static_cast<char*>(mmap(nullptr, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0));
  if (start == MAP_FAILED) return nullptr;
  const size_t head = (HUGE_PAGE - (uintptr_t(start) & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
  if (head) munmap(start, head);
  if (HUGE_PAGE - head) munmap(start + head + bytes, HUGE_PAGE - head);
  prefer_huge_pages(start + head, bytes);
  return start + head;
}

void release_pages(void* memory, size_t bytes) { munmap(memory, bytes); }

bool map_file(MappedFile& out, const char* path, char* error, size_t room) {
  out = {nullptr, 0};
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return refuse(error, room, path, strerror(errno));
  struct stat info;
  if (fstat(file, &info) != 0) {
    const int number = errno;
    close(file);
    return refuse(error, room, path, strerror(number));
  }
  if (!S_ISREG(info.st_mode) || info.st_size == 0) {
    close(file);
    return refuse(error, room, path, S_ISREG(info.st_mode) ? "the file is empty" : "not a regular file");
  }
  void* address = mmap(nullptr, size_t(info.st_size), PROT_READ, MAP_SHARED, file, 0);
  const int number = errno;
  close(file);
  if (address == MAP_FAILED) {
    snprintf(error, room, "%s: cannot map %lld bytes: %s", path, static_cast<long long>(info.st_size), strerror(number));
    return false;
  }
  out = {address, uint64_t(info.st_size)};
  return true;
}

bool unmap_file(const void* address, size_t bytes, char* error, size_t room) {
  if (munmap(const_cast<void*>(address), bytes) == 0) return true;
  return refuse(error, room, "unmapping a file", strerror(errno));
}

void* open_library(const char* path, char* error, size_t room) {
  if (!is_whole_library(path)) return refuse(error, room, path, "the file was cut off"), nullptr;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) snprintf(error, room, "%s", dlerror());  // names the path
  return library;
}

void* library_symbol(void* library, const char* name) { return dlsym(library, name); }
void close_library(void* library) { dlclose(library); }

}  // namespace tt::platform
