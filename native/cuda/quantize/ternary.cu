// tt_quantize_ternary: AbsMean (BitNet b1.58, arXiv 2402.17764) into the 2-bit packing of transformers' checkpoints.
#include "quantized.h"

namespace tt {
namespace {

constexpr int THREADS = 256;
constexpr size_t PART = 4096;   // elements, at least
constexpr int MOST_PARTS = 512;  // of the sum

/// Partial sums: their number comes from n alone, so that the order of the sum is the same on every device.
int parts_of(size_t n) {
  const size_t parts = (n + PART - 1) / PART;
  return parts < size_t(MOST_PARTS) ? int(parts) : MOST_PARTS;
}

/// partial[b] = Σ|w| over part b, in doubles: the mean is right to its last bit whatever the order.
template <class T> __global__ void __launch_bounds__(THREADS) magnitude_sums_kernel(double* partial, const T* w, size_t n) {
  __shared__ double reduce[THREADS / 32];
  double sum = 0;
  for (size_t i = blockIdx.x * size_t(THREADS) + threadIdx.x; i < n; i += size_t(gridDim.x) * THREADS) sum += double(fabsf(to_float(w[i])));
  sum = block_sum(sum, reduce, THREADS);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/// NaN stays.
TT_GPU float abs_mean(double sum, size_t n) {
  const float mean = float(sum / double(n));
  return mean < 1e-5f ? 1e-5f : mean;
}

__global__ void __launch_bounds__(THREADS) mean_kernel(float* scale, const double* partial, int parts, size_t n) {
  __shared__ double reduce[THREADS / 32];
  double sum = 0;
  for (int i = int(threadIdx.x); i < parts; i += THREADS) sum += partial[i];
  sum = block_sum(sum, reduce, THREADS);
  if (threadIdx.x == 0) scale[0] = abs_mean(sum, n);
}

/// A block a run of columns that shares a scale: all of them lie one after the other.
template <class T> __global__ void __launch_bounds__(THREADS) run_means_kernel(float* scale, const T* w, size_t runs, int run) {
  __shared__ double reduce[THREADS / 32];
  for (size_t r = blockIdx.x; r < runs; r += gridDim.x) {
    double sum = 0;
    for (int i = int(threadIdx.x); i < run; i += THREADS) sum += double(fabsf(to_float(w[r * run + i])));
    sum = block_sum(sum, reduce, THREADS);
    if (threadIdx.x == 0) scale[r] = abs_mean(sum, size_t(run));
    __syncthreads();  // the next sum is made in the same memory
  }
}

/// run 0: one scale for all.
template <class T> __global__ void __launch_bounds__(THREADS) pack_trits_kernel(uint8_t* packed, const T* w, const float* scale, size_t quarter, int run) {
  for (size_t i = blockIdx.x * size_t(THREADS) + threadIdx.x; i < quarter; i += size_t(gridDim.x) * THREADS) {
    uint32_t byte = 0;
    TT_UNROLL
    for (int p = 0; p < 4; p++) {
      const size_t at = i + p * quarter;
      const float ratio = to_float(w[at]) / scale[run ? at / size_t(run) : 0];
      // Half rounds to even, which is 0; NaN is 0 too.
      const uint32_t code = ratio > 0.5f ? 2u : ratio < -0.5f ? 0u : 1u;
      byte |= code << (2 * p);
    }
    packed[i] = uint8_t(byte);
  }
}

template <class T> void launch(const Gpu& gpu, uint8_t* packed, float* scale, double* partial, const T* w, size_t n, int run, cudaStream_t stream) {
  if (run) {
    auto means = run_means_kernel<T>;
    TT_LAUNCH(means, dim3(grid_for(gpu, n / size_t(run), 1)), dim3(THREADS), 0, stream, scale, w, n / size_t(run), run);
  } else {
    const int parts = parts_of(n);
    auto sums = magnitude_sums_kernel<T>;
    TT_LAUNCH(sums, dim3(unsigned(parts)), dim3(THREADS), 0, stream, partial, w, n);
    auto mean = mean_kernel;
    TT_LAUNCH(mean, dim3(1), dim3(THREADS), 0, stream, scale, partial, parts, n);
  }
  auto pack = pack_trits_kernel<T>;
  TT_LAUNCH(pack, dim3(grid_for(gpu, n / 4, THREADS)), dim3(THREADS), 0, stream, packed, w, scale, n / 4, run);
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_quantize_ternary(uint8_t* packed, float* scale, const void* w, int32_t rows, int32_t cols, int32_t block, tt_dtype dtype,
                                         tt_stream stream) {
  TT_REQUIRE(is_compute_dtype(dtype), "tt_quantize_ternary: dtype must be f32 or bf16, got %d", dtype);
  TT_REQUIRE(rows > 0 && cols > 0, "tt_quantize_ternary: bad size (rows %d, cols %d)", rows, cols);
  TT_REQUIRE_HOLD("tt_quantize_ternary", size_t(rows), size_t(cols));
  TT_REQUIRE(rows % 4 == 0, "tt_quantize_ternary: rows must be a multiple of 4, got %d", rows);
  TT_REQUIRE(is_run(block, cols), "tt_quantize_ternary: block must be 0, cols (%d) or a multiple of 64 that divides it, got %d", cols, block);
  TT_REQUIRE(packed && scale && w, "tt_quantize_ternary: packed, scale or w is NULL");
  TT_READY("tt_quantize_ternary");
  cudaStream_t s = stream_of(gpu, stream);
  Scratch partial(s);
  const size_t n = size_t(rows) * size_t(cols), bytes = parts_of(n) * sizeof(double);
  if (!partial.reserve(bytes)) return no_memory("tt_quantize_ternary", bytes);
  if (dtype == TT_F32) launch(gpu, packed, scale, partial.as<double>(), static_cast<const float*>(w), n, block, s);
  else launch(gpu, packed, scale, partial.as<double>(), static_cast<const bf16*>(w), n, block, s);
  return launched("tt_quantize_ternary", s);
}
