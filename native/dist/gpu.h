// The few functions of a GPU's driver that collectives on its memory need: of CUDA, or of HIP, which has the same ones by other names. Opened by name;
// nothing of either is needed to build this.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace tt::dist {

/// Each returns 0 or an error of the driver.
struct Gpu {
  int (*init)(unsigned flags);
  int (*get_device)(int* device, int ordinal);
  int (*retain_context)(void** context, int device);
  int (*use_context)(void* context);
  int (*create_stream)(void** stream, unsigned flags);
  int (*query)(void* stream);
  int (*allocate)(uint64_t* address, size_t bytes);
  int (*free)(uint64_t address);
  int (*upload)(uint64_t to, const void* from, size_t bytes, void* stream);
  int (*download)(void* to, uint64_t from, size_t bytes, void* stream);
  int (*copy)(uint64_t to, uint64_t from, size_t bytes, void* stream);
  int (*clear)(uint64_t address, unsigned char value, size_t bytes, void* stream);
  int (*describe)(int error, const char** text);
};

/// What a query gives while there is work left.
constexpr int GPU_BUSY = 600;

/// NULL: `error` says what was tried. `is_hip`: of AMD's.
const Gpu* open_gpu(bool is_hip, char* error, size_t room);

}  // namespace tt::dist
