// What Linux does in a way of its own.
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

bool is_whole_library(const char* path) {
  // Without a folder the system looks for it, in folders that packages fill.
  const int file = strchr(path, '/') ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return true;
  struct stat info;
  Elf64_Ehdr header;
  bool whole = true;
  if (fstat(file, &info) == 0 && read(file, &header, sizeof header) == ssize_t(sizeof header) && !memcmp(header.e_ident, ELFMAG, SELFMAG)) {
    for (int i = 0; i < header.e_phnum && whole; i++) {
      Elf64_Phdr segment;
      const off_t at = off_t(header.e_phoff) + off_t(i) * header.e_phentsize;
      whole = pread(file, &segment, sizeof segment, at) == ssize_t(sizeof segment) &&
              (segment.p_filesz <= uint64_t(info.st_size) && segment.p_offset <= uint64_t(info.st_size) - segment.p_filesz);
    }
  }
  close(file);
  return whole;
}

SystemBlas system_blas() { return {nullptr, false}; }

}  // namespace tt::platform
