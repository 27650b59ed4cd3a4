// What every source of libtritune_cuda shares on the host side: errors, the device, scratch memory, launches.
// Not part of the ABI.
#pragma once
#include "../../include/checks.h"
#include "../../include/tritune.h"
#include "device.h"

namespace tt {

// ---- errors -----------------------------------------------------------------------------------------------------

/// Stores the message for tt_last_error() of this thread and returns `code`.
tt_status fail(tt_status code, const char* format, ...) __attribute__((format(printf, 2, 3)));
/// The failure of a call of the CUDA runtime: out of memory or device error, with the name and text of `error`.
tt_status cuda_failed(const char* what, cudaError_t error);

#define TT_REQUIRE(condition, ...) \
  do { if (!(condition)) return tt::fail(TT_BAD_ARGUMENT, __VA_ARGS__); } while (0)
#define TT_CUDA(what, call) \
  do { if (cudaError_t tt_error = (call)) return tt::cuda_failed(what, tt_error); } while (0)

/// The sizes of a tensor, none of them negative.
#define TT_REQUIRE_HOLD(name, ...) TT_REQUIRE(tt::can_hold(__VA_ARGS__), "%s: more elements than memory can hold (" #__VA_ARGS__ ")", name)

inline bool is_compute_dtype(tt_dtype dtype) { return dtype == TT_F32 || dtype == TT_BF16; }
inline size_t dtype_bytes(tt_dtype dtype) { return dtype == TT_F32 || dtype == TT_I32 ? 4 : dtype == TT_BF16 || dtype == TT_F16 ? 2 : 1; }

/// f(T{}) for the element type of an f32 or bf16 tensor; the caller has checked is_compute_dtype.
template <class F> inline auto with_type(tt_dtype dtype, const F& f) { return dtype == TT_F32 ? f(float{}) : f(bf16{}); }

// ---- the device -------------------------------------------------------------------------------------------------

struct Gpu {
  int ordinal;
  int capability;         // 90 = 9.0
  int code;               // whose code runs here: capability, or the newest GPU of this build when that is older (then PTX
                          // of it was compiled by the driver). Chooses among kernels that are pruned by __CUDA_ARCH__.
  int multiprocessors;
  size_t shared_per_block;  // bytes a block can ask for
  cudaStream_t stream;    // where everything runs unless a call names another
  cudaMemPool_t pool;
  Fault* fault;           // pinned, seen by the device under the same address
};

/// Why no GPU can be used, and what to do; `what` is empty when one can. count: GPUs there are. (devices.cu)
struct Problem {
  char what[320], remedy[320];
};
Problem find_problem(int* count);

/// The number of the GPU that tt_init opened, or -1.
int used_device();

/// The device of tt_init, or null and an error stored: every entry point starts with `TT_READY(name)`.
const Gpu* gpu(const char* name);
#define TT_READY(name) \
  const tt::Gpu* gpu_ = tt::gpu(name); \
  if (!gpu_) return TT_DEVICE; \
  const tt::Gpu& gpu = *gpu_; \
  (void)gpu


/// The stream a call asked for; NULL: the library's own.
inline cudaStream_t stream_of(const Gpu& gpu, tt_stream stream) { return stream ? static_cast<cudaStream_t>(stream) : gpu.stream; }

/// Called after the last launch of an op: reports launch errors, remembers the op's name for later faults, and waits when
/// the option `synchronous` is set.
tt_status launched(const char* op, cudaStream_t stream);

/// Memory for one call, in stream order: given back when the object dies, reused by whatever is queued later.
class Scratch {
 public:
  explicit Scratch(cudaStream_t stream) : stream_(stream) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();
  /// False when there is no memory; fails with TT_OUT_OF_MEMORY through no_memory().
  bool reserve(size_t bytes);
  template <class T> T* as() const { return static_cast<T*>(pointer_); }

 private:
  cudaStream_t stream_;
  void* pointer_ = nullptr;
};
tt_status no_memory(const char* op, size_t bytes);

/// Lets a kernel use `bytes` of dynamic shared memory; needed once per kernel above 48 KB, cheap to repeat.
template <class K> tt_status allow_shared(const char* op, K* kernel, size_t bytes) {
  TT_CUDA(op, cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, int(bytes)));
  return TT_OK;
}

/// Blocks for a grid-stride loop over `items` with `per_block` of them at a time: enough to fill the device, no more.
inline unsigned grid_for(const Gpu& gpu, size_t items, size_t per_block) {
  size_t wanted = (items + per_block - 1) / per_block, most = size_t(gpu.multiprocessors) * 16;
  return unsigned(wanted < 1 ? 1 : wanted < most ? wanted : most);
}

inline bool aligned16(const void* p) { return (reinterpret_cast<uintptr_t>(p) & 15) == 0; }

// ---- options ------------------------------------------------------------------------------------------------------

enum GemmChoice { GEMM_AUTO = 0, GEMM_OWN = 1, GEMM_MMA = 2, GEMM_WGMMA = 3, GEMM_CUBLASLT = 4 };
struct Options {
  GemmChoice gemm = GEMM_AUTO;
  int gemm_tile = 0;    // an entry of GemmTile (gemm_task.h), 0: chosen by shape
  int gemm_splits = 0;  // of the depth of a product; 0: chosen by shape
  bool atomic_dq = false;
  bool synchronous = false;
};
Options& options();

}  // namespace tt
