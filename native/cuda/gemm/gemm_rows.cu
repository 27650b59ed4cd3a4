// The product of up to 8 rows with a (n,k) weight, for decoding: one pass over the weight at the speed of memory.
//
// A warp makes OUTPUTS columns of c for all rows: its lanes share the depth, 16 bytes of weight each at a time, and add up at the
// end in a fixed order. The rows of a are small and come from the caches.
#include "gemm_task.h"

namespace tt {
namespace {

constexpr int WARPS = 4;

/// sum[o][r] += this lane's part of w row (column + o) · x row r over `depth`.
template <class T, int ROWS, int OUTPUTS>
TT_GPU void add_dots(float (&sum)[OUTPUTS][ROWS], const T* x, size_t ldx, int rows, const T* w, size_t ldw, int column, int columns, int depth) {
  constexpr int N = Pack<T>::size;
  const int lane = int(threadIdx.x) & 31;
  for (int k = lane * N; k < depth; k += 32 * N) {
    Pack<T> weights[OUTPUTS];
    TT_UNROLL
    for (int o = 0; o < OUTPUTS; o++) weights[o] = load_pack(w + size_t(column + o < columns ? column + o : columns - 1) * ldw + k);
    TT_UNROLL
    for (int r = 0; r < ROWS; r++) {
      const Pack<T> input = load_pack(x + size_t(r < rows ? r : rows - 1) * ldx + k);
      TT_UNROLL
      for (int o = 0; o < OUTPUTS; o++)
        TT_UNROLL
        for (int i = 0; i < N; i++) sum[o][r] += to_float(weights[o].at[i]) * to_float(input.at[i]);
    }
  }
}

template <class T, int ROWS, int OUTPUTS> __global__ void __launch_bounds__(WARPS * 32) gemm_rows_kernel(const __grid_constant__ GemmTask t) {
  const Gemm& g = t.g;
  const int lane = int(threadIdx.x) & 31, warp = int(threadIdx.x) >> 5, batch = int(blockIdx.z);
  const int column = (int(blockIdx.x) * WARPS + warp) * OUTPUTS;
  if (column >= g.n) return;
  float sum[OUTPUTS][ROWS];
  TT_UNROLL
  for (int o = 0; o < OUTPUTS; o++)
    TT_UNROLL
    for (int r = 0; r < ROWS; r++) sum[o][r] = 0;
  add_dots(sum, static_cast<const T*>(g.a) + batch * g.stride_a, g.lda, g.m, static_cast<const T*>(g.b) + batch * g.stride_b, g.ldb, column, g.n, g.k);
  if (g.rank) add_dots(sum, static_cast<const T*>(g.u), size_t(g.rank), g.m, static_cast<const T*>(g.l), size_t(g.rank), column, g.n, g.rank);
  TT_UNROLL
  for (int o = 0; o < OUTPUTS; o++)
    TT_UNROLL
    for (int r = 0; r < ROWS; r++) {
      const float total = warp_sum(sum[o][r]);
      if (lane == o * ROWS + r && r < g.m && column + o < g.n) gemm_write(g, batch, r, column + o, total);
    }
}

template <class T, int ROWS> void launch_rows(const Gpu& gpu, const GemmTask& task, cudaStream_t stream) {
  // Several columns a warp reuse the rows of a; narrow weights would then leave multiprocessors idle.
  constexpr int MOST = ROWS == ROWS_MOST ? 2 : 4;
  const bool narrow = ceil_div(task.g.n, WARPS * MOST) * task.g.batch < 2 * gpu.multiprocessors;
  auto kernel = narrow ? gemm_rows_kernel<T, ROWS, 1> : gemm_rows_kernel<T, ROWS, MOST>;
  TT_LAUNCH(kernel, dim3(unsigned(ceil_div(task.g.n, WARPS * (narrow ? 1 : MOST))), 1, unsigned(task.g.batch)), dim3(WARPS * 32), 0, stream, task);
}

template <class T> void launch_rows(const Gpu& gpu, const GemmTask& task, cudaStream_t stream) {
  if (task.g.m == 1) launch_rows<T, 1>(gpu, task, stream);
  else if (task.g.m == 2) launch_rows<T, 2>(gpu, task, stream);
  else if (task.g.m <= 4) launch_rows<T, 4>(gpu, task, stream);
  else launch_rows<T, ROWS_MOST>(gpu, task, stream);
}

}  // namespace

tt_status gemm_rows(const char*, const Gpu& gpu, const GemmTask& task, cudaStream_t stream) {
  if (task.g.dtype == TT_F32) launch_rows<float>(gpu, task, stream);
  else launch_rows<bf16>(gpu, task, stream);
  return TT_OK;
}

}  // namespace tt
