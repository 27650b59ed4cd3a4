// The ABI of libtritune_dist: collectives of several processes over an MPI library that is found at run time.
//
// Nothing of MPI is needed to build it, and nothing to open it: Open MPI, MPICH and what shares its ABI, and libraries with the
// standard ABI of MPI 5 are told apart when one is opened. All calls of MPI come from one thread of this library, so
// MPI_THREAD_FUNNELED is enough; who asks for a collective gets a ticket at once and waits for it, or not.
//
// Only bytes travel: sums are made here, in the order of the ranks and in double precision, so every rank has the same bits
// whatever algorithm the MPI library takes, and every MPI library gives them.
//
// Statuses: 0 done, negative as below, positive an error code of MPI. Memory that is handed in must stay until the ticket is done.
#pragma once
#include <stdint.h>

#if defined(_WIN32)
#define TT_DIST_API extern "C" __declspec(dllexport)
#else
#define TT_DIST_API extern "C" __attribute__((visibility("default")))
#endif

#define TT_DIST_ABI_VERSION 2

enum {
  TT_DIST_OK = 0,
  TT_DIST_NO_LIBRARY = -1,   // none of the names could be opened
  TT_DIST_UNKNOWN_ABI = -2,  // opened, and it is no MPI library that is known here
  TT_DIST_NO_SYMBOL = -3,    // a function of MPI is missing in it
  TT_DIST_STATE = -4,        // called before what must come first, or too many tickets are open
  TT_DIST_ARGUMENT = -5,
  TT_DIST_LATE = -6,         // not done in the time that was given
  TT_DIST_PENDING = -7,
  TT_DIST_ALONE = -8,        // the launcher started several processes, the library sees one: they are of different families
  TT_DIST_MEMORY = -9,
  TT_DIST_NCCL = -10,        // NCCL or the driver of the GPU refused; tt_dist_last_error has its words
};

// Element types of sums.
enum { TT_DIST_F32 = 0, TT_DIST_F64 = 1, TT_DIST_BF16 = 2 };

TT_DIST_API int32_t tt_dist_abi_version(void);
// Hash of the sources, compiler, and the names that are looked for on this system, as JSON.
TT_DIST_API const char* tt_dist_build_info(void);
// What the last call that failed had to say.
TT_DIST_API const char* tt_dist_last_error(void);

// Opens an MPI library: the one with this name or path; of an empty name those that belong to the launcher, which is known
// by the environment.
TT_DIST_API int32_t tt_dist_open(const char* library);
// Opens NCCL, or RCCL, and the driver of the GPU: the library with this name or path; of an empty name what the system has.
TT_DIST_API int32_t tt_dist_open_nccl(const char* library);
// Name and version of it; empty where none is open.
TT_DIST_API const char* tt_dist_nccl_library(void);
// Starts the thread without MPI, where the environment says which process this is: collectives go over NCCL, those of host memory through that of the
// GPU `device`. `meeting`, "host:port" of the first process, becomes NCCL_COMM_ID where that is not set. Returns when every process has come, or after `milliseconds`.
TT_DIST_API int32_t tt_dist_init_nccl(int32_t rank, int32_t size, int32_t local_rank, int32_t local_size, int32_t device, const char* meeting, int32_t milliseconds);
// Starts the thread, which calls MPI_Init_thread; returns when every process has come.
TT_DIST_API int32_t tt_dist_init(void);
// Name and version of the library that is open.
TT_DIST_API const char* tt_dist_library(void);
TT_DIST_API int32_t tt_dist_rank(void);
TT_DIST_API int32_t tt_dist_size(void);
// Among the processes of this machine.
TT_DIST_API int32_t tt_dist_local_rank(void);
TT_DIST_API int32_t tt_dist_local_size(void);

// Each returns a ticket, which is above 0, or a status below 0. Every process asks for the same collectives in the same order.

// buffer[i] = sum over the ranks of buffer[i], on all ranks.
TT_DIST_API int32_t tt_dist_sum(void* buffer, uint64_t count, int32_t type);
// out[i] = sum over the ranks of send[rank * count + i]: each rank gets its part of the sum. `send` has size * count elements.
TT_DIST_API int32_t tt_dist_sum_part(const void* send, void* out, uint64_t count, int32_t type);
// receive[rank * bytes …] = what that rank sends.
TT_DIST_API int32_t tt_dist_gather(const void* send, uint64_t bytes, void* receive);
// receive[rank * bytes …] = what that rank has for this one, at send[this rank * bytes …].
TT_DIST_API int32_t tt_dist_exchange(const void* send, uint64_t bytes, void* receive);
TT_DIST_API int32_t tt_dist_broadcast(void* buffer, uint64_t bytes, int32_t root);

// The same on the memory of the GPU `device`, over NCCL; a ticket each. Addresses are of that GPU, whose own work on them is to be done before. tt_dist_join_nccl comes first: it makes the communicator, by an id that goes
// over MPI where that is open. Sums are added in the order of NCCL; all ranks have the same bits. A collective that is late is aborted, and the
// communicator with it.
TT_DIST_API int32_t tt_dist_join_nccl(int32_t device);
TT_DIST_API int32_t tt_dist_gpu_sum(uint64_t buffer, uint64_t count, int32_t type);
TT_DIST_API int32_t tt_dist_gpu_sum_part(uint64_t send, uint64_t out, uint64_t count, int32_t type);
TT_DIST_API int32_t tt_dist_gpu_gather(uint64_t send, uint64_t bytes, uint64_t receive);
TT_DIST_API int32_t tt_dist_gpu_broadcast(uint64_t buffer, uint64_t bytes, int32_t root);

// 0 done, TT_DIST_PENDING, or what went wrong.
TT_DIST_API int32_t tt_dist_test(int32_t ticket);
// Waits for `milliseconds` at most; TT_DIST_LATE says that another process is late or dead.
TT_DIST_API int32_t tt_dist_wait(int32_t ticket, int32_t milliseconds);

// Ends all processes of the job with this exit code, this one too, within seconds, whatever the library does.
TT_DIST_API int32_t tt_dist_abort(int32_t code);
// Waits for what is asked for and leaves MPI; every process does it.
TT_DIST_API int32_t tt_dist_finalize(int32_t milliseconds);
