// tt_bench_peak: what this GPU reaches now, to express the speed of a kernel as a fraction of it.
#include "internal.h"

namespace tt {
namespace {

constexpr int THREADS = 256, CHAINS = 8, STEPS = 256;

/// Independent chains of fused multiply-adds in registers: 2 FLOP each.
__global__ void fma_chains(float* out, float a, float b) {
  float x[CHAINS];
  TT_UNROLL
  for (int i = 0; i < CHAINS; i++) x[i] = float(threadIdx.x + unsigned(i));
  for (int step = 0; step < STEPS; step++)
    TT_UNROLL
    for (int i = 0; i < CHAINS; i++) x[i] = fmaf(x[i], a, b);
  float sum = 0;
  TT_UNROLL
  for (int i = 0; i < CHAINS; i++) sum += x[i];
  if (sum == -1.f) *out = sum;  // never; keeps the chains alive
}

/// Independent mma.sync m16n8k16 of bf16 on registers: 4096 FLOP a warp each.
__global__ void mma_chains(float* out, uint32_t bits) {
  float d[CHAINS][4] = {};
  const uint32_t a[4] = {bits, bits + threadIdx.x, bits, bits}, b[2] = {bits, bits};
  for (int step = 0; step < STEPS; step++)
    TT_UNROLL
    for (int i = 0; i < CHAINS; i++) mma_bf16(d[i], a, b);
  float sum = 0;
  TT_UNROLL
  for (int i = 0; i < CHAINS; i++) sum += d[i][0] + d[i][1] + d[i][2] + d[i][3];
  if (sum == -1.f) *out = sum;
}

/// Queues `work` again and again for about `seconds`; amount: what one call does. Stores the amount a second.
template <class F> tt_status measure(const Gpu& gpu, double* rate, double seconds, double amount, const F& work) {
  double elapsed = 0;
  int calls = 1;
  work();  // loads the kernel
  while (true) {
    if (tt_status bad = tt_time_start(gpu.stream)) return bad;
    for (int i = 0; i < calls; i++) work();
    if (tt_status bad = launched("tt_bench_peak", gpu.stream)) return bad;
    if (tt_status bad = tt_time_stop(&elapsed, gpu.stream)) return bad;
    if (elapsed >= seconds || calls >= 1 << 20) break;
    calls *= 2;
  }
  *rate = amount * calls / elapsed;
  return TT_OK;
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_bench_peak(double* rate, int32_t kind, size_t bytes, double seconds) {
  TT_REQUIRE(rate, "tt_bench_peak: rate is NULL");
  TT_REQUIRE(seconds >= 0 && seconds <= 60, "tt_bench_peak: seconds must be 0..60, got %g", seconds);
  TT_READY("tt_bench_peak");
  const dim3 grid(unsigned(gpu.multiprocessors * 4)), block(THREADS);
  Scratch memory(gpu.stream);
  if (kind == TT_PEAK_MEMCPY) {
    TT_REQUIRE(bytes >= 16, "tt_bench_peak: %zu bytes are too few for a copy", bytes);
    if (!memory.reserve(2 * bytes)) return no_memory("tt_bench_peak", 2 * bytes);
    char* from = memory.as<char>();
    TT_CUDA("tt_bench_peak", cudaMemsetAsync(from, 1, 2 * bytes, gpu.stream));
    return measure(gpu, rate, seconds, 2. * double(bytes), [&] { cudaMemcpyAsync(from + bytes, from, bytes, cudaMemcpyDeviceToDevice, gpu.stream); });
  }
  if (!memory.reserve(sizeof(float))) return no_memory("tt_bench_peak", sizeof(float));
  float* out = memory.as<float>();
  const double threads = double(grid.x) * THREADS;
  if (kind == TT_PEAK_FMA_F32)
    return measure(gpu, rate, seconds, threads * STEPS * CHAINS * 2, [&] { TT_LAUNCH(fma_chains, grid, block, 0, gpu.stream, out, 0.999f, 0.001f); });
  if (kind == TT_PEAK_MMA_BF16)
    return measure(gpu, rate, seconds, threads / 32 * STEPS * CHAINS * 4096, [&] { TT_LAUNCH(mma_chains, grid, block, 0, gpu.stream, out, 0x3c003c00u); });
  if (kind == TT_PEAK_AMX_BF16_LOAD_FED) return fail(TT_UNSUPPORTED, "tt_bench_peak: AMX is of CPUs");
  if (kind == TT_PEAK_DOT_INT8 || kind == TT_PEAK_READ) return fail(TT_UNSUPPORTED, "tt_bench_peak: kind %d is measured on CPUs only", kind);
  return fail(TT_BAD_ARGUMENT, "tt_bench_peak: unknown kind %d", kind);
}
