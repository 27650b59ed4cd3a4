// Finds and opens cuBLASLt: of the major version that this library was built for, wherever CUDA or PyTorch may have put it.
#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cublaslt.h"
#include "cublaslt_api.h"

#if !defined(__CUDACC__)
#include "../../emulator/cublaslt.h"
#endif

namespace tt::lt {
namespace {

struct Library {
  bool searched;
  void* handle;
  size_t version;
  char path[512], problem[768];
  Functions functions;
};
Library library;

#if defined(__CUDACC__)

constexpr int MAJOR = CUDART_VERSION / 1000;

/// dlopen of one path or name. True when that ends the search: opened, or there but of no use.
bool try_open(const char* path) {
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return false;
  static const char* const names[] = {
      "cublasLtGetVersion",           "cublasLtCreate",          "cublasLtMatmulDescCreate",          "cublasLtMatmulDescSetAttribute",       "cublasLtMatmulDescDestroy",
      "cublasLtMatrixLayoutCreate",   "cublasLtMatrixLayoutSetAttribute", "cublasLtMatrixLayoutDestroy", "cublasLtMatmulPreferenceCreate",      "cublasLtMatmulPreferenceSetAttribute",
      "cublasLtMatmulPreferenceDestroy", "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmul"};
  static_assert(sizeof names / sizeof *names * sizeof(void*) == sizeof(Functions), "a name for every function");
  snprintf(library.path, sizeof library.path, "%s", path);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void* symbol = dlsym(handle, names[i]);
    if (!symbol) {
      snprintf(library.problem, sizeof library.problem, "%s has no %s", path, names[i]);
      dlclose(handle);
      return true;
    }
    memcpy(reinterpret_cast<void**>(&library.functions) + i, &symbol, sizeof symbol);
  }
  library.version = library.functions.version();
  // 11.x said 11000 for 11.0, newer ones say 130101 for 13.1.1.
  const size_t major = library.version >= 100000 ? library.version / 10000 : library.version / 1000;
  if (major != size_t(MAJOR)) {
    snprintf(library.problem, sizeof library.problem, "%s is of CUDA %zu, this build needs that of CUDA %d", path, major, MAJOR);
    dlclose(handle);
    return true;
  }
  Dl_info info;
  void* symbol = dlsym(handle, names[0]);
  if (dladdr(symbol, &info) && info.dli_fname) snprintf(library.path, sizeof library.path, "%s", info.dli_fname);
  library.handle = handle;
  return true;
}

bool try_pattern(const char* format, const char* first, const char* second) {
  char pattern[768];
  if (snprintf(pattern, sizeof pattern, format, first, second) >= int(sizeof pattern)) return false;
  glob_t found;
  bool done = false;
  if (glob(pattern, 0, nullptr, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc && !done; i++) done = try_open(found.gl_pathv[i]);
  globfree(&found);
  return done;
}

/// In the packages that pip installs with PyTorch: nvidia/cublas for CUDA 12, nvidia/cu13 for CUDA 13.
bool try_python(const char* packages, const char* name) {
  return try_pattern(MAJOR >= 13 ? "%s/nvidia/cu13/lib/%s" : "%s/nvidia/cublas/lib/%s", packages, name);
}

void search() {
  char name[32];
  snprintf(name, sizeof name, "libcublasLt.so.%d", MAJOR);
  if (const char* chosen = getenv("TRITUNE_CUBLASLT")) {
    if (!try_open(chosen)) snprintf(library.problem, sizeof library.problem, "TRITUNE_CUBLASLT: %s", dlerror());
    return;
  }
  if (try_open(name)) return;  // the loader's own places: LD_LIBRARY_PATH, ldconfig
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* home = getenv(variable))
      if (try_pattern("%s/lib64/%s", home, name) || try_pattern("%s/targets/x86_64-linux/lib/%s", home, name)) return;
  if (try_pattern("%s/lib64/%s", "/usr/local/cuda*", name) || try_pattern("%s/%s", "/usr/lib/x86_64-linux-gnu", name)) return;
  char packages[768];
  for (const char* variable : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const char* home = getenv(variable)) {
      snprintf(packages, sizeof packages, "%s/lib/python3*/site-packages", home);
      if (try_python(packages, name) || try_pattern("%s/lib/%s", home, name)) return;
    }
  if (try_python(".venv/lib/python3*/site-packages", name)) return;
  if (const char* home = getenv("HOME")) {
    snprintf(packages, sizeof packages, "%s/.local/lib/python3*/site-packages", home);
    if (try_python(packages, name)) return;
  }
  for (const char* place : {"/usr/local/lib/python3*/site-packages", "/usr/local/lib/python3*/dist-packages", "/usr/lib/python3/dist-packages"})
    if (try_python(place, name)) return;
  snprintf(library.problem, sizeof library.problem,
           "no %s in the loader's path, CUDA_HOME, /usr/local/cuda*, the active Python environment or .venv; TRITUNE_CUBLASLT can name it", name);
}

#else

void search() {
  library.functions = emu::cublaslt();
  library.version = library.functions.version();
  snprintf(library.path, sizeof library.path, "emulated");
  library.handle = &library;
}

#endif

}  // namespace

const Functions* open() {
  if (!library.searched) search();
  library.searched = true;
  return library.handle ? &library.functions : nullptr;
}

const char* problem() { return library.problem; }

}  // namespace tt::lt

using namespace tt;

const char* tt::cublaslt_report() {
  static char text[2048];
  lt::open();
  char quoted[2][1024];
  const char* const sources[] = {lt::library.path, lt::library.problem};
  for (int i = 0; i < 2; i++) {
    size_t n = 0;
    for (const char* p = sources[i]; *p && n + 3 < sizeof quoted[i]; p++) {
      if (*p == '"' || *p == '\\') quoted[i][n++] = '\\';
      quoted[i][n++] = *p < ' ' && *p > 0 ? ' ' : *p;
    }
    quoted[i][n] = 0;
  }
  if (lt::library.handle) snprintf(text, sizeof text, "{\"path\":\"%s\",\"version\":%zu,\"problem\":null}", quoted[0], lt::library.version);
  else snprintf(text, sizeof text, "{\"path\":null,\"version\":null,\"problem\":\"%s\"}", quoted[1]);
  return text;
}
