// A program that uses libtritune_cpu as a stranger in C++ would, on any system: `library <path of the library> <an empty folder>`.
// It opens the library by its path, looks for every function of the header, and compares a few ops with sums in doubles. One line
// for each check; the exit code is 1 when one fails. expected.h, which scripts/emulate/library-program.ts writes, has the functions of the header and the
// hash of the sources.
#include <string.h>
#include <thread>

#include "expected.h"
#include "ops.h"

using namespace test;

namespace {

int failures = 0;

void tell(bool ok, const std::string& what) {
  printf("%s  %s\n", ok ? "ok    " : "FAILED", what.c_str());
  fflush(stdout);
  if (!ok) failures++;
}

struct Library {
  void* handle;
  decltype(&tt_abi_version) abi_version;
  decltype(&tt_last_error) last_error;
  decltype(&tt_symbols) symbols;
  decltype(&tt_build_info) build_info;
  decltype(&tt_init) init;
  decltype(&tt_alloc) alloc;
  decltype(&tt_free) free;
  decltype(&tt_memory_stats) memory_stats;
  decltype(&tt_file_map) file_map;
  decltype(&tt_file_unmap) file_unmap;

  template <class Function> void find(Function& out, const char* name) { out = reinterpret_cast<Function>(symbol(handle, name)); }
  explicit Library(void* handle) : handle(handle) {
    find(abi_version, "tt_abi_version");
    find(last_error, "tt_last_error");
    find(symbols, "tt_symbols");
    find(build_info, "tt_build_info");
    find(init, "tt_init");
    find(alloc, "tt_alloc");
    find(free, "tt_free");
    find(memory_stats, "tt_memory_stats");
    find(file_map, "tt_file_map");
    find(file_unmap, "tt_file_unmap");
  }
};

/// Every name of the header is there, and the library says so itself. The first that is not is told.
bool check_exports(const Library& library) {
  const std::string listed = std::string("\n") + library.symbols() + "\n";
  const std::string expected = EXPECTED_NAMES;
  bool good = true;
  for (size_t start = 0; start < expected.size();) {
    size_t end = expected.find('\n', start);
    if (end == std::string::npos) end = expected.size();
    const std::string name = expected.substr(start, end - start);
    if (!symbol(library.handle, name.c_str()) || listed.find("\n" + name + "\n") == std::string::npos) {
      printf("        there is no %s\n", name.c_str());
      good = false;
    }
    start = end + 1;
  }
  return good;
}

bool check_errors(const Library& library, const Ops& ops) {
  float x = 1;
  const tt_status status = ops.matmul(&x, nullptr, &x, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, TT_F32, TT_F32, nullptr);
  const std::string message = library.last_error();
  std::string elsewhere;
  std::thread([&] { elsewhere = library.last_error(); }).join();
  printf("        %d: %s\n", int(status), message.c_str());
  return status == TT_BAD_ARGUMENT && message.find("tt_matmul") != std::string::npos && elsewhere == "no error";
}

bool check_memory(const Library& library) {
  const size_t sizes[] = {0, 1, 63, 4096, size_t(5) << 20};
  void* blocks[5];
  int64_t before[4], during[4], after[4];
  library.memory_stats(before);
  for (int i = 0; i < 5; i++) {
    if (library.alloc(&blocks[i], sizes[i]) != TT_OK || reinterpret_cast<uintptr_t>(blocks[i]) % 64 != 0) return false;
    memset(blocks[i], i + 1, sizes[i]);
  }
  library.memory_stats(during);
  for (int i = 0; i < 5; i++) {
    const unsigned char* bytes = static_cast<const unsigned char*>(blocks[i]);
    if (sizes[i] > 0 && (bytes[0] != i + 1 || bytes[sizes[i] - 1] != i + 1)) return false;
    if (library.free(blocks[i]) != TT_OK) return false;
  }
  library.memory_stats(after);
  return during[0] - before[0] >= (5 << 20) + 4096 && after[0] == before[0] && library.free(before) == TT_BAD_ARGUMENT;
}

/// A file deep in folders with spaces and letters of several bytes, mapped by a path of more than 260 characters.
bool check_file(const Library& library, std::string path, bool slashes) {
  const std::string name = "modèle à essayer 模型 файл", root = path;
  for (int i = 0; i < 12; i++) {
    path += SEPARATOR + name + " " + std::to_string(i);
    if (!slashes && !make_folder(path)) return false;
  }
  path += SEPARATOR + std::string("weights of the model.safetensors");
  std::vector<unsigned char> bytes(100'000);
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<unsigned char>(i * 7 % 251);
  if (!write_file(path, bytes.data(), bytes.size())) return false;
  std::string given = path;
  if (slashes)
    for (char& letter : given)
      if (letter == '\\') letter = '/';
  int64_t mapped[2] = {0, 0};
  if (library.file_map(mapped, given.c_str()) != TT_OK) {
    printf("        %s\n", library.last_error());
    return false;
  }
  void* address = reinterpret_cast<void*>(uintptr_t(mapped[0]));
  const bool same = mapped[1] == int64_t(bytes.size()) && memcmp(address, bytes.data(), bytes.size()) == 0;
  return library.file_unmap(address, bytes.size()) == TT_OK && same && path.size() > 260 && remove_file(path);
}

bool check_missing_file(const Library& library, const std::string& folder) {
  int64_t mapped[2] = {1, 1};
  const std::string path = folder + SEPARATOR + "nobody wrote this 模型";
  const tt_status status = library.file_map(mapped, path.c_str());
  const std::string message = library.last_error();
  printf("        %d: %s\n", int(status), message.c_str());
  return status == TT_IO && message.find("nobody wrote this 模型: ") != std::string::npos;
}

/// The same ops with some numbers of threads: right, and the same bits for the same number.
void check_threads(const Library& library, const Ops& ops, int isa) {
  for (int threads : {1, 2, 3, 8}) {
    const std::string where = "instruction set " + std::to_string(isa) + ", " + std::to_string(threads) + " threads: ";
    if (library.init(0, threads, isa) != TT_OK) {
      tell(false, where + library.last_error());
      continue;
    }
    const std::string count = "\"threads\":" + std::to_string(threads);
    tell(std::string(library.build_info()).find(count) != std::string::npos, where + "started");
    Floats first, second;
    bool good = true, same = true;
    for (tt_dtype dtype : {TT_F32, TT_BF16})
      for (int form = 0; form < 4; form++) {
        good = check_matmul(ops, dtype, form & 1, form & 2, first) && good;
        good = check_matmul(ops, dtype, form & 1, form & 2, second) && good;
        same = same_bits(first, second) && same;
      }
    tell(good, where + "matmul");
    tell(same, where + "the same bits twice");
    tell(check_few_rows(ops), where + "few rows of bf16");
    tell(check_linear(ops), where + "linear with LoRA");
    tell(check_rms_norm(ops), where + "rms_norm");
    tell(check_attention(ops), where + "attention");
    tell(check_adamw(ops), where + "adamw");
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    printf("usage: library <path of the library> <an empty folder>\n");
    return 2;
  }
  void* handle = open_library(arguments[1]);
  tell(handle != nullptr, std::string("opens ") + arguments[1]);
  if (!handle) return 1;
  const Library library(handle);
  tell(library.abi_version && library.abi_version() == TT_ABI_VERSION, "the ABI version is that of the header");
  tell(check_exports(library), "has every function of the header");
  if (failures > 0) return 1;
  const std::string info = library.build_info();
  tell(info.find("\"sources\":\"" EXPECTED_SOURCES "\"") != std::string::npos, "is made of the sources that are there: " + info);

  const Ops ops(handle);
  int best = 0;
  while (library.init(0, 1, best + 1) == TT_OK) best++;
  tell(best > 0, std::to_string(best) + " instruction sets; the next is refused: " + library.last_error());
  for (int isa = 1; isa <= best; isa++) check_threads(library, ops, isa);

  tell(check_memory(library), "memory: aligned, counted, given back; what is not its own is refused");
  tell(check_errors(library, ops), "a wrong argument is an error with a message, on its thread only");
  tell(check_file(library, arguments[2], false), "maps a file of a long path in UTF-8");
#ifdef _WIN32
  tell(check_file(library, arguments[2], true), "and by a path with slashes");
#endif
  tell(check_missing_file(library, arguments[2]), "a file that is not there is an error that names it");
  printf("%s\n", failures == 0 ? "all right" : "something is wrong");
  return failures == 0 ? 0 : 1;
}
