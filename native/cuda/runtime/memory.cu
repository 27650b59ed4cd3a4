// Memory of libtritune_cuda: a pool in stream order, copies in all directions, mapped files.
//
// One stream does all the work, so a block that is freed can be reused by whatever is queued after it without waiting. The
// pool never returns memory to the driver by itself: after the first step of a run no allocation reaches it.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

namespace tt {

tt_status wait_for(const char* what, cudaStream_t stream);  // runtime.cu

namespace {

/// From the pool; when it is full, what it holds in reserve is given back and the driver asked once more.
cudaError_t pool_alloc(const Gpu& gpu, void** out, size_t bytes, cudaStream_t stream) {
  cudaError_t error = cudaMallocFromPoolAsync(out, bytes ? bytes : 1, gpu.pool, stream);
  if (error != cudaErrorMemoryAllocation) return error;
  cudaGetLastError();
  cudaStreamSynchronize(stream);
  cudaMemPoolTrimTo(gpu.pool, 0);
  return cudaMallocFromPoolAsync(out, bytes ? bytes : 1, gpu.pool, stream);
}

tt_status out_of_memory(const char* op, size_t bytes) {
  const Gpu* device = gpu(op);
  size_t free_bytes = 0, total = 0;
  uint64_t used = 0;
  cudaGetLastError();
  cudaMemGetInfo(&free_bytes, &total);
  cudaMemPoolGetAttribute(device->pool, cudaMemPoolAttrUsedMemCurrent, &used);
  return fail(TT_OUT_OF_MEMORY, "%s: no %zu bytes on the GPU (%zu of %zu bytes are free, this process uses %llu)", op, bytes, free_bytes, total,
              (unsigned long long)used);
}

// ---- staging: host memory reaches the device through two pinned buffers in turn -----------------------------------
//
// Copies are queued behind the kernels, so a buffer is in use until the device has come that far. Small uploads are put
// behind each other into one buffer, and only a full one is waited for: a training step never waits to upload its tokens.

constexpr size_t STAGE = size_t(16) << 20, STAGE_ALIGNMENT = 256;

struct Stage {
  char* memory = nullptr;
  size_t used = 0;
  cudaStream_t stream = nullptr;      // where its copies are queued
  cudaEvent_t copied = nullptr;       // after the last of them
};
Stage stages[2];
int current_stage = 0;

/// A buffer with room for `bytes` (at most STAGE) whose copies are queued on `stream`.
tt_status stage_for(size_t bytes, cudaStream_t stream, Stage** out) {
  Stage* stage = &stages[current_stage];
  bool fits = stage->used + bytes <= STAGE && (stage->used == 0 || stage->stream == stream);
  if (!fits) {
    stage = &stages[current_stage ^= 1];
    if (stage->memory) TT_CUDA("tt_upload", cudaEventSynchronize(stage->copied));
    stage->used = 0;
  }
  if (!stage->memory) {
    TT_CUDA("tt_upload", cudaEventCreateWithFlags(&stage->copied, cudaEventDisableTiming));
    TT_CUDA("tt_upload", cudaHostAlloc(reinterpret_cast<void**>(&stage->memory), STAGE, cudaHostAllocDefault));
  }
  stage->stream = stream;
  *out = stage;
  return TT_OK;
}

tt_status upload(void* dst, const void* host, size_t bytes, cudaStream_t stream) {
  for (size_t start = 0; start < bytes; start += STAGE) {
    size_t count = bytes - start < STAGE ? bytes - start : STAGE;
    Stage* stage = nullptr;
    if (tt_status bad = stage_for(count, stream, &stage)) return bad;
    char* room = stage->memory + stage->used;
    memcpy(room, static_cast<const char*>(host) + start, count);
    TT_CUDA("tt_upload", cudaMemcpyAsync(static_cast<char*>(dst) + start, room, count, cudaMemcpyHostToDevice, stream));
    TT_CUDA("tt_upload", cudaEventRecord(stage->copied, stream));
    stage->used += (count + STAGE_ALIGNMENT - 1) / STAGE_ALIGNMENT * STAGE_ALIGNMENT;
  }
  return TT_OK;
}

// ---- mapped files ---------------------------------------------------------------------------------------------------

constexpr int MOST_MAPS = 1024;
struct Map {
  char* address;
  size_t bytes;
};
Map maps[MOST_MAPS];
int map_count = 0;

bool in_map(const void* pointer, size_t bytes) {
  const char* p = static_cast<const char*>(pointer);
  for (int i = 0; i < map_count; i++)
    if (p >= maps[i].address && p + bytes <= maps[i].address + maps[i].bytes) return true;
  return false;
}

}  // namespace

Scratch::~Scratch() {
  if (pointer_) cudaFreeAsync(pointer_, stream_);
}

bool Scratch::reserve(size_t bytes) {
  const Gpu* device = gpu("scratch");
  return device && pool_alloc(*device, &pointer_, bytes, stream_) == cudaSuccess;
}

tt_status no_memory(const char* op, size_t bytes) { return out_of_memory(op, bytes); }

}  // namespace tt

using namespace tt;

extern "C" tt_status tt_alloc(void** out, size_t bytes) {
  TT_REQUIRE(out, "tt_alloc: out is NULL");
  *out = nullptr;
  TT_READY("tt_alloc");
  cudaError_t error = pool_alloc(gpu, out, bytes, gpu.stream);
  if (error == cudaErrorMemoryAllocation) return out_of_memory("tt_alloc", bytes);
  TT_CUDA("tt_alloc", error);
  return TT_OK;
}

extern "C" tt_status tt_free(void* pointer) {
  if (!pointer) return TT_OK;
  TT_READY("tt_free");
  TT_CUDA("tt_free", cudaFreeAsync(pointer, gpu.stream));
  return TT_OK;
}

extern "C" tt_status tt_memory_stats(int64_t* out) {
  TT_REQUIRE(out, "tt_memory_stats: out is NULL");
  TT_READY("tt_memory_stats");
  uint64_t used = 0, reserved = 0, high = 0, reserved_high = 0;
  TT_CUDA("tt_memory_stats", cudaMemPoolGetAttribute(gpu.pool, cudaMemPoolAttrUsedMemCurrent, &used));
  TT_CUDA("tt_memory_stats", cudaMemPoolGetAttribute(gpu.pool, cudaMemPoolAttrReservedMemCurrent, &reserved));
  TT_CUDA("tt_memory_stats", cudaMemPoolGetAttribute(gpu.pool, cudaMemPoolAttrUsedMemHigh, &high));
  TT_CUDA("tt_memory_stats", cudaMemPoolGetAttribute(gpu.pool, cudaMemPoolAttrReservedMemHigh, &reserved_high));
  out[0] = int64_t(used);
  out[1] = int64_t(reserved - used);
  out[2] = int64_t(high);
  out[3] = int64_t(reserved_high);
  return TT_OK;
}

extern "C" tt_status tt_memory_reset_peak(void) {
  TT_READY("tt_memory_reset_peak");
  uint64_t zero = 0;
  TT_CUDA("tt_memory_reset_peak", cudaMemPoolSetAttribute(gpu.pool, cudaMemPoolAttrUsedMemHigh, &zero));
  return TT_OK;
}

extern "C" tt_status tt_memory_trim(void) {
  TT_READY("tt_memory_trim");
  TT_CUDA("tt_memory_trim", cudaStreamSynchronize(gpu.stream));
  TT_CUDA("tt_memory_trim", cudaMemPoolTrimTo(gpu.pool, 0));
  return TT_OK;
}

extern "C" tt_status tt_copy(void* dst, const void* src, size_t bytes, tt_stream stream) {
  TT_REQUIRE_HOLD("tt_copy", bytes);
  TT_REQUIRE(bytes == 0 || (dst && src), "tt_copy: NULL pointer with %zu bytes", bytes);
  TT_READY("tt_copy");
  if (bytes == 0) return TT_OK;
  if (in_map(src, bytes)) return upload(dst, src, bytes, stream_of(gpu, stream));
  TT_CUDA("tt_copy", cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, stream_of(gpu, stream)));
  return TT_OK;
}

extern "C" tt_status tt_zero(void* dst, size_t bytes, tt_stream stream) {
  TT_REQUIRE_HOLD("tt_zero", bytes);
  TT_REQUIRE(bytes == 0 || dst, "tt_zero: NULL pointer with %zu bytes", bytes);
  TT_READY("tt_zero");
  if (bytes) TT_CUDA("tt_zero", cudaMemsetAsync(dst, 0, bytes, stream_of(gpu, stream)));
  return TT_OK;
}

extern "C" tt_status tt_upload(void* dst, const void* host, size_t bytes, tt_stream stream) {
  TT_REQUIRE_HOLD("tt_upload", bytes);
  TT_REQUIRE(bytes == 0 || (dst && host), "tt_upload: NULL pointer with %zu bytes", bytes);
  TT_READY("tt_upload");
  return upload(dst, host, bytes, stream_of(gpu, stream));
}

extern "C" tt_status tt_download(void* host, const void* src, size_t bytes, tt_stream stream) {
  TT_REQUIRE_HOLD("tt_download", bytes);
  TT_REQUIRE(bytes == 0 || (host && src), "tt_download: NULL pointer with %zu bytes", bytes);
  TT_READY("tt_download");
  if (bytes) TT_CUDA("tt_download", cudaMemcpyAsync(host, src, bytes, cudaMemcpyDeviceToHost, stream_of(gpu, stream)));
  return wait_for("tt_download", stream_of(gpu, stream));
}

extern "C" tt_status tt_file_map(int64_t* out, const char* path) {
  TT_REQUIRE(out && path, "tt_file_map: NULL pointer");
  out[0] = out[1] = 0;
  TT_REQUIRE(map_count < MOST_MAPS, "tt_file_map: %d files are mapped, no more fit", map_count);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail(TT_IO, "%s: %s", path, strerror(errno));
  struct stat info;
  if (fstat(file, &info) != 0) {
    int error = errno;
    close(file);
    return fail(TT_IO, "%s: %s", path, strerror(error));
  }
  if (!S_ISREG(info.st_mode) || info.st_size == 0) {
    close(file);
    return fail(TT_IO, "%s: %s", path, S_ISREG(info.st_mode) ? "the file is empty" : "not a regular file");
  }
  void* address = mmap(nullptr, size_t(info.st_size), PROT_READ, MAP_SHARED, file, 0);
  int error = errno;
  close(file);
  if (address == MAP_FAILED) return fail(TT_IO, "%s: cannot map %lld bytes: %s", path, (long long)info.st_size, strerror(error));
  maps[map_count++] = {static_cast<char*>(address), size_t(info.st_size)};
  out[0] = int64_t(reinterpret_cast<uintptr_t>(address));
  out[1] = int64_t(info.st_size);
  return TT_OK;
}

extern "C" tt_status tt_file_unmap(void* address, size_t bytes) {
  TT_REQUIRE(address && bytes, "tt_file_unmap: NULL address or 0 bytes");
  for (int i = 0; i < map_count; i++) {
    if (maps[i].address != address) continue;
    maps[i] = maps[--map_count];
    if (munmap(address, bytes) != 0) return fail(TT_IO, "tt_file_unmap: %s", strerror(errno));
    return TT_OK;
  }
  return fail(TT_BAD_ARGUMENT, "tt_file_unmap: %p was not mapped by tt_file_map", address);
}
