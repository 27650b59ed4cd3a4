// Windows 10 and later. Paths come as UTF-8 and may be longer than MAX_PATH.
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "platform.h"

namespace tt::platform {
namespace {

struct Start { void (*body)(int); int argument; };

DWORD WINAPI run(void* memory) {
  const Start start = *static_cast<Start*>(memory);
  free(memory);
  start.body(start.argument);
  return 0;
}

/// "path: reason" of the system's last error. False.
bool refuse(char* error, size_t room, const char* path, DWORD number) {
  wchar_t wide[256];
  char reason[512];
  DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr, number, 0, wide, 256, nullptr);
  while (length > 0 && (wide[length - 1] == L'\n' || wide[length - 1] == L'\r' || wide[length - 1] == L'.')) length--;
  const int bytes = WideCharToMultiByte(CP_UTF8, 0, wide, int(length), reason, sizeof reason - 1, nullptr, nullptr);
  reason[bytes > 0 ? bytes : 0] = 0;
  if (bytes > 0) snprintf(error, room, "%s: %s", path, reason);
  else snprintf(error, room, "%s: error %lu", path, number);
  return false;
}

/// As Windows wants it: UTF-16, in the form that may be longer than 260 characters. NULL when there is no memory; freed by the caller.
wchar_t* wide_path(const char* path) {
  const int count = MultiByteToWideChar(CP_UTF8, 0, path, -1, nullptr, 0);
  if (count <= 0) return nullptr;
  wchar_t* given = static_cast<wchar_t*>(malloc(size_t(count) * sizeof(wchar_t)));
  if (!given) return nullptr;
  MultiByteToWideChar(CP_UTF8, 0, path, -1, given, count);
  const DWORD full = GetFullPathNameW(given, 0, nullptr, nullptr);
  // The longest prefix and two characters that it replaces come before the whole path, which ends with a zero.
  constexpr size_t ROOM = 8;
  wchar_t* out = static_cast<wchar_t*>(malloc((size_t(full) + ROOM) * sizeof(wchar_t)));
  if (out && full > 0) {
    wchar_t* whole = out + ROOM;
    GetFullPathNameW(given, full, whole, nullptr);
    const bool share = whole[0] == L'\\' && whole[1] == L'\\';
    const bool is_long = share && (whole[2] == L'?' || whole[2] == L'.');  // \\?\ or \\.\ already
    const wchar_t* prefix = is_long ? L"" : share ? L"\\\\?\\UNC" : L"\\\\?\\";
    const wchar_t* rest = share && !is_long ? whole + 1 : whole;
    const size_t length = wcslen(prefix);
    memcpy(out, prefix, length * sizeof(wchar_t));
    memmove(out + length, rest, (wcslen(rest) + 1) * sizeof(wchar_t));
  }
  free(given);
  if (full > 0) return out;
  free(out);
  return nullptr;
}

}  // namespace

static_assert(sizeof(SRWLOCK) == sizeof(void*) && sizeof(CONDITION_VARIABLE) == sizeof(void*), "windows.h keeps them as pointers");

void Mutex::lock() { AcquireSRWLockExclusive(reinterpret_cast<SRWLOCK*>(&handle)); }
void Mutex::unlock() { ReleaseSRWLockExclusive(reinterpret_cast<SRWLOCK*>(&handle)); }
void Condition::wait(Mutex& mutex) {
  SleepConditionVariableSRW(reinterpret_cast<CONDITION_VARIABLE*>(&handle), reinterpret_cast<SRWLOCK*>(&mutex.handle), INFINITE, 0);
}
void Condition::wake_all() { WakeAllConditionVariable(reinterpret_cast<CONDITION_VARIABLE*>(&handle)); }

bool start_thread(Thread& thread, void (*body)(int), int argument) {
  Start* start = static_cast<Start*>(malloc(sizeof(Start)));
  if (!start) return false;
  *start = {body, argument};
  thread.handle = CreateThread(nullptr, 0, run, start, 0, nullptr);
  if (thread.handle) return true;
  free(start);
  return false;
}

void join_thread(Thread& thread) {
  WaitForSingleObject(thread.handle, INFINITE);
  CloseHandle(thread.handle);
}

int usable_cores() {
  DWORD_PTR process = 0, machine = 0;
  if (!GetProcessAffinityMask(GetCurrentProcess(), &process, &machine) || process == 0) return 1;
  return __builtin_popcountll(process);
}

void yield() { SwitchToThread(); }

int64_t nanoseconds() {
  LARGE_INTEGER count, rate;
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&rate);
  return int64_t(double(count.QuadPart) * (1e9 / double(rate.QuadPart)));
}

MachineMemory machine_memory() {
  MEMORYSTATUSEX status;
  status.dwLength = sizeof status;
  if (!GlobalMemoryStatusEx(&status)) return {0, 0};
  return {status.ullTotalPhys, status.ullAvailPhys};
}

void* allocate(size_t alignment, size_t bytes) { return _aligned_malloc(bytes, alignment); }
void release(void* memory) { _aligned_free(memory); }

// 64 KiB of alignment is what VirtualAlloc gives; large pages need a privilege that users do not have.
void* allocate_pages(size_t bytes) { return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE); }
void release_pages(void* memory, size_t) { VirtualFree(memory, 0, MEM_RELEASE); }
void prefer_huge_pages(void*, size_t) {}

bool map_file(MappedFile& out, const char* path, char* error, size_t room) {
  out = {nullptr, 0};
  wchar_t* wide = wide_path(path);
  if (!wide) return refuse(error, room, path, ERROR_NOT_ENOUGH_MEMORY);
  // Others may read, rename and delete it meanwhile, as on other systems.
  HANDLE file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  const DWORD opening = GetLastError();
  free(wide);
  if (file == INVALID_HANDLE_VALUE) return refuse(error, room, path, opening);
  LARGE_INTEGER size;
  if (GetFileType(file) != FILE_TYPE_DISK || !GetFileSizeEx(file, &size) || size.QuadPart == 0) {
    const bool empty = GetFileType(file) == FILE_TYPE_DISK;
    CloseHandle(file);
    snprintf(error, room, "%s: %s", path, empty ? "the file is empty" : "not a regular file");
    return false;
  }
  HANDLE mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
  DWORD number = GetLastError();
  CloseHandle(file);
  if (!mapping) return refuse(error, room, path, number);
  const void* address = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
  number = GetLastError();
  CloseHandle(mapping);
  if (!address) return refuse(error, room, path, number);
  out = {address, uint64_t(size.QuadPart)};
  return true;
}

bool unmap_file(const void* address, size_t, char* error, size_t room) {
  if (UnmapViewOfFile(address)) return true;
  return refuse(error, room, "unmapping a file", GetLastError());
}

void* open_library(const char* path, char* error, size_t room) {
  wchar_t name[MAX_PATH];
  wchar_t* wide = nullptr;
  HMODULE library = nullptr;
  DWORD number = ERROR_FILE_NOT_FOUND;
  if (strpbrk(path, "/\\")) {
    // What it needs itself may lie beside it.
    wide = wide_path(path);
    if (!wide) return refuse(error, room, path, ERROR_NOT_ENOUGH_MEMORY), nullptr;
    library = LoadLibraryExW(wide, nullptr, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
    number = GetLastError();
    free(wide);
  } else if (MultiByteToWideChar(CP_UTF8, 0, path, -1, name, MAX_PATH) > 0) {
    // Neither in the current folder nor along PATH.
    library = LoadLibraryExW(name, nullptr, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
    number = GetLastError();
  }
  if (!library) refuse(error, room, path, number);
  return library;
}

void* library_symbol(void* library, const char* name) { return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name)); }
void close_library(void* library) { FreeLibrary(static_cast<HMODULE>(library)); }
SystemBlas system_blas() { return {nullptr, false}; }

}  // namespace tt::platform
