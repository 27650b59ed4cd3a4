// WebAssembly: the heap is all the memory there is, files are read by the host.
#include <stdio.h>
#include <stdlib.h>

#include "platform.h"

/// Milliseconds of performance.now(), from the host.
__attribute__((import_module("env"), import_name("now"))) extern "C" double tt_host_now();

namespace tt::platform {

bool start_thread(Thread&, void (*)(int), int) { return false; }
void join_thread(Thread&) {}
int usable_cores() { return 1; }
void yield() {}
int64_t nanoseconds() { return int64_t(tt_host_now() * 1e6); }

MachineMemory machine_memory() {
  const uint64_t all = uint64_t(4) << 30, used = uint64_t(__builtin_wasm_memory_size(0)) << 16;
  return {all, all - used};
}

void* allocate(size_t alignment, size_t bytes) { return aligned_alloc(alignment, (bytes + alignment - 1) & ~(alignment - 1)); }
void release(void* memory) { free(memory); }
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
