// Binds NCCL without its headers: types, operations and results have had the same numbers since version 2.0; those that grow with a release (ncclConfig_t) are not used.
//
// A sum is a reduce-scatter and an all-gather: each element is added up on one process, which tells all others, so all have the same bits. NCCL's own all-reduce does not say that. The
// order of the additions is NCCL's.
#include "nccl.h"

#include <atomic>
#include <stdio.h>
#include <string.h>

#include "../include/tritune_dist.h"
#include "gpu.h"
#include "platform.h"
#include "sum.h"

namespace tt::dist {

namespace {

struct Id {
  char bytes[128];
};
enum { INT8 = 0, FLOAT32 = 7, FLOAT64 = 8, BFLOAT16 = 9 };
enum { SUM = 0 };
enum { SUCCESS = 0, IN_PROGRESS = 7 };

struct Functions {
  int (*GetVersion)(int*);
  int (*GetUniqueId)(Id*);
  int (*CommInitRank)(void**, int, Id, int);
  int (*Broadcast)(const void*, void*, size_t, int, int, void*, void*);
  int (*AllGather)(const void*, void*, size_t, int, void*, void*);
  int (*ReduceScatter)(const void*, void*, size_t, int, int, void*, void*);
  int (*CommGetAsyncError)(void*, int*);
  int (*CommAbort)(void*);
  int (*CommDestroy)(void*);
  const char* (*GetErrorString)(int);
  const char* (*GetLastError)(void*);  // or NULL
};

Functions nccl;
const Gpu* gpu;
bool is_open;
char description[256];
char failure[1024];

Place here = {0, 1, 0, 1};
int ordinal;
void *communicator, *stream;
uint64_t staging_address, staging_bytes;
std::atomic<bool> given_up{false};

int32_t failed(const char* what, int result) {
  const char* more = nccl.GetLastError ? nccl.GetLastError(communicator) : nullptr;
  snprintf(failure, sizeof failure, "%s: %s (%d)%s%.600s", what, nccl.GetErrorString(result), result, more && *more ? ": " : "", more ? more : "");
  return TT_DIST_NCCL;
}

int32_t driver_failed(const char* what, int error) {
  const char* text = nullptr;
  gpu->describe(error, &text);
  snprintf(failure, sizeof failure, "%s: the driver of the GPU says %s (%d)", what, text ? text : "nothing", error);
  return TT_DIST_NCCL;
}

/// What is in the stream is done, or the communicator is not there any more.
int32_t finish(const char* what) {
  for (int turn = 0;; turn++) {
    const int state = gpu->query(stream);
    if (state == 0) return TT_DIST_OK;
    if (state != GPU_BUSY) return driver_failed(what, state);
    int asynchronous = SUCCESS;
    int result = nccl.CommGetAsyncError(communicator, &asynchronous);
    if (result == SUCCESS) result = asynchronous;
    const bool is_late = given_up;
    if (is_late || (result != SUCCESS && result != IN_PROGRESS)) {
      const int32_t status = is_late ? TT_DIST_LATE : failed(what, result);
      abort_nccl();
      return status;
    }
    if (turn > 1000) sleep_milliseconds(turn > 5000 ? 1 : 0);
  }
}

int32_t ready(const char* what) {
  if (communicator) return TT_DIST_OK;
  snprintf(failure, sizeof failure, "%s: there is no communicator of NCCL", what);
  return TT_DIST_NCCL;
}

int32_t open_device(int device) {
  ordinal = device;
  int which = 0;
  void* context = nullptr;
  if (int error = gpu->init(0)) return driver_failed("opening the driver", error);
  if (int error = gpu->get_device(&which, device)) return driver_failed("looking for the GPU", error);
  // That of the run-time library, which the kernels of tritune use: their addresses are valid here.
  if (int error = gpu->retain_context(&context, which)) return driver_failed("opening the GPU", error);
  if (int error = gpu->use_context(context)) return driver_failed("opening the GPU", error);
  constexpr unsigned BESIDE_OTHERS = 1;  // CU_STREAM_NON_BLOCKING
  if (int error = gpu->create_stream(&stream, BESIDE_OTHERS)) return driver_failed("making a stream", error);
  return TT_DIST_OK;
}

int32_t open_communicator(const Id& id) {
  if (int result = nccl.CommInitRank(&communicator, here.size, id, here.rank)) return failed("joining", result);
  return TT_DIST_OK;
}

/// Memory of the GPU for what lies on the host; stays until the end. What is in flight there is over: every collective waits.
int32_t stage(uint64_t bytes, uint64_t* address) {
  if (bytes > staging_bytes) {
    if (staging_address) gpu->free(staging_address);
    staging_address = staging_bytes = 0;
    if (int error = gpu->allocate(&staging_address, bytes)) return driver_failed("allocating", error);
    staging_bytes = bytes;
  }
  *address = staging_address;
  return TT_DIST_OK;
}

void* at(uint64_t address) { return reinterpret_cast<void*>(uintptr_t(address)); }

int type_of(int32_t type) { return type == TT_DIST_F32 ? FLOAT32 : type == TT_DIST_F64 ? FLOAT64 : BFLOAT16; }

int32_t add_up(uint64_t buffer, uint64_t part, int32_t type) {
  const uint64_t own = buffer + uint64_t(here.rank) * part * bytes_of(type);
  if (int result = nccl.ReduceScatter(at(buffer), at(own), part, type_of(type), SUM, communicator, stream)) return failed("a sum", result);
  if (int result = nccl.AllGather(at(own), at(buffer), part, type_of(type), communicator, stream)) return failed("a sum", result);
  return TT_DIST_OK;
}

// ---- bytes of the host, without MPI ----

int alone_device;

int alone_init() {
  if (int32_t status = open_device(alone_device)) return status;
  Id id;
  // From NCCL_COMM_ID, so that all have the same one: NCCL itself is where they meet.
  if (int result = nccl.GetUniqueId(&id)) return failed("reading NCCL_COMM_ID", result);
  return open_communicator(id);
}

int alone_finalize() {
  leave_nccl();
  return TT_DIST_OK;
}

int alone_place(int* rank, int* size, int* local_rank, int* local_size) {
  *rank = here.rank;
  *size = here.size;
  *local_rank = here.local_rank;
  *local_size = here.local_size;
  return TT_DIST_OK;
}

/// Rows of `bytes` bytes from all ranks, in the memory of the GPU; not waited for.
int32_t rows(const void* send, uint64_t bytes, uint64_t* all) {
  const char* what = "a gather";
  if (int32_t status = ready(what)) return status;
  if (int32_t status = stage(bytes * uint64_t(here.size), all)) return status;
  const uint64_t own = *all + uint64_t(here.rank) * bytes;
  if (int error = gpu->upload(own, send, bytes, stream)) return driver_failed(what, error);
  if (int result = nccl.AllGather(at(own), at(*all), bytes, INT8, communicator, stream)) return failed(what, result);
  return TT_DIST_OK;
}

int alone_gather(const void* send, int bytes, void* receive) {
  uint64_t all = 0;
  if (bytes == 0) return TT_DIST_OK;
  if (int32_t status = rows(send, uint64_t(bytes), &all)) return status;
  if (int error = gpu->download(receive, all, uint64_t(bytes) * uint64_t(here.size), stream)) return driver_failed("a gather", error);
  return finish("a gather");
}

/// All rows of all ranks go everywhere: without ncclSend, which older libraries lack.
int alone_exchange(const void* send, int bytes, void* receive) {
  uint64_t all = 0;
  const uint64_t row = uint64_t(bytes), whole = row * uint64_t(here.size);
  if (bytes == 0) return TT_DIST_OK;
  if (int32_t status = rows(send, whole, &all)) return status;
  for (uint64_t rank = 0; rank < uint64_t(here.size); rank++) {
    char* to = static_cast<char*>(receive) + rank * row;
    if (int error = gpu->download(to, all + rank * whole + uint64_t(here.rank) * row, row, stream)) return driver_failed("an exchange", error);
  }
  return finish("an exchange");
}

int alone_broadcast(void* buffer, int bytes, int root) {
  const char* what = "a broadcast";
  uint64_t address = 0;
  if (bytes == 0) return TT_DIST_OK;
  if (int32_t status = ready(what)) return status;
  if (int32_t status = stage(uint64_t(bytes), &address)) return status;
  if (root == here.rank)
    if (int error = gpu->upload(address, buffer, uint64_t(bytes), stream)) return driver_failed(what, error);
  if (int result = nccl.Broadcast(at(address), at(address), uint64_t(bytes), INT8, root, communicator, stream)) return failed(what, result);
  if (root != here.rank)
    if (int error = gpu->download(buffer, address, uint64_t(bytes), stream)) return driver_failed(what, error);
  return finish(what);
}

/// NCCL ends no processes, and its communicator is aborted already.
int alone_abort(int) { return TT_DIST_OK; }

void alone_describe(int, char* text, size_t room) { snprintf(text, room, "%s", failure); }

const Mpi ALONE = {alone_init, alone_finalize, alone_place, alone_gather, alone_exchange, alone_broadcast, alone_abort, alone_describe};

}  // namespace

int32_t open_nccl(const char* name, char* error, size_t room) {
  if (is_open) return TT_DIST_OK;
  char tried[1024] = "", why[512] = "";
  const char* const asked[] = {name, nullptr};
  void* library = nullptr;
  const char* opened = nullptr;
  for (const char* const* one = *name ? asked : NCCL_NAMES; *one && !library; one++) {
    library = open_library(*one, why, sizeof why);
    if (library) opened = *one;
    const size_t used = strlen(tried);
    if (!library) snprintf(tried + used, sizeof tried - used, "\n    %s", why);
  }
  if (!library) {
    snprintf(error, room, "no NCCL library could be opened:%s", tried);
    return TT_DIST_NO_LIBRARY;
  }
  const char* missing = nullptr;
  auto find = [&](auto& function, const char* symbol, bool is_needed) {
    void* found = library_symbol(library, symbol);
    if (!found && is_needed && !missing) missing = symbol;
    memcpy(&function, &found, sizeof found);
  };
  find(nccl.GetVersion, "ncclGetVersion", true);
  find(nccl.GetUniqueId, "ncclGetUniqueId", true);
  find(nccl.CommInitRank, "ncclCommInitRank", true);
  find(nccl.Broadcast, "ncclBroadcast", true);
  find(nccl.AllGather, "ncclAllGather", true);
  find(nccl.ReduceScatter, "ncclReduceScatter", true);
  find(nccl.CommGetAsyncError, "ncclCommGetAsyncError", true);
  find(nccl.CommAbort, "ncclCommAbort", true);
  find(nccl.CommDestroy, "ncclCommDestroy", true);
  find(nccl.GetErrorString, "ncclGetErrorString", true);
  find(nccl.GetLastError, "ncclGetLastError", false);
  if (missing) {
    snprintf(error, room, "%s has no %s", opened, missing);
    return TT_DIST_NO_SYMBOL;
  }
  const bool is_hip = strstr(opened, "rccl") != nullptr;
  gpu = open_gpu(is_hip, why, sizeof why);
  if (!gpu) {
    snprintf(error, room, "%s is there, and the driver is not: %s", opened, why);
    return TT_DIST_NO_LIBRARY;
  }
  int version = 0;
  nccl.GetVersion(&version);
  // 2.8 and before: 2804; after that 20900.
  const int major = version >= 10000 ? version / 10000 : version / 1000, minor = version >= 10000 ? version / 100 % 100 : version / 100 % 10;
  snprintf(description, sizeof description, "%s %d.%d.%d", is_hip ? "RCCL" : "NCCL", major, minor, version % 100);
  is_open = true;
  return TT_DIST_OK;
}

const char* nccl_library() { return description; }
const char* nccl_failure() { return failure; }
void give_up() { given_up = true; }

const Mpi* nccl_alone(const Place& place, int device) {
  here = place;
  alone_device = device;
  return &ALONE;
}

int32_t join_nccl(const Mpi& mpi, const Place& place, int device) {
  if (communicator) {
    if (device == ordinal) return TT_DIST_OK;
    snprintf(failure, sizeof failure, "the processes have met by GPU %d of this machine, this is GPU %d", ordinal, device);
    return TT_DIST_NCCL;
  }
  here = place;
  int32_t own = open_device(device);
  // One that cannot must not let the others wait in CommInitRank.
  Id id = {};
  if (own == TT_DIST_OK && place.rank == 0)
    if (int result = nccl.GetUniqueId(&id)) own = failed("making an id", result);
  const char can = own == TT_DIST_OK;
  for (int rank = 0; rank < place.size; rank++) {
    char theirs = can;
    if (int error = mpi.broadcast(&theirs, 1, rank)) return error;
    if (theirs) continue;
    if (own == TT_DIST_OK) snprintf(failure, sizeof failure, "process %d cannot use its GPU", rank);
    return TT_DIST_NCCL;
  }
  if (int error = mpi.broadcast(id.bytes, int(sizeof id), 0)) return error;
  return open_communicator(id);
}

int32_t nccl_sum(uint64_t buffer, uint64_t count, int32_t type) {
  if (int32_t status = ready("a sum")) return status;
  const uint64_t ranks = uint64_t(here.size), element = bytes_of(type), part = count / ranks, rest = count % ranks;
  if (part > 0)
    if (int32_t status = add_up(buffer, part, type)) return status;
  if (rest > 0) {
    // One element for each rank, and zeros for those that have none.
    uint64_t tail = 0;
    const uint64_t end = buffer + part * ranks * element, bytes = rest * element;
    if (int32_t status = stage(ranks * element, &tail)) return status;
    if (int error = gpu->clear(tail, 0, ranks * element, stream)) return driver_failed("a sum", error);
    if (int error = gpu->copy(tail, end, bytes, stream)) return driver_failed("a sum", error);
    if (int32_t status = add_up(tail, 1, type)) return status;
    if (int error = gpu->copy(end, tail, bytes, stream)) return driver_failed("a sum", error);
  }
  return finish("a sum");
}

int32_t nccl_sum_part(uint64_t send, uint64_t out, uint64_t count, int32_t type) {
  if (int32_t status = ready("a sum in parts")) return status;
  if (int result = nccl.ReduceScatter(at(send), at(out), count, type_of(type), SUM, communicator, stream)) return failed("a sum in parts", result);
  return finish("a sum in parts");
}

int32_t nccl_gather(uint64_t send, uint64_t bytes, uint64_t receive) {
  if (int32_t status = ready("a gather")) return status;
  if (int result = nccl.AllGather(at(send), at(receive), bytes, INT8, communicator, stream)) return failed("a gather", result);
  return finish("a gather");
}

int32_t nccl_broadcast(uint64_t buffer, uint64_t bytes, int root) {
  if (int32_t status = ready("a broadcast")) return status;
  if (int result = nccl.Broadcast(at(buffer), at(buffer), bytes, INT8, root, communicator, stream)) return failed("a broadcast", result);
  return finish("a broadcast");
}

int32_t abort_nccl() {
  if (communicator) nccl.CommAbort(communicator);
  communicator = nullptr;
  return TT_DIST_OK;
}

void leave_nccl() {
  if (!communicator) return;
  nccl.CommDestroy(communicator);
  communicator = nullptr;
  if (staging_address) gpu->free(staging_address);
  staging_address = staging_bytes = 0;
}

}  // namespace tt::dist
