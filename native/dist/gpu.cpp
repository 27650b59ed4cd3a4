#include "gpu.h"

#include <stdio.h>
#include <string.h>

#include "platform.h"

namespace tt::dist {

namespace {

Gpu bound;

constexpr int FUNCTIONS = 13;
const char* const CUDA[FUNCTIONS] = {"cuInit",           "cuDeviceGet",     "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent",      "cuStreamCreate",
                                     "cuStreamQuery",    "cuMemAlloc_v2",   "cuMemFree_v2",             "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2",
                                     "cuMemcpyDtoDAsync_v2", "cuMemsetD8Async", "cuGetErrorString"};
const char* const HIP[FUNCTIONS] = {"hipInit",          "hipDeviceGet",      "hipDevicePrimaryCtxRetain", "hipCtxSetCurrent",  "hipStreamCreateWithFlags",
                                    "hipStreamQuery",   "hipMalloc",         "hipFree",                   "hipMemcpyHtoDAsync", "hipMemcpyDtoHAsync",
                                    "hipMemcpyDtoDAsync", "hipMemsetD8Async", "hipDrvGetErrorString"};

}  // namespace

const Gpu* open_gpu(bool is_hip, char* error, size_t room) {
  const char* const* names = is_hip ? HIP_NAMES : CUDA_NAMES;
  void* library = nullptr;
  for (const char* const* name = names; *name && !library; name++) library = open_library(*name, error, room);
  if (!library) return nullptr;
  const char* const* functions = is_hip ? HIP : CUDA;
  void** into[FUNCTIONS] = {
      reinterpret_cast<void**>(&bound.init),          reinterpret_cast<void**>(&bound.get_device),  reinterpret_cast<void**>(&bound.retain_context),
      reinterpret_cast<void**>(&bound.use_context),   reinterpret_cast<void**>(&bound.create_stream), reinterpret_cast<void**>(&bound.query),
      reinterpret_cast<void**>(&bound.allocate),      reinterpret_cast<void**>(&bound.free),        reinterpret_cast<void**>(&bound.upload),
      reinterpret_cast<void**>(&bound.download),      reinterpret_cast<void**>(&bound.copy),        reinterpret_cast<void**>(&bound.clear),
      reinterpret_cast<void**>(&bound.describe)};
  for (int i = 0; i < FUNCTIONS; i++) {
    void* found = library_symbol(library, functions[i]);
    if (!found) {
      snprintf(error, room, "the driver of the GPU has no %s", functions[i]);
      return nullptr;
    }
    memcpy(into[i], &found, sizeof found);
  }
  return &bound;
}

}  // namespace tt::dist
