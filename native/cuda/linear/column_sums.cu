// Sums down the columns of a matrix, for the gradient of a bias: the same bits every time.
#include "linear.h"

namespace tt {
namespace {

constexpr int WARPS = 8, THREADS = WARPS * 32;

/// A block has 32 columns and the rows of its part; its warps take rows in turn and meet in shared memory in order.
template <class T, bool ADD> __global__ void __launch_bounds__(THREADS) column_sums_kernel(float* out, const T* x, int rows, int cols, int rows_a_part) {
  __shared__ float sums[WARPS][32];
  const int lane = int(threadIdx.x) & 31, warp = int(threadIdx.x) >> 5, column = int(blockIdx.x) * 32 + lane;
  const int first = int(blockIdx.y) * rows_a_part, last = rows - first < rows_a_part ? rows : first + rows_a_part;
  float sum = 0;
  if (column < cols)
    for (int row = first + warp; row < last; row += WARPS) sum += to_float(x[size_t(row) * cols + column]);
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || column >= cols) return;
  TT_UNROLL
  for (int w = 1; w < WARPS; w++) sum += sums[w][lane];
  float* to = out + size_t(blockIdx.y) * cols + column;
  *to = ADD ? *to + sum : sum;
}

}  // namespace

tt_status add_column_sums(const char* op, const Gpu& gpu, float* out, const void* x, int rows, int cols, tt_dtype dtype, cudaStream_t stream) {
  const int blocks = (cols + 31) / 32;
  int parts = gpu.multiprocessors * 8 / blocks;  // until the device is full, but each part has a few rows for every warp
  if (parts > rows / (4 * WARPS)) parts = rows / (4 * WARPS);
  if (parts < 1) parts = 1;
  const int rows_a_part = (rows + parts - 1) / parts;
  parts = (rows + rows_a_part - 1) / rows_a_part;
  Scratch partial(stream);
  if (parts > 1 && !partial.reserve(size_t(parts) * cols * sizeof(float))) return no_memory(op, size_t(parts) * cols * sizeof(float));
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    auto kernel = parts > 1 ? column_sums_kernel<T, false> : column_sums_kernel<T, true>;
    TT_LAUNCH(kernel, dim3(unsigned(blocks), unsigned(parts)), dim3(THREADS), 0, stream, parts > 1 ? partial.as<float>() : out, static_cast<const T*>(x), rows,
              cols, rows_a_part);
  });
  if (parts > 1) {
    auto kernel = column_sums_kernel<float, true>;
    TT_LAUNCH(kernel, dim3(unsigned(blocks)), dim3(THREADS), 0, stream, out, static_cast<const float*>(partial.as<float>()), parts, cols, parts);
  }
  return launched(op, stream);
}

}  // namespace tt
