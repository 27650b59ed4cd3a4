// The part of the CUDA runtime that libtritune_cuda calls, on host memory: one device, everything is done on return.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mutex>
#include <string>
#include <unordered_map>

typedef struct EmulatedStream* cudaStream_t;
typedef struct EmulatedPool* cudaMemPool_t;
struct EmulatedEvent { double seconds; };
typedef EmulatedEvent* cudaEvent_t;

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInitializationError = 3,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorStubLibrary = 34,
  cudaErrorInsufficientDriver = 35,
  cudaErrorDevicesUnavailable = 46,
  cudaErrorNoDevice = 100,
  cudaErrorLaunchFailure = 719,
  cudaErrorSystemNotReady = 802,
  cudaErrorSystemDriverMismatch = 803,
  cudaErrorCompatNotSupportedOnDevice = 804,
  cudaErrorUnknown = 999,
};
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaStreamNonBlocking = 1, cudaHostAllocDefault = 0, cudaHostAllocMapped = 2, cudaEventDisableTiming = 2 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold, cudaMemPoolAttrUsedMemCurrent, cudaMemPoolAttrReservedMemCurrent, cudaMemPoolAttrUsedMemHigh, cudaMemPoolAttrReservedMemHigh };
enum { cudaMemAllocationTypePinned = 1, cudaMemLocationTypeDevice = 1 };
struct cudaMemLocation { int type, id; };
struct cudaMemPoolProps { int allocType; cudaMemLocation location; };
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem, sharedMemPerBlockOptin;
  int major, minor, multiProcessorCount;
};

namespace emu {

constexpr size_t LARGEST_SHARED = 232448;  // bytes a block can ask for on compute capability 9.0
constexpr size_t PLAIN_SHARED = 48 * 1024;  // more must be allowed by cudaFuncSetAttribute

struct Runtime {
  std::mutex mutex;
  cudaError_t error = cudaSuccess;
  std::string failure;  // of the last launch that failed
  std::unordered_map<void*, size_t> blocks;
  std::unordered_map<const void*, size_t> allowed_shared;  // by kernel
  uint64_t used = 0, high = 0, reserved = 0, reserved_high = 0;
  uint64_t limit;  // bytes of device memory
  Runtime() {
    const char* megabytes = getenv("TRITUNE_EMULATED_MEMORY");
    limit = (megabytes ? strtoull(megabytes, nullptr, 10) : 8192) << 20;
  }
};
inline Runtime& runtime() {
  static Runtime r;
  return r;
}
using Lock = std::lock_guard<std::mutex>;

inline void set_error(cudaError_t error) {
  Lock lock(runtime().mutex);
  runtime().error = error;
}
inline void report_failure(const std::string& text) {
  Lock lock(runtime().mutex);
  if (runtime().error == cudaSuccess) runtime().failure = text;
  runtime().error = cudaErrorLaunchFailure;
}
inline bool may_share(const void* kernel, size_t bytes) {
  Lock lock(runtime().mutex);
  auto allowed = runtime().allowed_shared.find(kernel);
  return bytes <= (allowed == runtime().allowed_shared.end() ? PLAIN_SHARED : allowed->second);
}
inline double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

}  // namespace emu

// ---- errors ---------------------------------------------------------------------------------------------------------

inline cudaError_t cudaGetLastError() {
  emu::Lock lock(emu::runtime().mutex);
  const cudaError_t error = emu::runtime().error;
  emu::runtime().error = cudaSuccess;
  return error;
}
inline const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    default: return "cudaErrorUnknown";
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
  }
}
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorLaunchFailure ? emu::runtime().failure.c_str() : cudaGetErrorName(error);
}

// ---- the device -----------------------------------------------------------------------------------------------------

inline cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 0, cudaSuccess; }
inline cudaError_t cudaDriverGetVersion(int* version) { return *version = 0, cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  memset(p, 0, sizeof *p);
  strcpy(p->name, "emulated");
  p->major = 9;
  p->multiProcessorCount = 4;
  p->totalGlobalMem = emu::runtime().limit;
  p->sharedMemPerBlockOptin = emu::LARGEST_SHARED;
  return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  *total = emu::runtime().limit;
  *free_bytes = *total - emu::runtime().reserved;
  return cudaSuccess;
}
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, int) {
  static char one;
  return *stream = reinterpret_cast<cudaStream_t>(&one), cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
inline cudaError_t cudaEventCreate(cudaEvent_t* event) { return *event = new EmulatedEvent{0}, cudaSuccess; }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, int) { return cudaEventCreate(event); }
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) { return event->seconds = emu::now(), cudaSuccess; }
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) { return *ms = float((to->seconds - from->seconds) * 1e3), cudaSuccess; }
inline cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int bytes) {
  if (bytes < 0 || size_t(bytes) > emu::LARGEST_SHARED) return cudaErrorInvalidValue;
  emu::Lock lock(emu::runtime().mutex);
  emu::runtime().allowed_shared[kernel] = size_t(bytes);
  return cudaSuccess;
}

// ---- memory ---------------------------------------------------------------------------------------------------------

inline cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
  static char one;
  return *pool = reinterpret_cast<cudaMemPool_t>(&one), cudaSuccess;
}
inline cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void*) {
  emu::Lock lock(emu::runtime().mutex);
  if (attribute == cudaMemPoolAttrUsedMemHigh) emu::runtime().high = emu::runtime().used;
  return cudaSuccess;
}
inline cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void* value) {
  emu::Lock lock(emu::runtime().mutex);
  const emu::Runtime& r = emu::runtime();
  *static_cast<uint64_t*>(value) = attribute == cudaMemPoolAttrUsedMemHigh          ? r.high
                                   : attribute == cudaMemPoolAttrUsedMemCurrent     ? r.used
                                   : attribute == cudaMemPoolAttrReservedMemCurrent ? r.reserved
                                                                                    : r.reserved_high;
  return cudaSuccess;
}
inline cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
  emu::Lock lock(emu::runtime().mutex);
  emu::runtime().reserved = emu::runtime().used;
  return cudaSuccess;
}
inline cudaError_t cudaMallocFromPoolAsync(void** out, size_t bytes, cudaMemPool_t, cudaStream_t) {
  emu::Lock lock(emu::runtime().mutex);
  emu::Runtime& r = emu::runtime();
  *out = nullptr;
  if (bytes > r.limit || r.used + bytes > r.limit || posix_memalign(out, 256, bytes) != 0) return r.error = cudaErrorMemoryAllocation;
  memset(*out, 0xff, bytes);  // NaN in every float type: what nobody wrote shows
  r.blocks[*out] = bytes;
  r.used += bytes;
  if (r.used > r.high) r.high = r.used;
  if (r.used > r.reserved) r.reserved = r.used;
  if (r.reserved > r.reserved_high) r.reserved_high = r.reserved;
  return cudaSuccess;
}
inline cudaError_t cudaFreeAsync(void* pointer, cudaStream_t) {
  emu::Lock lock(emu::runtime().mutex);
  emu::Runtime& r = emu::runtime();
  auto block = r.blocks.find(pointer);
  if (block == r.blocks.end()) return cudaErrorInvalidValue;
  r.used -= block->second;
  r.blocks.erase(block);
  free(pointer);
  return cudaSuccess;
}
template <class T> inline cudaError_t cudaHostAlloc(T** out, size_t bytes, int) {
  *out = static_cast<T*>(malloc(bytes));
  return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}
inline cudaError_t cudaFreeHost(void* pointer) { return free(pointer), cudaSuccess; }
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) { return memmove(to, from, bytes), cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) { return memset(to, value, bytes), cudaSuccess; }
