// The product for operands that vector loads cannot read: odd leading dimensions, unaligned pointers. Any layout, f32 sums.
#include "gemm_task.h"

namespace tt {
namespace {

constexpr int TILE = 64, DEPTH = 16, PER_THREAD = 4, SIDE = TILE / PER_THREAD;

template <class T, bool MASKED> __global__ void __launch_bounds__(SIDE * SIDE) gemm_plain_kernel(const __grid_constant__ GemmTask t) {
  __shared__ float a[DEPTH][TILE + 1], b[DEPTH][TILE + 1];
  const Gemm& g = t.g;
  const int batch = int(blockIdx.z);
  const T* pa = static_cast<const T*>(g.a) + batch * g.stride_a;
  const T* pb = static_cast<const T*>(g.b) + batch * g.stride_b;
  const T* pu = static_cast<const T*>(g.u);
  const T* pl = static_cast<const T*>(g.l);
  const TilePlace place = banded_tile(int(blockIdx.x), (g.m + TILE - 1) / TILE, (g.n + TILE - 1) / TILE);
  const int m0 = place.row * TILE, n0 = place.column * TILE, tid = int(threadIdx.x), row = tid / SIDE, column = tid % SIDE;
  float sum[PER_THREAD][PER_THREAD] = {};
  const int total = g.k + g.rank;
  for (int k0 = 0; k0 < total; k0 += DEPTH) {
    for (int i = tid; i < TILE * DEPTH; i += SIDE * SIDE) {
      const int r = i / DEPTH, k = k0 + i % DEPTH, m = m0 + r, n = n0 + r;
      float va = 0, vb = 0;
      if (k < g.k) {
        if (m < g.m) va = to_float(g.trans_a ? pa[size_t(k) * g.lda + m] : pa[size_t(m) * g.lda + k]);
        if (n < g.n) vb = to_float(g.trans_b ? pb[size_t(n) * g.ldb + k] : pb[size_t(k) * g.ldb + n]);
      } else if (k < total) {
        const int d = k - g.k;
        if (m < g.m) va = to_float(pu[size_t(m) * g.rank + d]);
        if (n < g.n) vb = to_float(g.trans_b ? pl[size_t(n) * g.rank + d] : pl[size_t(d) * g.n + n]);
      }
      a[i % DEPTH][r] = va;
      b[i % DEPTH][r] = vb;
    }
    __syncthreads();
    TT_UNROLL
    for (int k = 0; k < DEPTH; k++) {
      TT_UNROLL
      for (int i = 0; i < PER_THREAD; i++)
        TT_UNROLL
        for (int j = 0; j < PER_THREAD; j++) sum[i][j] += a[k][row + i * SIDE] * b[k][column + j * SIDE];
    }
    __syncthreads();
  }
  TT_UNROLL
  for (int i = 0; i < PER_THREAD; i++)
    TT_UNROLL
    for (int j = 0; j < PER_THREAD; j++) {
      const int m = m0 + row + i * SIDE, n = n0 + column + j * SIDE;
      if (m < g.m && n < g.n) gemm_write(g, batch, m, n, MASKED ? gemm_masked(g, m, n, sum[i][j]) : sum[i][j]);
    }
}

template <class T> void launch_plain(const GemmTask& task, cudaStream_t stream) {
  auto kernel = task.g.drop_below ? gemm_plain_kernel<T, true> : gemm_plain_kernel<T, false>;
  const dim3 grid(unsigned(ceil_div(task.g.n, TILE)) * unsigned(ceil_div(task.g.m, TILE)), 1, unsigned(task.g.batch));
  TT_LAUNCH(kernel, grid, dim3(SIDE * SIDE), 0, stream, task);
}

}  // namespace

tt_status gemm_plain(const char*, const Gpu&, const GemmTask& task, cudaStream_t stream) {
  if (task.g.dtype == TT_F32) launch_plain<float>(task, stream);
  else launch_plain<bf16>(task, stream);
  return TT_OK;
}

}  // namespace tt
