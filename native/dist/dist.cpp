// The functions of tritune_dist.h: a queue of collectives, and the one thread that calls MPI.
#include "../include/tritune_dist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generated.h"
#include "mpi.h"
#include "nccl.h"
#include "platform.h"
#include "sum.h"

namespace tt::dist {

namespace {

enum class Kind { INIT, SUM, SUM_PART, GATHER, EXCHANGE, BROADCAST, JOIN_NCCL, GPU_SUM, GPU_SUM_PART, GPU_GATHER, GPU_BROADCAST, ABORT, FINALIZE };

struct Job {
  Kind kind;
  const void* send;
  void* receive;
  uint64_t count;
  int32_t argument;
  int32_t ticket;
};

constexpr int ROOM = 256;
constexpr int32_t LAST_TICKET = 1 << 30;

// All of it under the lock. Nothing is destroyed at exit: the thread may still be there.
Job queue[ROOM];
uint64_t asked, done;
int32_t broken;  // what the first collective that failed gave; all later ones give it, too
bool running, joined;
char message[4096], told[4096];
const Mpi* mpi;
int place_rank, place_size = 1, place_local_rank, place_local_size = 1;

int32_t refuse(int32_t status, const char* text) {
  lock();
  snprintf(message, sizeof message, "%s", text);
  unlock();
  return status;
}

/// Pieces that an int can count and that travel well; a test has shorter ones.
#ifndef TT_DIST_LONGEST
#define TT_DIST_LONGEST (uint64_t(1) << 28)
#endif
constexpr uint64_t LONGEST = TT_DIST_LONGEST;

int32_t gather(const Job& job) {
  const char* send = static_cast<const char*>(job.send);
  char* receive = static_cast<char*>(job.receive);
  if (job.count <= LONGEST) return mpi->gather(send, int(job.count), receive);
  // Pieces of all ranks lie side by side; they belong one rank after the other.
  char* rows = static_cast<char*>(malloc(uint64_t(place_size) * LONGEST));
  if (!rows) return TT_DIST_MEMORY;
  int32_t status = TT_DIST_OK;
  for (uint64_t at = 0; at < job.count && status == TT_DIST_OK; at += LONGEST) {
    const uint64_t here = job.count - at < LONGEST ? job.count - at : LONGEST;
    status = mpi->gather(send + at, int(here), rows);
    for (uint64_t rank = 0; status == TT_DIST_OK && rank < uint64_t(place_size); rank++)
      memcpy(receive + rank * job.count + at, rows + rank * here, here);
  }
  free(rows);
  return status;
}

int32_t exchange(const Job& job) {
  const char* send = static_cast<const char*>(job.send);
  char* receive = static_cast<char*>(job.receive);
  const uint64_t ranks = uint64_t(place_size);
  if (job.count <= LONGEST) return mpi->exchange(send, int(job.count), receive);
  // A piece of each row on the way out, and of each on the way in.
  char* rows = static_cast<char*>(malloc(2 * ranks * LONGEST));
  if (!rows) return TT_DIST_MEMORY;
  char* arrived = rows + ranks * LONGEST;
  int32_t status = TT_DIST_OK;
  for (uint64_t at = 0; at < job.count && status == TT_DIST_OK; at += LONGEST) {
    const uint64_t here = job.count - at < LONGEST ? job.count - at : LONGEST;
    for (uint64_t rank = 0; rank < ranks; rank++) memcpy(rows + rank * here, send + rank * job.count + at, here);
    status = mpi->exchange(rows, int(here), arrived);
    for (uint64_t rank = 0; status == TT_DIST_OK && rank < ranks; rank++)
      memcpy(receive + rank * job.count + at, arrived + rank * here, here);
  }
  free(rows);
  return status;
}

int32_t broadcast(const Job& job) {
  char* buffer = static_cast<char*>(job.receive);
  for (uint64_t at = 0; at < job.count; at += LONGEST) {
    const uint64_t here = job.count - at < LONGEST ? job.count - at : LONGEST;
    if (int error = mpi->broadcast(buffer + at, int(here), job.argument)) return error;
  }
  return TT_DIST_OK;
}

uint64_t address(const void* of_gpu) { return uint64_t(reinterpret_cast<uintptr_t>(of_gpu)); }
void* of_gpu(uint64_t address) { return reinterpret_cast<void*>(uintptr_t(address)); }

int32_t run(const Job& job) {
  switch (job.kind) {
    case Kind::INIT:
      if (int error = mpi->init()) return error;
      return mpi->place(&place_rank, &place_size, &place_local_rank, &place_local_size);
    case Kind::SUM: return sum_everywhere(*mpi, place_size, job.receive, job.count, job.argument);
    case Kind::SUM_PART: return sum_part(*mpi, place_size, job.send, job.receive, job.count, job.argument);
    case Kind::GATHER: return gather(job);
    case Kind::EXCHANGE: return exchange(job);
    case Kind::BROADCAST: return broadcast(job);
    case Kind::JOIN_NCCL:
      return join_nccl(*mpi, {place_rank, place_size, place_local_rank, place_local_size}, job.argument);
    case Kind::GPU_SUM: return nccl_sum(address(job.receive), job.count, job.argument);
    case Kind::GPU_SUM_PART: return nccl_sum_part(address(job.send), address(job.receive), job.count, job.argument);
    case Kind::GPU_GATHER: return nccl_gather(address(job.send), job.count, address(job.receive));
    case Kind::GPU_BROADCAST: return nccl_broadcast(address(job.receive), job.count, job.argument);
    case Kind::ABORT: return abort_nccl();
    case Kind::FINALIZE:
      leave_nccl();
      return mpi->finalize();
  }
  return TT_DIST_ARGUMENT;
}

void work() {
  for (;;) {
    lock();
    while (asked == done) wait_for_wake(-1);
    const Job job = queue[done % ROOM];
    int32_t status = broken;
    unlock();
    if (status == TT_DIST_OK || job.kind == Kind::ABORT) status = run(job);
    char text[2048] = "";
    if (status > 0) mpi->describe(status, text, sizeof text);
    if (status == TT_DIST_LATE) snprintf(text, sizeof text, "a collective of NCCL was late, and is aborted");
    if (status == TT_DIST_NCCL) snprintf(text, sizeof text, "%s", nccl_failure());
    if (status == TT_DIST_MEMORY) snprintf(text, sizeof text, "there is no memory for the pieces of a collective");
    lock();
    if (status != TT_DIST_OK && broken == TT_DIST_OK) {
      broken = status;
      snprintf(message, sizeof message, "%s", text);
    }
    done++;
    wake();
    unlock();
    if (job.kind == Kind::FINALIZE) return;
  }
}

int32_t post(Job job) {
  lock();
  int32_t result = TT_DIST_STATE;
  if (!running) snprintf(message, sizeof message, "tt_dist_init comes first");
  else if (asked - done >= ROOM) snprintf(message, sizeof message, "%d collectives are open already", ROOM);
  else {
    result = job.ticket = int32_t(asked % LAST_TICKET) + 1;
    queue[asked % ROOM] = job;
    asked++;
    wake();
  }
  unlock();
  return result;
}

/// Under the lock: how many collectives must be done for this ticket.
uint64_t needed(int32_t ticket) {
  const uint64_t round = asked / LAST_TICKET * LAST_TICKET;
  const uint64_t at = round + uint64_t(ticket);
  return at <= asked ? at : at - LAST_TICKET;
}

int32_t wait(int32_t ticket, int32_t milliseconds) {
  const int64_t end = milliseconds < 0 ? -1 : milliseconds_now() + milliseconds;
  lock();
  const uint64_t enough = needed(ticket);
  int32_t status = TT_DIST_OK;
  while (done < enough && status == TT_DIST_OK) {
    const int64_t left = end < 0 ? -1 : end - milliseconds_now();
    if (end >= 0 && left <= 0) {
      status = TT_DIST_LATE;
      snprintf(message, sizeof message, "a collective is not done after %d ms on rank %d of %d: another rank is late or dead",
               milliseconds, place_rank, place_size);
    } else wait_for_wake(left);
  }
  if (status == TT_DIST_OK) status = broken;
  unlock();
  // A kernel of NCCL would stay on the GPU.
  if (status == TT_DIST_LATE) give_up();
  return status;
}

int32_t exit_code;

/// MPI_Abort may wait for what never comes.
void end_soon() {
  sleep_milliseconds(3000);
  end_process(exit_code);
}

/// How many processes the launcher says that it started; 0: it does not say.
int launched() {
  static const char* const NAMES[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
  for (const char* name : NAMES)
    if (const char* value = environment(name)) return atoi(value);
  return 0;
}

}  // namespace

}  // namespace tt::dist

using namespace tt::dist;

int32_t tt_dist_abi_version(void) { return TT_DIST_ABI_VERSION; }

const char* tt_dist_build_info(void) {
  return "{\"sources\":\"" TT_SOURCE_HASH "\",\"compiler\":\"" TT_COMPILER "\"}";
}

const char* tt_dist_last_error(void) {
  lock();
  memcpy(told, message, sizeof told);
  unlock();
  return told;
}

int32_t tt_dist_open(const char* library) {
  if (mpi) return TT_DIST_OK;
  int32_t status = TT_DIST_OK;
  char error[4096] = "";
  const Mpi* found = open_mpi(library ? library : "", &status, error, sizeof error);
  if (!found) return refuse(status, error);
  mpi = found;
  return TT_DIST_OK;
}

int32_t tt_dist_init(void) {
  if (!mpi) return refuse(TT_DIST_STATE, "tt_dist_open comes first");
  if (running) return joined ? TT_DIST_OK : refuse(TT_DIST_STATE, "MPI was left, and cannot be joined again");
  if (!start_thread(work)) return refuse(TT_DIST_STATE, "there can be no more threads");
  running = true;
  const int32_t ticket = post({Kind::INIT, nullptr, nullptr, 0, 0, 0});
  if (int32_t status = wait(ticket, -1)) return status;
  joined = true;
  const int count = launched();
  if (count == 0 || count == place_size) return TT_DIST_OK;
  char text[1024];
  snprintf(text, sizeof text, "the launcher started %d processes, and %s sees %d", count, mpi_library(), place_size);
  return refuse(TT_DIST_ALONE, text);
}

int32_t tt_dist_open_nccl(const char* library) {
  char error[4096] = "";
  const int32_t status = open_nccl(library ? library : "", error, sizeof error);
  return status == TT_DIST_OK ? TT_DIST_OK : refuse(status, error);
}

const char* tt_dist_nccl_library(void) { return nccl_library(); }

int32_t tt_dist_init_nccl(int32_t rank, int32_t size, int32_t local_rank, int32_t local_size, int32_t device, const char* meeting,
                          int32_t milliseconds) {
  if (!*nccl_library()) return refuse(TT_DIST_STATE, "tt_dist_open_nccl comes first");
  if (mpi || running) return refuse(TT_DIST_STATE, "a job is joined already");
  if (size < 1 || rank < 0 || rank >= size || local_rank < 0 || local_size <= local_rank || device < 0)
    return refuse(TT_DIST_ARGUMENT, "there is no such rank among these");
  if (meeting && *meeting) set_environment("NCCL_COMM_ID", meeting);
  if (!environment("NCCL_COMM_ID")) return refuse(TT_DIST_ARGUMENT, "NCCL_COMM_ID is not set: there is no place to meet");
  mpi = nccl_alone({rank, size, local_rank, local_size}, device);
  if (!start_thread(work)) return refuse(TT_DIST_STATE, "there can be no more threads");
  running = true;
  const int32_t ticket = post({Kind::INIT, nullptr, nullptr, 0, 0, 0});
  if (int32_t status = wait(ticket, milliseconds)) return status;
  joined = true;
  return TT_DIST_OK;
}

const char* tt_dist_library(void) { return mpi && !*mpi_library() ? nccl_library() : mpi_library(); }
int32_t tt_dist_rank(void) { return place_rank; }
int32_t tt_dist_size(void) { return place_size; }
int32_t tt_dist_local_rank(void) { return place_local_rank; }
int32_t tt_dist_local_size(void) { return place_local_size; }

int32_t tt_dist_sum(void* buffer, uint64_t count, int32_t type) {
  if (bytes_of(type) == 0) return refuse(TT_DIST_ARGUMENT, "there is no such element type");
  return post({Kind::SUM, nullptr, buffer, count, type, 0});
}

int32_t tt_dist_sum_part(const void* send, void* out, uint64_t count, int32_t type) {
  if (bytes_of(type) == 0) return refuse(TT_DIST_ARGUMENT, "there is no such element type");
  return post({Kind::SUM_PART, send, out, count, type, 0});
}

int32_t tt_dist_gather(const void* send, uint64_t bytes, void* receive) {
  return post({Kind::GATHER, send, receive, bytes, 0, 0});
}

int32_t tt_dist_exchange(const void* send, uint64_t bytes, void* receive) {
  return post({Kind::EXCHANGE, send, receive, bytes, 0, 0});
}

int32_t tt_dist_broadcast(void* buffer, uint64_t bytes, int32_t root) {
  if (root < 0 || root >= place_size) return refuse(TT_DIST_ARGUMENT, "there is no such rank");
  return post({Kind::BROADCAST, nullptr, buffer, bytes, root, 0});
}

int32_t tt_dist_join_nccl(int32_t device) {
  if (!*nccl_library()) return refuse(TT_DIST_STATE, "tt_dist_open_nccl comes first");
  return post({Kind::JOIN_NCCL, nullptr, nullptr, 0, device, 0});
}

int32_t tt_dist_gpu_sum(uint64_t buffer, uint64_t count, int32_t type) {
  if (bytes_of(type) == 0) return refuse(TT_DIST_ARGUMENT, "there is no such element type");
  return post({Kind::GPU_SUM, nullptr, of_gpu(buffer), count, type, 0});
}

int32_t tt_dist_gpu_sum_part(uint64_t send, uint64_t out, uint64_t count, int32_t type) {
  if (bytes_of(type) == 0) return refuse(TT_DIST_ARGUMENT, "there is no such element type");
  return post({Kind::GPU_SUM_PART, of_gpu(send), of_gpu(out), count, type, 0});
}

int32_t tt_dist_gpu_gather(uint64_t send, uint64_t bytes, uint64_t receive) {
  return post({Kind::GPU_GATHER, of_gpu(send), of_gpu(receive), bytes, 0, 0});
}

int32_t tt_dist_gpu_broadcast(uint64_t buffer, uint64_t bytes, int32_t root) {
  if (root < 0 || root >= place_size) return refuse(TT_DIST_ARGUMENT, "there is no such rank");
  return post({Kind::GPU_BROADCAST, nullptr, of_gpu(buffer), bytes, root, 0});
}

int32_t tt_dist_test(int32_t ticket) {
  lock();
  const bool finished = done >= needed(ticket);
  const int32_t status = broken;
  unlock();
  return finished ? status : TT_DIST_PENDING;
}

int32_t tt_dist_wait(int32_t ticket, int32_t milliseconds) { return wait(ticket, milliseconds); }

int32_t tt_dist_abort(int32_t code) {
  exit_code = code;
  start_thread(end_soon);
  if (*nccl_library() && running) {
    give_up();
    wait(post({Kind::ABORT, nullptr, nullptr, 0, 0, 0}), 1000);
  }
  // Also while the thread is within a collective that never ends: nothing is to be kept right any more.
  if (mpi && running) mpi->abort(code);
  end_process(code);
}

int32_t tt_dist_finalize(int32_t milliseconds) {
  if (!joined) return TT_DIST_OK;
  joined = false;
  return wait(post({Kind::FINALIZE, nullptr, nullptr, 0, 0, 0}), milliseconds);
}
