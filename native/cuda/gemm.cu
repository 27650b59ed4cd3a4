// gemm(): chooses the kernel of a matrix product.
#include "gemm.h"

namespace tt {
namespace {

// ---- the plain kernel: any shape, alignment and layout, f32 or bf16, f32 sums ----------------------------------------

constexpr int TILE = 64, DEPTH = 16, PER_THREAD = 4, SIDE = TILE / PER_THREAD;

template <class T, class C> __global__ void __launch_bounds__(SIDE * SIDE) gemm_plain(Gemm g) {
  __shared__ float a[DEPTH][TILE + 1], b[DEPTH][TILE + 1];
  const T* pa = static_cast<const T*>(g.a) + blockIdx.z * g.stride_a;
  const T* pb = static_cast<const T*>(g.b) + blockIdx.z * g.stride_b;
  const T* pu = static_cast<const T*>(g.u);
  const T* pl = static_cast<const T*>(g.l);
  C* pc = static_cast<C*>(g.c) + blockIdx.z * g.stride_c;
  const int m0 = int(blockIdx.y) * TILE, n0 = int(blockIdx.x) * TILE, tid = int(threadIdx.x), row = tid / SIDE, column = tid % SIDE;
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
      if (m >= g.m || n >= g.n) continue;
      float value = g.alpha * sum[i][j];
      if (g.bias) value += to_float(static_cast<const T*>(g.bias)[n]);
      C* c = pc + size_t(m) * g.ldc + n;
      if (g.beta != 0) value += g.beta * to_float(*c);
      *c = from_float<C>(value);
    }
}

template <class T, class C> void launch_plain(const Gemm& g, cudaStream_t stream) {
  auto kernel = gemm_plain<T, C>;
  const dim3 grid(unsigned((g.n + TILE - 1) / TILE), unsigned((g.m + TILE - 1) / TILE), unsigned(g.batch));
  TT_LAUNCH(kernel, grid, dim3(SIDE * SIDE), 0, stream, g);
}

}  // namespace

tt_status gemm(const char* op, const Gpu&, const Gemm& g, cudaStream_t stream) {
  if (g.m == 0 || g.n == 0 || g.batch == 0) return TT_OK;
  if (g.dtype == TT_F32) launch_plain<float, float>(g, stream);
  else if (g.c_dtype == TT_F32) launch_plain<bf16, float>(g, stream);
  else launch_plain<bf16, bf16>(g, stream);
  return launched(op, stream);
}

}  // namespace tt
