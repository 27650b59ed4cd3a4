// Codes → numbers: tt_dequantize for all four kinds of weight, and what reads a weight's descriptor.
#include "codebooks.h"
#include "quantized.h"

namespace tt {
namespace {

constexpr int THREADS = 256;
constexpr int GROUP = 8;  // elements that a thread writes side by side: 4 bytes of 4-bit codes, 16 of bf16

/// y[first …] = values, those below n.
template <class T> TT_GPU void store8(T* y, size_t first, size_t n, const T (&values)[GROUP], bool aligned) {
  if (aligned && first + GROUP <= n) {
    constexpr int size = Pack<T>::size;
    TT_UNROLL
    for (int p = 0; p < GROUP / size; p++) {
      Pack<T> pack;
      TT_UNROLL
      for (int e = 0; e < size; e++) pack.at[e] = values[p * size + e];
      store_pack(y + first + p * size, pack);
    }
    return;
  }
  TT_UNROLL
  for (int e = 0; e < GROUP; e++)
    if (first + e < n) y[first + e] = values[e];
}
TT_GPU void store8(int8_t* y, size_t first, size_t n, const int8_t (&values)[GROUP], bool aligned) {
  uint2 words = {};
  TT_UNROLL
  for (int e = 0; e < 4; e++) {
    words.x |= uint32_t(uint8_t(values[e])) << (8 * e);
    words.y |= uint32_t(uint8_t(values[e + 4])) << (8 * e);
  }
  if (aligned && first + GROUP <= n) *reinterpret_cast<uint2*>(y + first) = words;
  else
    TT_UNROLL
    for (int e = 0; e < GROUP; e++)
      if (first + e < n) y[first + e] = values[e];
}

/// Bytes first … of data as two words, zeros past n.
TT_GPU uint2 load8_bytes(const void* data, size_t first, size_t n, bool aligned) {
  const uint8_t* bytes = static_cast<const uint8_t*>(data);
  if (aligned && first + GROUP <= n) return *reinterpret_cast<const uint2*>(bytes + first);
  uint2 words = {};
  TT_UNROLL
  for (int e = 0; e < 4; e++) {
    if (first + e < n) words.x |= uint32_t(bytes[first + e]) << (8 * e);
    if (first + e + 4 < n) words.y |= uint32_t(bytes[first + e + 4]) << (8 * e);
  }
  return words;
}
TT_GPU uint32_t byte_of(const uint2& words, int e) { return (e < 4 ? words.x : words.y) >> (8 * (e % 4)) & 255u; }

/// A table of 16 words never conflicts: equal words are broadcast, different words lie in different banks.
template <class T> __global__ void __launch_bounds__(THREADS) dequantize_4bit_kernel(T* y, QuantizedWeight w, size_t n, bool aligned) {
  __shared__ float codes[16];
  __shared__ float map[256];
  if (threadIdx.x < 16) codes[threadIdx.x] = CODES_4BIT[w.kind][threadIdx.x];
  if (w.nested) fill_dynamic_map(map, true);
  __syncthreads();
  const uint8_t* data = static_cast<const uint8_t*>(w.data);
  const size_t groups = (n + GROUP - 1) / GROUP, bytes = (n + 1) / 2;
  for (size_t i = blockIdx.x * size_t(THREADS) + threadIdx.x; i < groups; i += size_t(gridDim.x) * THREADS) {
    const size_t first = i * GROUP;
    uint32_t word = 0;
    if (aligned && first + GROUP <= n) word = *reinterpret_cast<const uint32_t*>(data + i * 4);
    else
      for (int b = 0; b < 4; b++)
        if (i * 4 + b < bytes) word |= uint32_t(data[i * 4 + b]) << (8 * b);
    const float absmax = block_absmax(w, map, first >> w.block_log2);
    T values[GROUP];
    TT_UNROLL
    for (int e = 0; e < GROUP; e++) values[e] = from_float<T>(codes[word >> (8 * (e / 2) + (e % 2 ? 0 : 4)) & 15] * absmax);
    store8(y, first, n, values, aligned);
  }
}

template <class T> __global__ void __launch_bounds__(THREADS) dequantize_int8_kernel(T* y, const int8_t* q, const float* absmax, int rows, int cols, bool aligned) {
  for (int row = int(blockIdx.x); row < rows; row += int(gridDim.x)) {
    const size_t start = size_t(row) * cols;
    const float scale = absmax[row] / 127.f;
    for (int c = int(threadIdx.x) * GROUP; c < cols; c += THREADS * GROUP) {
      const uint2 words = load8_bytes(q + start, size_t(c), size_t(cols), aligned);
      T values[GROUP];
      TT_UNROLL
      for (int e = 0; e < GROUP; e++) values[e] = from_float<T>(float(int8_t(byte_of(words, e))) * scale);
      store8(y + start, size_t(c), size_t(cols), values, aligned);
    }
  }
}

TT_GPU float scaled_trit(int trit, float scale, float) { return float(trit) * scale; }
TT_GPU bf16 scaled_trit(int trit, float scale, bf16) { return from_float<bf16>(float(trit) * scale); }
TT_GPU int8_t scaled_trit(int trit, float, int8_t) { return int8_t(trit); }

/// scale (out, runs) for `run` columns each; runs 0: one for all. scale null: for the trits themselves.
struct TritScales {
  const float* scale;
  int runs, run;
  TT_GPU float at(size_t row, int column) const { return !scale ? 1.f : runs ? scale[row * runs + column / run] : scale[0]; }
};

/// A packed row holds four rows of the weight, a quarter of it apart. T int8: the trits themselves.
template <class T> __global__ void __launch_bounds__(THREADS, 4) expand_ternary_kernel(T* y, int y_stride, const uint8_t* packed, TritScales scales, int quarter, int cols, bool aligned) {
  for (int row = int(blockIdx.x); row < quarter; row += int(gridDim.x)) {
    for (int c = int(threadIdx.x) * GROUP; c < cols; c += THREADS * GROUP) {
      const uint2 words = load8_bytes(packed + size_t(row) * cols, size_t(c), size_t(cols), aligned);
      TT_UNROLL
      for (int p = 0; p < 4; p++) {
        T values[GROUP];
        const float scale = scales.at(size_t(row) + size_t(p) * quarter, c);
        TT_UNROLL
        for (int e = 0; e < GROUP; e++) values[e] = scaled_trit(int(byte_of(words, e) >> (2 * p) & 3u) - 1, scale, T{});
        store8(y + (size_t(row) + size_t(p) * quarter) * y_stride, size_t(c), size_t(cols), values, aligned);
      }
    }
    _Pragma("unroll 1")  // a few elements of padding; unrolled it spills registers for sm_90a
    for (int i = int(threadIdx.x); i < 4 * (y_stride - cols); i += THREADS)
      y[(size_t(row) + size_t(i % 4) * quarter) * y_stride + cols + i / 4] = T{};
  }
}

bool aligned_for(const void* data, const void* y, int cols) {
  return (reinterpret_cast<uintptr_t>(data) & 7) == 0 && aligned16(y) && cols % GROUP == 0;
}

template <class T> void launch_dequantize(const Gpu& gpu, T* y, const QuantizedWeight& w, int rows, int cols, cudaStream_t stream) {
  if (w.is_4bit()) {
    const size_t n = size_t(rows) * size_t(cols);
    const bool aligned = (reinterpret_cast<uintptr_t>(w.data) & 3) == 0 && aligned16(y);
    auto kernel = dequantize_4bit_kernel<T>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, n, size_t(THREADS) * GROUP)), dim3(THREADS), 0, stream, y, w, n, aligned);
    return;
  }
  const float* scale = static_cast<const float*>(w.scale);
  const bool aligned = aligned_for(w.data, y, cols);
  if (w.kind == TT_INT8) {
    auto kernel = dequantize_int8_kernel<T>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, size_t(rows), 1)), dim3(THREADS), 0, stream, y, static_cast<const int8_t*>(w.data), scale, rows, cols, aligned);
  } else {
    auto kernel = expand_ternary_kernel<T>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, size_t(rows / 4), 1)), dim3(THREADS), 0, stream, y, cols, static_cast<const uint8_t*>(w.data),
              TritScales{scale, w.runs, w.run}, rows / 4, cols, aligned);
  }
}

}  // namespace

tt_status read_weight(const char* op, const int64_t* weight, int rows, int cols, QuantizedWeight* out) {
  TT_REQUIRE(weight, "%s: weight is NULL", op);
  QuantizedWeight w = {};
  w.kind = int(weight[0]);
  TT_REQUIRE(weight[0] >= TT_NF4 && weight[0] <= TT_TERNARY, "%s: there is no kind %lld of quantized weight", op, (long long)weight[0]);
  w.data = reinterpret_cast<const void*>(weight[1]);
  w.scale = reinterpret_cast<const void*>(weight[2]);
  w.nested = reinterpret_cast<const float*>(weight[3]);
  TT_REQUIRE(w.data && w.scale, "%s: the weight's %s is NULL", op, w.data ? "scale" : "data");
  TT_REQUIRE(rows > 0 && cols > 0, "%s: bad size of the weight (%d, %d)", op, rows, cols);
  TT_REQUIRE_HOLD(op, size_t(rows), size_t(cols));
  if (w.is_4bit()) {
    const int64_t block = weight[4];
    TT_REQUIRE(block >= 32 && block <= 4096 && (block & (block - 1)) == 0, "%s: block must be a power of two from 32 to 4096, got %lld", op, (long long)block);
    while (block >> (w.block_log2 + 1)) w.block_log2++;
    const uint32_t bits = uint32_t(weight[5]);
    __builtin_memcpy(&w.offset, &bits, sizeof bits);
  } else {
    TT_REQUIRE(!w.nested, "%s: only 4-bit weights have nested scales", op);
    TT_REQUIRE(w.kind != TT_TERNARY || rows % 4 == 0, "%s: a ternary weight needs a multiple of 4 rows, got %d", op, rows);
    TT_REQUIRE(w.kind != TT_TERNARY || is_run(weight[4], cols), "%s: block of a ternary weight must be 0, cols (%d) or a multiple of 64 that divides it, got %lld", op,
               cols, (long long)weight[4]);
    if (w.kind == TT_TERNARY && weight[4]) {
      w.run = int(weight[4]);
      w.runs = cols / w.run;
    }
  }
  *out = w;
  return TT_OK;
}

tt_status dequantize(const char* op, const Gpu& gpu, void* y, const QuantizedWeight& w, int rows, int cols, tt_dtype dtype, cudaStream_t stream) {
  if (dtype == TT_F32) launch_dequantize(gpu, static_cast<float*>(y), w, rows, cols, stream);
  else launch_dequantize(gpu, static_cast<bf16*>(y), w, rows, cols, stream);
  return launched(op, stream);
}

tt_status expand_trits(const char* op, const Gpu& gpu, int8_t* q, int q_stride, const uint8_t* packed, int rows, int cols, cudaStream_t stream) {
  const bool aligned = aligned_for(packed, q, cols) && q_stride % GROUP == 0;
  auto kernel = expand_ternary_kernel<int8_t>;
  TT_LAUNCH(kernel, dim3(grid_for(gpu, size_t(rows / 4), 1)), dim3(THREADS), 0, stream, q, q_stride, packed, TritScales{}, rows / 4, cols, aligned);
  return launched(op, stream);
}

}  // namespace tt

using namespace tt;

extern "C" tt_status tt_dequantize(void* y, const int64_t* weight, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE(is_compute_dtype(dtype), "tt_dequantize: dtype must be f32 or bf16, got %d", dtype);
  TT_REQUIRE(y, "tt_dequantize: y is NULL");
  QuantizedWeight w;
  if (tt_status bad = read_weight("tt_dequantize", weight, rows, cols, &w)) return bad;
  TT_READY("tt_dequantize");
  return dequantize("tt_dequantize", gpu, y, w, rows, cols, dtype, stream_of(gpu, stream));
}
