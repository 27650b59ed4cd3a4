// The part of the CUDA runtime that libtritune_cuda calls, on host memory: one device, everything done on return.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mutex>
#include <unordered_map>

typedef struct EmulatedStream* cudaStream_t;
typedef struct EmulatedPool* cudaMemPool_t;
struct EmulatedEvent { double seconds; };
typedef EmulatedEvent* cudaEvent_t;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorInvalidConfiguration = 9, cudaErrorInsufficientDriver = 35, cudaErrorNoDevice = 100 };
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaStreamNonBlocking = 1, cudaHostAllocDefault = 0, cudaHostAllocMapped = 2, cudaEventDisableTiming = 2 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold, cudaMemPoolAttrUsedMemCurrent, cudaMemPoolAttrReservedMemCurrent, cudaMemPoolAttrUsedMemHigh, cudaMemPoolAttrReservedMemHigh };
enum { cudaMemAllocationTypePinned = 1, cudaMemLocationTypeDevice = 1 };
struct cudaMemLocation { int type, id; };
struct cudaMemPoolProps { int allocType; cudaMemLocation location; };
struct cudaDeviceProp { char name[256]; size_t totalGlobalMem, sharedMemPerBlockOptin; int major, minor, multiProcessorCount; };

namespace emu {
inline thread_local int last_err = 0;
// TRITUNE_EMULATED_MEMORY: bytes that the emulated GPU has, for tests that run out of them.
inline uint64_t memory_limit() { const char* bytes = getenv("TRITUNE_EMULATED_MEMORY"); return bytes ? strtoull(bytes, nullptr, 10) : uint64_t(8) << 30; }
struct Memory { std::mutex mutex; std::unordered_map<void*, size_t> blocks; uint64_t used = 0, high = 0, limit = memory_limit(); };
inline Memory& memory() { static Memory m; return m; }
inline double now() { timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return double(t.tv_sec) + 1e-9 * double(t.tv_nsec); }
}  // namespace emu

inline cudaError_t cudaGetLastError() { int e = emu::last_err; emu::last_err = 0; return cudaError_t(e); }
inline const char* cudaGetErrorString(cudaError_t e) { return e == cudaSuccess ? "no error" : e == cudaErrorInvalidConfiguration ? "invalid configuration argument" : e == cudaErrorMemoryAllocation ? "out of memory" : "error"; }
inline const char* cudaGetErrorName(cudaError_t e) { return e == cudaSuccess ? "cudaSuccess" : e == cudaErrorInvalidConfiguration ? "cudaErrorInvalidConfiguration" : e == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaError"; }
inline cudaError_t cudaRuntimeGetVersion(int* v) { *v = 0; return cudaSuccess; }
inline cudaError_t cudaDriverGetVersion(int* v) { *v = 0; return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* n) { *n = 1; return cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  memset(p, 0, sizeof *p);
  strcpy(p->name, "emulated");
  p->major = 9; p->minor = 0; p->multiProcessorCount = 4; p->totalGlobalMem = emu::memory().limit; p->sharedMemPerBlockOptin = 232448;
  return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) { *total = emu::memory().limit; *free_bytes = *total - emu::memory().used; return cudaSuccess; }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, int) { static char stream; *s = reinterpret_cast<cudaStream_t>(&stream); return cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaEventCreate(cudaEvent_t* e) { *e = new EmulatedEvent{0}; return cudaSuccess; }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, int) { return cudaEventCreate(e); }
inline cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t) { e->seconds = emu::now(); return cudaSuccess; }
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t a, cudaEvent_t b) { *ms = float((b->seconds - a->seconds) * 1e3); return cudaSuccess; }
inline cudaError_t cudaMemPoolCreate(cudaMemPool_t* p, const cudaMemPoolProps*) { static char pool; *p = reinterpret_cast<cudaMemPool_t>(&pool); return cudaSuccess; }
inline cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr a, void*) { if (a == cudaMemPoolAttrUsedMemHigh) emu::memory().high = emu::memory().used; return cudaSuccess; }
inline cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr a, void* v) {
  auto& m = emu::memory();
  *static_cast<uint64_t*>(v) = a == cudaMemPoolAttrUsedMemHigh || a == cudaMemPoolAttrReservedMemHigh ? m.high : m.used;
  return cudaSuccess;
}
inline cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }
inline cudaError_t cudaMallocFromPoolAsync(void** p, size_t bytes, cudaMemPool_t, cudaStream_t) {
  auto& m = emu::memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  if (bytes > m.limit || m.used + bytes > m.limit) { *p = nullptr; emu::last_err = cudaErrorMemoryAllocation; return cudaErrorMemoryAllocation; }
  if (posix_memalign(p, 256, bytes)) { *p = nullptr; emu::last_err = cudaErrorMemoryAllocation; return cudaErrorMemoryAllocation; }
  memset(*p, 0xff, bytes);  // NaN in every float type: what nobody wrote shows
  m.blocks[*p] = bytes; m.used += bytes; if (m.used > m.high) m.high = m.used;
  return cudaSuccess;
}
inline cudaError_t cudaFreeAsync(void* p, cudaStream_t) {
  auto& m = emu::memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  auto block = m.blocks.find(p);
  if (block == m.blocks.end()) return cudaErrorInvalidValue;
  m.used -= block->second; m.blocks.erase(block); free(p);
  return cudaSuccess;
}
template <class T> inline cudaError_t cudaHostAlloc(T** p, size_t bytes, int) { *p = static_cast<T*>(malloc(bytes)); return *p ? cudaSuccess : cudaErrorMemoryAllocation; }
inline cudaError_t cudaMemcpyAsync(void* d, const void* s, size_t n, cudaMemcpyKind, cudaStream_t) { memmove(d, s, n); return cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void* d, int v, size_t n, cudaStream_t) { memset(d, v, n); return cudaSuccess; }
inline cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }
