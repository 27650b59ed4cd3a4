// What macOS does in a way of its own. Its pages are 16 KiB on Apple silicon, and there are no huge ones to ask for.
#include <mach/mach.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "platform.h"

namespace tt::platform {

// All cores, the efficient ones too: work is taken in small tiles, so a slow core only takes fewer.
int usable_cores() {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 0 ? int(cores) : 1;
}

MachineMemory machine_memory() {
  uint64_t total = 0;
  size_t size = sizeof total;
  if (sysctlbyname("hw.memsize", &total, &size, nullptr, 0) != 0) total = 0;
  vm_statistics64_data_t pages;
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  if (host_statistics64(mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count) != KERN_SUCCESS) return {total, total};
  return {total, (uint64_t(pages.free_count) + pages.inactive_count) * uint64_t(sysconf(_SC_PAGESIZE))};
}

void prefer_huge_pages(void*, size_t) {}

bool is_whole_library(const char*) { return true; }

// In the system's cache of libraries and not on the disk. On Apple silicon it alone may use the matrix unit.
SystemBlas system_blas() {
#if defined(__aarch64__)
  constexpr bool matrix_unit = true;
#else
  constexpr bool matrix_unit = false;
#endif
  return {"/System/Library/Frameworks/Accelerate.framework/Accelerate", matrix_unit};
}

}  // namespace tt::platform
