// What the test program asks of the system: a library opened by its path, a folder and a file of a long UTF-8 name.
#pragma once
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace test {

#ifdef _WIN32
constexpr char SEPARATOR = '\\';

inline std::wstring wide(const std::string& text) {
  std::wstring out(size_t(MultiByteToWideChar(CP_UTF8, 0, text.c_str(), int(text.size()), nullptr, 0)), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.c_str(), int(text.size()), out.data(), int(out.size()));
  return out;
}
/// The form that may be longer than 259 characters; it must be absolute and have backslashes.
inline std::wstring unlimited(const std::string& path) { return L"\\\\?\\" + wide(path); }

inline void* open_library(const char* path) { return reinterpret_cast<void*>(LoadLibraryA(path)); }
inline void* symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(library), name));
}
inline bool make_folder(const std::string& path) { return CreateDirectoryW(unlimited(path).c_str(), nullptr); }
inline bool write_file(const std::string& path, const void* bytes, size_t count) {
  HANDLE file = CreateFileW(unlimited(path).c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) return false;
  DWORD written = 0;
  const bool done = WriteFile(file, bytes, DWORD(count), &written, nullptr) && written == count;
  CloseHandle(file);
  return done;
}
inline bool remove_file(const std::string& path) { return DeleteFileW(unlimited(path).c_str()); }
#else
constexpr char SEPARATOR = '/';

inline void* open_library(const char* path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL); }
inline void* symbol(void* library, const char* name) { return dlsym(library, name); }
inline bool make_folder(const std::string& path) { return mkdir(path.c_str(), 0700) == 0; }
inline bool write_file(const std::string& path, const void* bytes, size_t count) {
  FILE* file = fopen(path.c_str(), "wb");
  if (!file) return false;
  const bool done = fwrite(bytes, 1, count, file) == count;
  return fclose(file) == 0 && done;
}
inline bool remove_file(const std::string& path) { return unlink(path.c_str()) == 0; }
#endif

}  // namespace test
