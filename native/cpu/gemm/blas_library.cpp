// Opens a BLAS, tries it once, and keeps it: its threads may wait in it. tt_option_set and tt_options.
#include "blas_library.h"

#include <stdio.h>
#include <string.h>

#include <atomic>

#include "../platform/platform.h"
#include "../runtime/json.h"

namespace tt {
namespace {

constexpr int LONGEST = 1024;  // of a path, and of what is said about it

struct Library {
  char path[LONGEST];
  CblasSgemm sgemm;         // NULL: none is open
  void (*set_threads)(int);  // of OpenBLAS, else NULL
  int threads;              // that it was told; 0: nothing
};

const char* const CHOICES[] = {"auto", "own", "blas"};

GemmBy chosen = GemmBy::AUTO;
Library library;
bool tried_system = false;
char problem_of_system[LONGEST];
std::atomic<int64_t> products{0};

/// Operands of whole numbers, whose products every order of sums gives exactly; behind each row lies what is not part of it.
namespace trial {
constexpr int M = 70, N = 66, K = 67, LD = 72;
int a(int row, int p) { return (7 * row + 3 * p) % 5 - 2; }
int b(int p, int column) { return (5 * p + 2 * column) % 7 - 3; }
float in_a[LD * LD], in_b[LD * LD], out[M * LD];
int product[M][N];

void lay(float* to, int rows, int columns, bool turned, int (*value)(int, int)) {
  for (int i = 0; i < LD * LD; i++) to[i] = __builtin_nanf("");
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++) to[turned ? j * LD + i : i * LD + j] = float(value(i, j));
}

/// out = alpha·a·b + beta·before; with beta = 0 `before` is a NaN, which must not be read.
bool is_right(CblasSgemm sgemm, bool turned_a, bool turned_b, int alpha, int beta, float before) {
  lay(in_a, M, K, turned_a, a);
  lay(in_b, K, N, turned_b, b);
  for (int i = 0; i < M * LD; i++) out[i] = before;
  sgemm(CBLAS_ROW_MAJOR, turned_a ? CBLAS_TRANSPOSED : CBLAS_PLAIN, turned_b ? CBLAS_TRANSPOSED : CBLAS_PLAIN, M, N, K, float(alpha), in_a, LD, in_b, LD,
        float(beta), out, LD);
  for (int i = 0; i < M; i++) {
    for (int j = 0; j < N; j++) {
      if (out[i * LD + j] != float(alpha * product[i][j]) + (beta ? float(beta) * before : 0)) return false;
    }
    for (int j = N; j < LD; j++)
      if (memcmp(&out[i * LD + j], &before, sizeof before)) return false;
  }
  return true;
}
}  // namespace trial

bool multiplies(CblasSgemm sgemm) {
  const float nan = __builtin_nanf("");
  for (int i = 0; i < trial::M; i++) {
    for (int j = 0; j < trial::N; j++) {
      int sum = 0;
      for (int p = 0; p < trial::K; p++) sum += trial::a(i, p) * trial::b(p, j);
      trial::product[i][j] = sum;
    }
  }
  return trial::is_right(sgemm, false, false, 1, 0, nan) && trial::is_right(sgemm, false, true, 1, 0, nan) && trial::is_right(sgemm, true, false, 2, -1, 3) &&
         trial::is_right(sgemm, true, true, 1, 1, 3);
}

/// False: `problem` (of LONGEST bytes) says why, and what was open stays.
bool open(const char* path, char* problem) {
  if (library.sgemm && !strcmp(path, library.path)) return true;
  if (strlen(path) >= LONGEST) {
    snprintf(problem, LONGEST, "its path has %zu bytes, more than %d", strlen(path), LONGEST - 1);
    return false;
  }
  void* handle = platform::open_library(path, problem, LONGEST);
  if (!handle) return false;
  const auto refuse = [&](const char* why) {
    snprintf(problem, LONGEST, "%s: %s", path, why);
    platform::close_library(handle);
    return false;
  };
  const auto sgemm = reinterpret_cast<CblasSgemm>(platform::library_symbol(handle, "cblas_sgemm"));
  if (!sgemm) return refuse("it has no cblas_sgemm");
  const auto config = reinterpret_cast<const char* (*)()>(platform::library_symbol(handle, "openblas_get_config"));
  if (config && strstr(config(), "USE64BITINT")) return refuse("its integers have 64 bits, this wants a build whose integers have 32");
  if (!multiplies(sgemm)) return refuse("its cblas_sgemm gives wrong numbers");
  snprintf(library.path, sizeof library.path, "%s", path);
  library.sgemm = sgemm;
  library.set_threads = reinterpret_cast<void (*)(int)>(platform::library_symbol(handle, "openblas_set_num_threads"));
  library.threads = 0;
  return true;
}

/// What is open, else what the system has.
bool have() {
  const char* path = platform::system_blas().path;
  if (library.sgemm || tried_system || !path) return library.sgemm != nullptr;
  tried_system = true;
  return open(path, problem_of_system);
}

}  // namespace

GemmBy gemm_by() { return chosen; }
bool auto_has_blas() { return platform::system_blas().reaches_more && have(); }

CblasSgemm open_sgemm() {
  // Our own threads sleep while it works.
  if (library.set_threads && library.threads != thread_count()) library.set_threads(library.threads = thread_count());
  return library.sgemm;
}

void count_blas_product() { products.fetch_add(1, std::memory_order_relaxed); }

}  // namespace tt

using namespace tt;

extern "C" tt_status tt_option_set(const char* name, const char* value) {
  TT_REQUIRE(name && value, "tt_option_set: %s is NULL", name ? "value" : "name");
  if (!strcmp(name, "blas")) {
    char problem[LONGEST] = "";
    TT_REQUIRE(value[0], "tt_option_set: blas must be the path or the name of a library, got \"\"");
    TT_REQUIRE(open(value, problem), "tt_option_set: blas cannot be this library: %s", problem);
    return TT_OK;
  }
  TT_REQUIRE(!strcmp(name, "gemm"), "tt_option_set: there is no option \"%s\"; there are gemm and blas", name);
  for (int i = 0; i < 3; i++) {
    if (strcmp(value, CHOICES[i])) continue;
    const char* why = "none is open; the option blas names a library that has cblas_sgemm, such as OpenBLAS";
    TT_REQUIRE(GemmBy(i) != GemmBy::BLAS || have(), "tt_option_set: gemm cannot be blas: %s", problem_of_system[0] ? problem_of_system : why);
    return chosen = GemmBy(i), TT_OK;
  }
  return fail(TT_BAD_ARGUMENT, "tt_option_set: gemm must be auto, own or blas, got \"%s\"", value);
}

extern "C" const char* tt_options(void) {
  static thread_local char text[4 * LONGEST], path[LONGEST + 256], problem[LONGEST + 256];
  const bool given_away = auto_has_blas();
  snprintf(text, sizeof text, "{\"gemm\":\"%s\",\"auto\":\"%s\",\"blas\":%s,\"problem\":%s,\"blas_products\":%lld}", CHOICES[int(chosen)],
           given_away ? "blas" : "own", json_string(path, sizeof path, library.path), json_string(problem, sizeof problem, problem_of_system),
           static_cast<long long>(products.load()));
  return text;
}
