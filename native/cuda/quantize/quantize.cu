// Numbers → codes: tt_quantize_4bit, tt_quantize_8bit, tt_dequantize_8bit, tt_quantize_int8.
//
// Nothing here may be compiled with fast-math: the bytes are those of bitsandbytes, so divisions round.
#include "codebooks.h"
#include "quantized.h"

namespace tt {
namespace {

constexpr int THREADS = 256;
constexpr int PER_LANE = 8;  // elements: 4 packed bytes

/// Elements first … first + 7 of x as f32, zeros past n.
template <class T> TT_GPU void load8(float (&values)[PER_LANE], const T* x, size_t first, size_t n, bool aligned) {
  if (aligned && first + PER_LANE <= n) {
    constexpr int size = Pack<T>::size;
    TT_UNROLL
    for (int p = 0; p < PER_LANE / size; p++) {
      const Pack<T> pack = load_pack(x + first + p * size);
      TT_UNROLL
      for (int e = 0; e < size; e++) values[p * size + e] = to_float(pack.at[e]);
    }
    return;
  }
  TT_UNROLL
  for (int e = 0; e < PER_LANE; e++) values[e] = first + e < n ? to_float(x[first + e]) : 0.f;
}

// ---- 4 bits -------------------------------------------------------------------------------------------------------------

/// A warp takes 256 elements at a time: several small blocks, or a part of a large one. Lanes of one block share their
/// maximum by shuffles; a block larger than 256 is read twice, the second time from the cache.
template <class T, int KIND>
__global__ void __launch_bounds__(THREADS) quantize_4bit_kernel(uint8_t* packed, float* absmax, const T* x, size_t n, int block_log2, bool aligned) {
  constexpr int WARP_LOG2 = 8;
  const int lane = int(threadIdx.x & 31);
  const int unit_log2 = block_log2 > WARP_LOG2 ? block_log2 : WARP_LOG2;  // elements that a warp must see together
  const int lanes = block_log2 < WARP_LOG2 ? 1 << (block_log2 - 3) : 32;  // of one block
  const size_t units = (n + (size_t(1) << unit_log2) - 1) >> unit_log2, warps = size_t(gridDim.x) * (THREADS / 32);
  const int parts = 1 << (unit_log2 - WARP_LOG2);
  for (size_t unit = blockIdx.x * size_t(THREADS / 32) + threadIdx.x / 32; unit < units; unit += warps) {
    const size_t start = (unit << unit_log2) + size_t(lane) * PER_LANE;
    float values[PER_LANE], top = 0;
    for (int part = 0; part < parts; part++) {
      load8(values, x, start + (size_t(part) << WARP_LOG2), n, aligned);
      TT_UNROLL
      for (int e = 0; e < PER_LANE; e++) top = fmaxf(top, fabsf(values[e]));  // NaN does not count
    }
    for (int o = lanes / 2; o; o >>= 1) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, o));
    const float inverse = 1.f / top;  // of a block of zeros: Inf, and 0·Inf = NaN has code 0
    if (lane % lanes == 0 && start < n) absmax[start >> block_log2] = top;
    for (int part = 0; part < parts; part++) {
      const size_t first = start + (size_t(part) << WARP_LOG2);
      if (parts > 1) load8(values, x, first, n, aligned);
      if (first >= n) break;
      uint32_t word = 0;
      TT_UNROLL
      for (int e = 0; e < PER_LANE; e++) {
        const float scaled = values[e] * inverse;
        const uint32_t code = first + e >= n ? 0 : KIND == TT_NF4 ? nf4_code(scaled) : fp4_code(scaled);
        word |= code << (8 * (e / 2) + (e % 2 ? 0 : 4));
      }
      const size_t bytes = (n + 1) / 2, to = first / 2;
      if (aligned && first + PER_LANE <= n) *reinterpret_cast<uint32_t*>(packed + to) = word;
      else
        TT_UNROLL
        for (int b = 0; b < 4; b++)
          if (to + b < bytes) packed[to + b] = uint8_t(word >> (8 * b));
    }
  }
}

template <class T> void launch_quantize_4bit(const Gpu& gpu, uint8_t* packed, float* absmax, const void* x, size_t n, int block_log2, int kind, cudaStream_t stream) {
  const T* from = static_cast<const T*>(x);
  const bool aligned = aligned16(x) && (reinterpret_cast<uintptr_t>(packed) & 3) == 0;
  const unsigned grid = grid_for(gpu, n, size_t(THREADS) * PER_LANE);
  auto kernel = kind == TT_NF4 ? quantize_4bit_kernel<T, TT_NF4> : quantize_4bit_kernel<T, TT_FP4>;
  TT_LAUNCH(kernel, dim3(grid), dim3(THREADS), 0, stream, packed, absmax, from, n, block_log2, aligned);
}

// ---- 8 bits, dynamic maps -------------------------------------------------------------------------------------------------

__global__ void __launch_bounds__(THREADS) quantize_8bit_kernel(uint8_t* codes, float* absmax, const float* x, size_t n, int block, bool is_signed) {
  __shared__ float map[256];
  __shared__ float reduce[THREADS / 32];
  fill_dynamic_map(map, is_signed);
  __syncthreads();
  const size_t blocks = (n + size_t(block) - 1) / size_t(block);
  for (size_t b = blockIdx.x; b < blocks; b += gridDim.x) {
    const size_t first = b * size_t(block), last = first + size_t(block) < n ? first + size_t(block) : n;
    float top = 0;
    for (size_t i = first + threadIdx.x; i < last; i += THREADS) top = fmaxf(top, fabsf(x[i]));  // NaN does not count
    top = block_max(top, reduce, THREADS);
    if (threadIdx.x == 0) absmax[b] = top;
    for (size_t i = first + threadIdx.x; i < last; i += THREADS) codes[i] = uint8_t(nearest_code(map, x[i] / top));
  }
}

__global__ void __launch_bounds__(THREADS) dequantize_8bit_kernel(float* y, const uint8_t* codes, const float* absmax, size_t n, int block, bool is_signed) {
  __shared__ float map[256];
  fill_dynamic_map(map, is_signed);
  __syncthreads();
  for (size_t i = blockIdx.x * size_t(THREADS) + threadIdx.x; i < n; i += size_t(gridDim.x) * THREADS) y[i] = map[codes[i]] * absmax[i / size_t(block)];
}

// ---- rows of int8 -----------------------------------------------------------------------------------------------------------

/// The larger magnitude; NaN wins.
TT_GPU float larger(float a, float b) { return a > b || a != a ? a : b; }

template <class T>
__global__ void __launch_bounds__(THREADS) quantize_rows_kernel(int8_t* q, int q_stride, float* absmax, const T* x, const uint8_t* outlier, int cols, bool aligned) {
  __shared__ float reduce[THREADS / 32];
  const size_t row = blockIdx.x;
  const T* from = x + row * size_t(cols);
  int8_t* to = q + row * size_t(q_stride);
  float top = 0, values[PER_LANE];
  for (int c = int(threadIdx.x) * PER_LANE; c < cols; c += THREADS * PER_LANE) {
    load8(values, from, size_t(c), size_t(cols), aligned);
    TT_UNROLL
    for (int e = 0; e < PER_LANE; e++)
      if (!(outlier && c + e < cols && outlier[c + e])) top = larger(fabsf(values[e]), top);
  }
  TT_UNROLL
  for (int o = 16; o; o >>= 1) top = larger(top, __shfl_xor_sync(0xffffffffu, top, o));
  if ((threadIdx.x & 31) == 0) reduce[threadIdx.x >> 5] = top;
  __syncthreads();
  top = reduce[0];
  TT_UNROLL
  for (int w = 1; w < THREADS / 32; w++) top = larger(reduce[w], top);
  if (threadIdx.x == 0) absmax[row] = top;
  const float factor = 127.f * (1.f / top);  // two roundings, as bitsandbytes' 127.0 / absmax has on tensors
  // A row of zeros has factor Inf; one with NaN or Inf has no codes, its absmax makes its products NaN.
  const bool codes = top > 0 && top <= 3.402823466e38f;
  for (int c = int(threadIdx.x) * PER_LANE; c < cols; c += THREADS * PER_LANE) {
    load8(values, from, size_t(c), size_t(cols), aligned);
    uint32_t words[2] = {};
    TT_UNROLL
    for (int e = 0; e < PER_LANE; e++) {
      const bool kept = codes && !(outlier && c + e < cols && outlier[c + e]);
      // The bounds matter only for magnitudes so small that 127/absmax overflows; 0·Inf = NaN gives 0.
      const float scaled = values[e] * factor;
      const int code = kept && scaled == scaled ? int(rintf(fminf(fmaxf(scaled, -127.f), 127.f))) : 0;
      words[e / 4] |= (uint32_t(code) & 255u) << (8 * (e % 4));
    }
    if (aligned && c + PER_LANE <= cols) {
      uint2 both;
      both.x = words[0];
      both.y = words[1];
      *reinterpret_cast<uint2*>(to + c) = both;
    } else {
      TT_UNROLL
      for (int e = 0; e < PER_LANE; e++)
        if (c + e < cols) to[c + e] = int8_t(words[e / 4] >> (8 * (e % 4)));
    }
  }
  for (int c = cols + int(threadIdx.x); c < q_stride; c += THREADS) to[c] = 0;
}

int log2_of(int power) {
  int log = 0;
  while (power >> (log + 1)) log++;
  return log;
}

}  // namespace

tt_status quantize_rows(const char* op, const Gpu&, int8_t* q, int q_stride, float* absmax, const void* x, const uint8_t* outlier, int rows, int cols,
                        tt_dtype dtype, cudaStream_t stream) {
  const bool aligned = aligned16(x) && (reinterpret_cast<uintptr_t>(q) & 7) == 0 && cols % PER_LANE == 0 && q_stride % PER_LANE == 0;
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    auto kernel = quantize_rows_kernel<T>;
    TT_LAUNCH(kernel, dim3(unsigned(rows)), dim3(THREADS), 0, stream, q, q_stride, absmax, static_cast<const T*>(x), outlier, cols, aligned);
  });
  return launched(op, stream);
}

}  // namespace tt

using namespace tt;

extern "C" tt_status tt_quantize_4bit(uint8_t* packed, float* absmax, const void* x, size_t n, int32_t block, int32_t kind, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE(is_compute_dtype(dtype), "tt_quantize_4bit: dtype must be f32 or bf16, got %d", dtype);
  TT_REQUIRE(kind == TT_NF4 || kind == TT_FP4, "tt_quantize_4bit: kind must be TT_NF4 or TT_FP4, got %d", kind);
  TT_REQUIRE(block >= 32 && block <= 4096 && (block & (block - 1)) == 0, "tt_quantize_4bit: block must be a power of two from 32 to 4096, got %d", block);
  TT_REQUIRE_HOLD("tt_quantize_4bit", n);
  TT_REQUIRE(n == 0 || (packed && absmax && x), "tt_quantize_4bit: packed, absmax or x is NULL");
  TT_READY("tt_quantize_4bit");
  if (n == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  if (dtype == TT_F32) launch_quantize_4bit<float>(gpu, packed, absmax, x, n, log2_of(block), kind, s);
  else launch_quantize_4bit<bf16>(gpu, packed, absmax, x, n, log2_of(block), kind, s);
  return launched("tt_quantize_4bit", s);
}

extern "C" tt_status tt_quantize_8bit(uint8_t* codes, float* absmax, const float* x, size_t n, int32_t block, int32_t is_signed, tt_stream stream) {
  TT_REQUIRE(block > 0, "tt_quantize_8bit: block must be positive, got %d", block);
  TT_REQUIRE_HOLD("tt_quantize_8bit", n);
  TT_REQUIRE(n == 0 || (codes && absmax && x), "tt_quantize_8bit: codes, absmax or x is NULL");
  TT_READY("tt_quantize_8bit");
  if (n == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  auto kernel = quantize_8bit_kernel;
  TT_LAUNCH(kernel, dim3(grid_for(gpu, n, size_t(block))), dim3(THREADS), 0, s, codes, absmax, x, n, block, is_signed != 0);
  return launched("tt_quantize_8bit", s);
}

extern "C" tt_status tt_dequantize_8bit(float* y, const uint8_t* codes, const float* absmax, size_t n, int32_t block, int32_t is_signed, tt_stream stream) {
  TT_REQUIRE(block > 0, "tt_dequantize_8bit: block must be positive, got %d", block);
  TT_REQUIRE_HOLD("tt_dequantize_8bit", n);
  TT_REQUIRE(n == 0 || (y && codes && absmax), "tt_dequantize_8bit: y, codes or absmax is NULL");
  TT_READY("tt_dequantize_8bit");
  if (n == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  auto kernel = dequantize_8bit_kernel;
  TT_LAUNCH(kernel, dim3(grid_for(gpu, n, THREADS * 4)), dim3(THREADS), 0, s, y, codes, absmax, n, block, is_signed != 0);
  return launched("tt_dequantize_8bit", s);
}

extern "C" tt_status tt_quantize_int8(int8_t* q, float* absmax, const void* x, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE(is_compute_dtype(dtype), "tt_quantize_int8: dtype must be f32 or bf16, got %d", dtype);
  TT_REQUIRE(rows >= 0 && cols > 0, "tt_quantize_int8: bad size (rows %d, cols %d)", rows, cols);
  TT_REQUIRE_HOLD("tt_quantize_int8", size_t(rows), size_t(cols));
  TT_REQUIRE(rows == 0 || (q && absmax && x), "tt_quantize_int8: q, absmax or x is NULL");
  TT_READY("tt_quantize_int8");
  if (rows == 0) return TT_OK;
  return quantize_rows("tt_quantize_int8", gpu, q, cols, absmax, x, nullptr, rows, cols, dtype, stream_of(gpu, stream));
}
