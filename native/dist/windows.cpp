// Windows for libtritune_dist: MS-MPI has the handles of MPICH.
#include "platform.h"

#include <stdio.h>
#include <stdlib.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

namespace tt::dist {

const char* const STANDARD_NAMES[] = {"mpi_abi.dll", nullptr};
const char* const OPEN_MPI_NAMES[] = {nullptr};
const char* const MPICH_NAMES[] = {"msmpi.dll", "impi.dll", nullptr};

// NCCL is for Linux.
const char* const NCCL_NAMES[] = {nullptr};
const char* const CUDA_NAMES[] = {"nvcuda.dll", nullptr};
const char* const HIP_NAMES[] = {nullptr};

void* open_library(const char* name, char* error, size_t room) {
  void* found = reinterpret_cast<void*>(LoadLibraryA(name));
  if (!found) snprintf(error, room, "%s: error %lu", name, GetLastError());
  return found;
}

void* library_symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(library), name));
}

const char* environment(const char* name) { return getenv(name); }

void set_environment(const char* name, const char* value) {
  if (!getenv(name)) _putenv_s(name, value);
}

static SRWLOCK mutex = SRWLOCK_INIT;
static CONDITION_VARIABLE condition = CONDITION_VARIABLE_INIT;

static DWORD WINAPI run(void* body) {
  reinterpret_cast<void (*)()>(body)();
  return 0;
}

bool start_thread(void (*body)()) {
  HANDLE thread = CreateThread(nullptr, 0, run, reinterpret_cast<void*>(body), 0, nullptr);
  if (!thread) return false;
  CloseHandle(thread);
  return true;
}

void lock() { AcquireSRWLockExclusive(&mutex); }
void unlock() { ReleaseSRWLockExclusive(&mutex); }
void wake() { WakeAllConditionVariable(&condition); }

void wait_for_wake(int64_t milliseconds) {
  SleepConditionVariableSRW(&condition, &mutex, milliseconds < 0 ? INFINITE : DWORD(milliseconds), 0);
}

int64_t milliseconds_now() { return int64_t(GetTickCount64()); }
void sleep_milliseconds(int32_t milliseconds) { Sleep(DWORD(milliseconds)); }

void end_process(int32_t code) {
  TerminateProcess(GetCurrentProcess(), UINT(code));
  for (;;) Sleep(1000);
}

}  // namespace tt::dist
