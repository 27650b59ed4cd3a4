// What Linux does in a way of its own.
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform.h"

namespace tt::platform {

int usable_cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

MachineMemory machine_memory() {
  const uint64_t page = uint64_t(sysconf(_SC_PAGESIZE));
  return {page * uint64_t(sysconf(_SC_PHYS_PAGES)), page * uint64_t(sysconf(_SC_AVPHYS_PAGES))};
}

void prefer_huge_pages(void* memory, size_t bytes) { madvise(memory, bytes, MADV_HUGEPAGE); }

SystemBlas system_blas() { return {nullptr, false}; }

}  // namespace tt::platform
