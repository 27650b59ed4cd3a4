// Errors, the device, streams, options and timing of libtritune_cuda. Which devices there are: devices.cu.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../gemm/cublaslt.h"
#include "internal.h"

// The newest GPU that this build has code for; the build names it (90 for CUDA 12, 120 for CUDA 13).
#ifndef TT_NEWEST_GPU
#define TT_NEWEST_GPU 120
#endif

namespace tt {
namespace {

thread_local char error_message[2048] = "no error";

constexpr int REMEMBERED = 8;                  // ops named in the report of a fault
const char* recent_ops[REMEMBERED] = {};
unsigned ops_launched = 0;

const char* const gemm_tile_names[] = {"auto", "plain", "rows", "thin", "64x64", "128x128", "128x256"};  // as GemmTile

Gpu current = {-1, 0, 0, 0, 0, nullptr, nullptr, nullptr};
cudaEvent_t time_started = nullptr, time_stopped = nullptr;

const char* fault_text(const Fault& fault, char* text, size_t size) {
  const char* what = fault.kind == FAULT_GATHER_INDEX    ? "a row index of gather_rows"
                     : fault.kind == FAULT_SCATTER_INDEX ? "a row index of scatter_add_rows"
                     : fault.kind == FAULT_TARGET        ? "a target of linear_cross_entropy"
                     : fault.kind == FAULT_POSITION      ? "a position of rope"
                     : fault.kind == FAULT_HISTORY       ? "a history token of sample"
                                                         : "an offset of attention";
  if (fault.kind == FAULT_LOGITS)
    snprintf(text, size, "tt_sample: row %lld of the logits has no number above -Inf (all NaN or -Inf)", (long long)fault.value);
  else snprintf(text, size, "%s is out of range: %lld, allowed 0..%lld", what, (long long)fault.value, (long long)fault.limit - 1);
  return text;
}

}  // namespace

tt_status fail(tt_status code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error_message, sizeof error_message, format, arguments);
  va_end(arguments);
  return code;
}

tt_status cuda_failed(const char* what, cudaError_t error) {
  cudaGetLastError();
  if (error == cudaErrorMemoryAllocation) return fail(TT_OUT_OF_MEMORY, "%s: the GPU is out of memory", what);
  char recent[512] = "";
  for (int i = 0; i < REMEMBERED; i++) {
    const char* op = recent_ops[(ops_launched + i) % REMEMBERED];
    if (op) snprintf(recent + strlen(recent), sizeof recent - strlen(recent), "%s%s", recent[0] ? ", " : "", op);
  }
  return fail(TT_DEVICE, "%s: %s (%s); the last ops were: %s", what, cudaGetErrorString(error), cudaGetErrorName(error), recent[0] ? recent : "none");
}

const Gpu* gpu(const char* name) {
  if (current.ordinal >= 0) return &current;
  fail(TT_DEVICE, "%s: tt_init was not called", name);
  return nullptr;
}

Options& options() {
  static Options chosen;
  return chosen;
}

tt_status launched(const char* op, cudaStream_t stream) {
  recent_ops[ops_launched++ % REMEMBERED] = op;
  TT_CUDA(op, cudaGetLastError());
  if (options().synchronous) TT_CUDA(op, cudaStreamSynchronize(stream));
  return TT_OK;
}

tt_status wait_for(const char* what, cudaStream_t stream) {
  TT_CUDA(what, cudaStreamSynchronize(stream));
  Fault fault = *current.fault;
  if (fault.kind == FAULT_NONE) return TT_OK;
  *current.fault = {};
  char text[128];
  return fail(fault.kind == FAULT_LOGITS ? TT_FAILED : TT_BAD_ARGUMENT, "%s", fault_text(fault, text, sizeof text));
}

int used_device() { return current.ordinal; }

static tt_status start(int device) {
  int count;
  Problem problem = find_problem(&count);
  if (problem.what[0]) return fail(TT_DEVICE, "%s; %s", problem.what, problem.remedy);
  TT_REQUIRE(device < count, "tt_init: there is no GPU %d, this machine has %d", device, count);
  TT_REQUIRE(current.ordinal < 0 || current.ordinal == device, "tt_init: this process already uses GPU %d", current.ordinal);
  if (current.ordinal == device) return TT_OK;

  Gpu made = {};
  made.ordinal = device;
  TT_CUDA("tt_init", cudaSetDevice(device));
  cudaDeviceProp properties;
  TT_CUDA("tt_init", cudaGetDeviceProperties(&properties, device));
  made.capability = properties.major * 10 + properties.minor;
  TT_REQUIRE(made.capability >= 80, "tt_init: GPU %d (%s) has compute capability %d.%d, 8.0 or newer is needed", device, properties.name,
             properties.major, properties.minor);
  made.code = made.capability < TT_NEWEST_GPU ? made.capability : TT_NEWEST_GPU;
  made.multiprocessors = properties.multiProcessorCount;
  made.shared_per_block = properties.sharedMemPerBlockOptin;
  TT_CUDA("tt_init", cudaStreamCreateWithFlags(&made.stream, cudaStreamNonBlocking));
  cudaMemPoolProps wanted = {};
  wanted.allocType = cudaMemAllocationTypePinned;
  wanted.location.type = cudaMemLocationTypeDevice;
  wanted.location.id = device;
  TT_CUDA("tt_init", cudaMemPoolCreate(&made.pool, &wanted));
  uint64_t keep = UINT64_MAX;  // the default gives memory back to the driver at every synchronisation
  TT_CUDA("tt_init", cudaMemPoolSetAttribute(made.pool, cudaMemPoolAttrReleaseThreshold, &keep));
  TT_CUDA("tt_init", cudaHostAlloc(reinterpret_cast<void**>(&made.fault), sizeof(Fault), cudaHostAllocMapped));
  *made.fault = {};
  TT_CUDA("tt_init", cudaEventCreate(&time_started));
  TT_CUDA("tt_init", cudaEventCreate(&time_stopped));
  current = made;
  return TT_OK;
}

}  // namespace tt

using namespace tt;

extern "C" int32_t tt_abi_version(void) { return TT_ABI_VERSION; }
extern "C" const char* tt_last_error(void) { return error_message; }

extern "C" tt_status tt_init(int32_t device, int32_t threads, int32_t isa) {
  TT_REQUIRE(device >= 0, "tt_init: device must not be negative, got %d", device);
  TT_REQUIRE(threads == 0 && isa == 0, "tt_init: threads and isa are of the CPU library, got %d and %d", threads, isa);
  return start(device);
}

extern "C" tt_status tt_option_set(const char* name, const char* value) {
  TT_REQUIRE(name && value, "tt_option_set: %s is NULL", name ? "value" : "name");
  Options& o = options();
  if (!strcmp(name, "gemm")) {
    static const char* const names[] = {"auto", "own", "mma", "wgmma", "cublaslt"};
    for (int i = 0; i < 5; i++)
      if (!strcmp(value, names[i])) return o.gemm = GemmChoice(i), TT_OK;
    return fail(TT_BAD_ARGUMENT, "tt_option_set: gemm must be auto, own, mma, wgmma or cublaslt, got \"%s\"", value);
  }
  if (!strcmp(name, "gemm_tile")) {  // for tests and measurements
    for (int i = 0; i < int(sizeof gemm_tile_names / sizeof *gemm_tile_names); i++)
      if (!strcmp(value, gemm_tile_names[i])) return o.gemm_tile = i, TT_OK;
    return fail(TT_BAD_ARGUMENT, "tt_option_set: gemm_tile must be auto, plain, rows, thin, 64x64, 128x128 or 128x256, got \"%s\"", value);
  }
  if (!strcmp(name, "gemm_splits")) {  // likewise
    const int splits = atoi(value);
    TT_REQUIRE(splits >= 0 && splits <= 64, "tt_option_set: gemm_splits must be 0 (by shape) .. 64, got \"%s\"", value);
    o.gemm_splits = splits;
    return TT_OK;
  }
  if (!strcmp(name, "attention_dq")) {
    TT_REQUIRE(!strcmp(value, "deterministic") || !strcmp(value, "atomic"), "tt_option_set: attention_dq must be deterministic or atomic, got \"%s\"", value);
    o.atomic_dq = value[0] == 'a';
    return TT_OK;
  }
  if (!strcmp(name, "synchronous")) {
    TT_REQUIRE(!strcmp(value, "0") || !strcmp(value, "1"), "tt_option_set: synchronous must be 0 or 1, got \"%s\"", value);
    o.synchronous = value[0] == '1';
    return TT_OK;
  }
#if !defined(__CUDACC__)
  if (!strcmp(name, "schedule")) {
    TT_REQUIRE(emu::parse_schedule(value, &emu::schedule()), "tt_option_set: schedule takes greedy, reverse and early, or round-robin, forward and late, got \"%s\"", value);
    return TT_OK;
  }
#endif
  return fail(TT_BAD_ARGUMENT, "tt_option_set: there is no option \"%s\"; there are gemm, gemm_tile, gemm_splits, attention_dq, synchronous", name);
}

extern "C" const char* tt_options(void) {
  static thread_local char text[2560];
  static const char* const names[] = {"auto", "own", "mma", "wgmma", "cublaslt"};
  const Options& o = options();
  snprintf(text, sizeof text, "{\"gemm\":\"%s\",\"gemm_tile\":\"%s\",\"gemm_splits\":%d,\"attention_dq\":\"%s\",\"synchronous\":%s,\"cublaslt\":%s}", names[o.gemm],
           gemm_tile_names[o.gemm_tile], o.gemm_splits, o.atomic_dq ? "atomic" : "deterministic", o.synchronous ? "true" : "false", cublaslt_report());
  return text;
}

extern "C" tt_status tt_synchronize(tt_stream stream) {
  TT_READY("tt_synchronize");
  return wait_for("tt_synchronize", stream_of(gpu, stream));
}

extern "C" tt_status tt_time_start(tt_stream stream) {
  TT_READY("tt_time_start");
  TT_CUDA("tt_time_start", cudaEventRecord(time_started, stream_of(gpu, stream)));
  return TT_OK;
}

extern "C" tt_status tt_time_stop(double* seconds, tt_stream stream) {
  TT_REQUIRE(seconds, "tt_time_stop: seconds is NULL");
  TT_READY("tt_time_stop");
  float milliseconds = 0;
  TT_CUDA("tt_time_stop", cudaEventRecord(time_stopped, stream_of(gpu, stream)));
  TT_CUDA("tt_time_stop", cudaEventSynchronize(time_stopped));
  TT_CUDA("tt_time_stop", cudaEventElapsedTime(&milliseconds, time_started, time_stopped));
  *seconds = double(milliseconds) * 1e-3;
  return TT_OK;
}
