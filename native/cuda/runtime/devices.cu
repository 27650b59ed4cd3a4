// tt_devices: which GPUs there are, or why none can be used and what to do about it.
//
// Needs no driver: the CUDA runtime is linked statically and opens libcuda.so.1 on first use.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

namespace tt {
namespace {

/// Errors of cudaGetDeviceCount that have a cause of their own (CUDA runtime API, enum cudaError).
struct Cause {
  cudaError_t error;
  const char *what, *remedy;
};
const Cause CAUSES[] = {
    {cudaErrorSystemDriverMismatch, "the NVIDIA driver's library and its kernel module are of different versions",
     "restart the machine (the driver was updated while it was in use); in a container, use the host's libcuda"},
    {cudaErrorSystemNotReady, "the NVIDIA system software is not ready",
     "start the fabric manager (systemctl start nvidia-fabricmanager) and wait until nvidia-smi shows every GPU"},
    {cudaErrorCompatNotSupportedOnDevice, "this GPU does not support CUDA's forward compatibility package",
     "remove the compat folder of CUDA from LD_LIBRARY_PATH"},
    {cudaErrorStubLibrary, "libcuda.so.1 is a stub that only linkers can use", "remove the stubs folder of CUDA from LD_LIBRARY_PATH"},
    {cudaErrorDevicesUnavailable, "every GPU is busy or forbidden to this process", "see in nvidia-smi who uses it and its compute mode"},
    {cudaErrorInitializationError, "the NVIDIA driver does not start", "check nvidia-smi; if it shows the GPU, load the module nvidia_uvm (modprobe nvidia_uvm)"},
    {cudaErrorUnknown, "the NVIDIA driver does not start", "check nvidia-smi; if it shows the GPU, load the module nvidia_uvm (modprobe nvidia_uvm)"},
};

void write(char (&text)[320], const char* format, ...) __attribute__((format(printf, 2, 3)));
void write(char (&text)[320], const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  // The texts go into JSON; only CUDA_VISIBLE_DEVICES can hold what must not stand there.
  for (char* c = text; *c; c++)
    if (*c == '"' || *c == '\\' || static_cast<unsigned char>(*c) < 32) *c = '\'';
}

/// Oldest driver for a CUDA runtime: 13 needs R580; every 12.x runs on R525 and newer, which say 12.0 (CUDA's minor
/// version compatibility).
const char* oldest_driver(int runtime) { return runtime >= 13000 ? "580" : "525"; }

}  // namespace

Problem find_problem(int* count) {
  Problem problem = {};
  int driver = 0, runtime = 0;
  *count = 0;
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  const cudaError_t error = cudaGetDeviceCount(count);
  cudaGetLastError();
  if (error == cudaSuccess && *count > 0) return problem;
  *count = 0;
  if (error == cudaErrorInsufficientDriver && driver == 0) {
    write(problem.what, "there is no NVIDIA driver: libcuda.so.1 cannot be opened");
    write(problem.remedy, "install the NVIDIA driver, %s or newer (in a container: give it the GPUs of the host)", oldest_driver(runtime));
  } else if (error == cudaErrorInsufficientDriver) {
    write(problem.what, "the NVIDIA driver is too old: it supports CUDA %d.%d, this library needs CUDA %d", driver / 1000, driver % 1000 / 10,
          runtime / 1000);
    write(problem.remedy, "update the NVIDIA driver to %s or newer", oldest_driver(runtime));
  } else if (error == cudaErrorNoDevice || error == cudaSuccess) {
    const char* visible = getenv("CUDA_VISIBLE_DEVICES");
    if (visible) {
      write(problem.what, "the NVIDIA driver shows no GPU to this process: CUDA_VISIBLE_DEVICES is '%.64s'", visible);
      write(problem.remedy, "unset CUDA_VISIBLE_DEVICES or name a GPU that nvidia-smi -L shows");
    } else {
      write(problem.what, "the NVIDIA driver is there but shows no GPU");
      write(problem.remedy, "check nvidia-smi (in a container: give it the GPUs of the host)");
    }
  } else {
    for (const Cause& cause : CAUSES) {
      if (cause.error != error) continue;
      write(problem.what, "%s (%s)", cause.what, cudaGetErrorName(error));
      write(problem.remedy, "%s", cause.remedy);
      return problem;
    }
    write(problem.what, "CUDA does not start: %s (%s)", cudaGetErrorString(error), cudaGetErrorName(error));
    write(problem.remedy, "check nvidia-smi");
  }
  return problem;
}

}  // namespace tt

using namespace tt;

extern "C" const char* tt_devices(void) {
  static thread_local char text[8192];
  int count, driver = 0, runtime = 0;
  const Problem problem = find_problem(&count);
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  size_t n = size_t(snprintf(text, sizeof text, "{\"driver\":%d,\"runtime\":%d,", driver, runtime));
  if (problem.what[0])
    n += size_t(snprintf(text + n, sizeof text - n, "\"problem\":\"%s\",\"remedy\":\"%s\",\"devices\":[", problem.what, problem.remedy));
  else
    n += size_t(snprintf(text + n, sizeof text - n, "\"problem\":null,\"remedy\":null,\"devices\":["));
  for (int i = 0; i < count && n + 512 < sizeof text; i++) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
    // Asking for free memory makes a context, which costs memory on every GPU: only the one in use is asked.
    size_t free_bytes = 0, total = properties.totalGlobalMem;
    if (i == used_device()) cudaMemGetInfo(&free_bytes, &total);
    n += size_t(snprintf(text + n, sizeof text - n, "%s{\"name\":\"%s\",\"capability\":%d,\"multiprocessors\":%d,\"memory\":%zu,\"free\":%zu}", i ? "," : "",
                         properties.name, properties.major * 10 + properties.minor, properties.multiProcessorCount, total, free_bytes));
  }
  snprintf(text + n, sizeof text - n, "]}");
  return text;
}
