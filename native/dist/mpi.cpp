// Binds an MPI library without its headers. Three families pass their handles in three ways; all else is alike.
//
//   Open MPI             pointers to objects that it exports
//   MPICH, Intel, MS-MPI ints with values of their own (https://www.mpich.org/abi/)
//   MPI 5                pointers with small fixed values (MPI 5.0, chapter 20)
#include "mpi.h"

#include <stdio.h>
#include <string.h>

#include "../include/tritune_dist.h"
#include "platform.h"

namespace tt::dist {

namespace {

void* library;
char description[512];

/// Predefined handles and constants of one ABI.
template <class Handle>
struct Constants {
  Handle world, byte, errors_return, no_info;
  int funneled, shared;
};

template <class Handle>
struct Bound {
  static Constants<Handle> constants;
  static Handle communicator;

  static int (*Init_thread)(int*, char***, int, int*);
  static int (*Initialized)(int*);
  static int (*Finalized)(int*);
  static int (*Finalize)();
  static int (*Comm_rank)(Handle, int*);
  static int (*Comm_size)(Handle, int*);
  static int (*Comm_dup)(Handle, Handle*);
  static int (*Comm_free)(Handle*);
  static int (*Comm_split_type)(Handle, int, int, Handle, Handle*);
  static int (*Comm_set_errhandler)(Handle, Handle);
  static int (*Allgather)(const void*, int, Handle, void*, int, Handle, Handle);
  static int (*Alltoall)(const void*, int, Handle, void*, int, Handle, Handle);
  static int (*Bcast)(void*, int, Handle, int, Handle);
  static int (*Abort)(Handle, int);
  static int (*Error_string)(int, char*, int*);

  /// The name of a function that the library lacks, or NULL.
  static const char* bind() {
    const char* missing = nullptr;
    auto find = [&](auto& function, const char* name) {
      void* found = library_symbol(library, name);
      if (!found && !missing) missing = name;
      memcpy(&function, &found, sizeof found);
    };
    find(Init_thread, "MPI_Init_thread");
    find(Initialized, "MPI_Initialized");
    find(Finalized, "MPI_Finalized");
    find(Finalize, "MPI_Finalize");
    find(Comm_rank, "MPI_Comm_rank");
    find(Comm_size, "MPI_Comm_size");
    find(Comm_dup, "MPI_Comm_dup");
    find(Comm_free, "MPI_Comm_free");
    find(Comm_split_type, "MPI_Comm_split_type");
    find(Comm_set_errhandler, "MPI_Comm_set_errhandler");
    find(Allgather, "MPI_Allgather");
    find(Alltoall, "MPI_Alltoall");
    find(Bcast, "MPI_Bcast");
    find(Abort, "MPI_Abort");
    find(Error_string, "MPI_Error_string");
    return missing;
  }

  static int init() {
    int already = 0;
    Initialized(&already);
    if (!already) {
      int provided = 0;
      if (int error = Init_thread(nullptr, nullptr, constants.funneled, &provided)) return error;
    }
    Comm_set_errhandler(constants.world, constants.errors_return);
    if (int error = Comm_dup(constants.world, &communicator)) return error;
    return Comm_set_errhandler(communicator, constants.errors_return);
  }
  static int finalize() {
    int already = 0;
    Finalized(&already);
    return already ? 0 : Finalize();
  }
  static int place(int* rank, int* size, int* local_rank, int* local_size) {
    if (int error = Comm_rank(communicator, rank)) return error;
    if (int error = Comm_size(communicator, size)) return error;
    Handle machine{};
    if (int error = Comm_split_type(communicator, constants.shared, 0, constants.no_info, &machine)) return error;
    Comm_rank(machine, local_rank);
    Comm_size(machine, local_size);
    return Comm_free(&machine);
  }
  static int gather(const void* send, int bytes, void* receive) {
    return Allgather(send, bytes, constants.byte, receive, bytes, constants.byte, communicator);
  }
  static int exchange(const void* send, int bytes, void* receive) {
    return Alltoall(send, bytes, constants.byte, receive, bytes, constants.byte, communicator);
  }
  static int broadcast(void* buffer, int bytes, int root) {
    return Bcast(buffer, bytes, constants.byte, root, communicator);
  }
  static int abort(int code) { return Abort(communicator, code); }
  static void describe(int code, char* text, size_t room) {
    char whole[8192] = "";  // MPI_MAX_ERROR_STRING is smaller everywhere
    int length = 0;
    Error_string(code, whole, &length);
    snprintf(text, room, "%s", whole);
  }

  static constexpr Mpi functions = {init, finalize, place, gather, exchange, broadcast, abort, describe};
};

template <class H> Constants<H> Bound<H>::constants;
template <class H> H Bound<H>::communicator;
template <class H> int (*Bound<H>::Init_thread)(int*, char***, int, int*);
template <class H> int (*Bound<H>::Initialized)(int*);
template <class H> int (*Bound<H>::Finalized)(int*);
template <class H> int (*Bound<H>::Finalize)();
template <class H> int (*Bound<H>::Comm_rank)(H, int*);
template <class H> int (*Bound<H>::Comm_size)(H, int*);
template <class H> int (*Bound<H>::Comm_dup)(H, H*);
template <class H> int (*Bound<H>::Comm_free)(H*);
template <class H> int (*Bound<H>::Comm_split_type)(H, int, int, H, H*);
template <class H> int (*Bound<H>::Comm_set_errhandler)(H, H);
template <class H> int (*Bound<H>::Allgather)(const void*, int, H, void*, int, H, H);
template <class H> int (*Bound<H>::Alltoall)(const void*, int, H, void*, int, H, H);
template <class H> int (*Bound<H>::Bcast)(void*, int, H, int, H);
template <class H> int (*Bound<H>::Abort)(H, int);
template <class H> int (*Bound<H>::Error_string)(int, char*, int*);

template <class Handle>
const Mpi* bound(const Constants<Handle>& constants, int32_t* status, char* error, size_t room) {
  Bound<Handle>::constants = constants;
  const char* missing = Bound<Handle>::bind();
  if (!missing) return &Bound<Handle>::functions;
  *status = TT_DIST_NO_SYMBOL;
  snprintf(error, room, "%s has no %s", description, missing);
  return nullptr;
}

void* small(intptr_t value) { return reinterpret_cast<void*>(value); }

/// The first of some names that can be opened; what was tried is added to `tried`.
const char* open_first(const char* const* names, char* tried, size_t room) {
  for (; *names; names++) {
    char why[512];
    library = open_library(*names, why, sizeof why);
    if (library) return *names;
    const size_t used = strlen(tried);
    snprintf(tried + used, room - used, "\n    %s", why);
  }
  return nullptr;
}

/// The launcher tells its family by what it sets; the library of another one would see processes that are alone.
const char* open_fitting(char* tried, size_t room) {
  const bool open_mpi = environment("OMPI_COMM_WORLD_SIZE") != nullptr;
  const bool hydra = environment("PMI_RANK") != nullptr && !open_mpi;
  if (const char* name = open_first(STANDARD_NAMES, tried, room)) return name;
  if (!hydra)
    if (const char* name = open_first(OPEN_MPI_NAMES, tried, room)) return name;
  return open_mpi ? nullptr : open_first(MPICH_NAMES, tried, room);
}

bool mentions(const char* text, const char* const* words) {
  for (; *words; words++)
    if (strstr(text, *words)) return true;
  return false;
}

void describe_library(const char* name) {
  char version[8192] = "";
  int length = 0;
  if (void* found = library_symbol(library, "MPI_Get_library_version")) {
    int (*get)(char*, int*);
    memcpy(&get, &found, sizeof get);
    get(version, &length);
  }
  // One line of it: MPICH tells how it was configured, too.
  for (char* at = version; *at; at++)
    if (*at == '\n' || *at == '\t') *at = ' ';
  snprintf(description, sizeof description, "%s: %.300s", name, version);
}

bool has_standard_abi() {
  void* found = library_symbol(library, "MPI_Abi_get_version");
  if (!found) return false;
  int (*get)(int*, int*);
  memcpy(&get, &found, sizeof get);
  int major = -1, minor = -1;
  get(&major, &minor);
  return major == 1;
}

}  // namespace

const Mpi* open_mpi(const char* name, int32_t* status, char* error, size_t room) {
  // Languages with a run-time system of their own handle SIGSEGV; UCX and the like would put handlers over theirs.
  set_environment("UCX_ERROR_SIGNALS", "");
  set_environment("UCX_WARN_UNUSED_ENV_VARS", "n");
  set_environment("IPATH_NO_BACKTRACE", "1");
  set_environment("HFI_NO_BACKTRACE", "1");
  // A thread that waits for other processes gives its core to those that work.
  set_environment("OMPI_MCA_mpi_yield_when_idle", "1");
  char tried[2048] = "";
  const char* const asked[] = {name, nullptr};
  const char* opened = *name ? open_first(asked, tried, sizeof tried) : open_fitting(tried, sizeof tried);
  if (!opened) {
    *status = TT_DIST_NO_LIBRARY;
    snprintf(error, room, "no MPI library could be opened:%s", tried);
    return nullptr;
  }
  describe_library(opened);
  if (has_standard_abi())
    return bound<void*>({small(0x101), small(0x247), small(0x142), small(0x130), 1024, 221}, status, error, room);
  if (void* world = library_symbol(library, "ompi_mpi_comm_world")) {
    auto symbol = [](const char* one) { return library_symbol(library, one); };
    return bound<void*>({world, symbol("ompi_mpi_byte"), symbol("ompi_mpi_errors_return"), symbol("ompi_mpi_info_null"), 1, 0},
                        status, error, room);
  }
  static const char* const OF_MPICH[] = {"MPICH", "Intel(R) MPI", "MVAPICH", "Microsoft MPI", nullptr};
  if (library_symbol(library, "MPI_Init_thread") && mentions(description, OF_MPICH))
    return bound<int>({0x44000000, 0x4c00010d, 0x54000001, 0x1c000000, 1, 1}, status, error, room);
  *status = TT_DIST_UNKNOWN_ABI;
  snprintf(error, room, "%s is none of Open MPI, MPICH and its relatives, and has not the ABI of MPI 5", description);
  return nullptr;
}

const char* mpi_library() { return description; }

}  // namespace tt::dist
