// tt_bench_peak: what this machine reaches now, to express the speed of a kernel as a fraction of it.
#include <string.h>

#include <atomic>

#include "../gemm/gemm.h"
#include "../platform/platform.h"
#include "../quantize/ternary.h"
#include "peak.h"

namespace tt {
namespace {

double now() { return 1e-9 * double(platform::nanoseconds()); }

/// Every thread repeats `work` until the time is over; the rates of the threads are added.
template <class F> double measure(double seconds, F work) {
  constexpr int MAX_THREADS = 256;
  static double rates[MAX_THREADS];
  const int threads = thread_count();
  // A thread could take two tiles while another is still waking up: it waits until all have one.
  std::atomic<int> ready{0};
  parallel(size_t(threads), [&](size_t tile, int) {
    ready.fetch_add(1);
    while (ready.load() < threads) platform::relax();
    work(tile);  // warm up
    double start = now(), done = 0, elapsed;
    do {
      done += work(tile);
      elapsed = now() - start;
    } while (elapsed < seconds);
    rates[tile] = done / elapsed;
  });
  double total = 0;
  for (int i = 0; i < threads; i++) total += rates[i];
  return total;
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_bench_peak(double* rate, int32_t kind, size_t bytes, double seconds) {
  TT_REQUIRE(rate, "tt_bench_peak: rate is NULL");
  TT_REQUIRE(seconds >= 0 && seconds <= 60, "tt_bench_peak: seconds must be 0..60, got %g", seconds);
  if (kind == TT_PEAK_FMA_F32) {
    *rate = measure(seconds, [](size_t) { return TT_DISPATCH(fma_loop, 1000); });
    return TT_OK;
  }
  if (kind == TT_PEAK_AMX_BF16_LOAD_FED) {
    if (on_amx()) {
      *rate = measure(seconds, [](size_t) { return amx::load_fed_loop(500); });
      return TT_OK;
    }
    return fail(TT_UNSUPPORTED, "tt_bench_peak: AMX is not there or not chosen");
  }
#if TT_X64 || defined(__aarch64__)
  if (kind == TT_PEAK_MMA_BF16 && gemm_in_pairs(TT_BF16)) {
#if TT_X64
    *rate = measure(seconds, [](size_t) { return avx512_bf16::pair_loop(2000); });
#else
    *rate = measure(seconds, [](size_t) { return neon_bf16::pair_loop(2000); });
#endif
    return TT_OK;
  }
#endif
  if (kind == TT_PEAK_MMA_BF16) return fail(TT_UNSUPPORTED, "tt_bench_peak: products of bf16 are not made in pairs here");
  if (kind == TT_PEAK_DOT_INT8) {
    if (TT_DISPATCH_BYTES(dot_loop, 1) == 0) return fail(TT_UNSUPPORTED, "tt_bench_peak: there is no loop of byte products for this machine");
    *rate = measure(seconds, [](size_t) { return TT_DISPATCH_BYTES(dot_loop, 2000); });
    return TT_OK;
  }
  TT_REQUIRE(kind == TT_PEAK_MEMCPY || kind == TT_PEAK_READ, "tt_bench_peak: unknown kind %d", kind);
  const size_t part = bytes / size_t(thread_count());
  TT_REQUIRE(part >= 64, "tt_bench_peak: %zu bytes are too few for all threads", bytes);
  const bool reads = kind == TT_PEAK_READ;
  const size_t all = reads ? bytes : 2 * bytes;
  void* memory = platform::allocate(4096, all);
  if (!memory) return fail(TT_OUT_OF_MEMORY, "tt_bench_peak: no memory for %zu bytes", all);
  memset(memory, 1, all);
  char* source = static_cast<char*>(memory);
  if (reads) {
    *rate = measure(seconds, [=](size_t thread) {
      TT_DISPATCH(read_loop, source + thread * part, part);
      return double(part);
    });
    platform::release(memory);
    return TT_OK;
  }
  char* target = source + bytes;
  *rate = measure(seconds, [=](size_t thread) {
    memcpy(target + thread * part, source + thread * part, part);
    __asm__ volatile("" : : "r"(target) : "memory");
    return double(2 * part);
  });
  platform::release(memory);
  return TT_OK;
}
