// The f32 product on the ordinary units: every product and sum is f32 (the tensor cores' tf32 would keep 10 bits of each factor).
//
// A block of 256 threads makes a SIDE×SIDE tile of c, every thread a square of 4×4 runs. The next K step is read into registers
// while this one is multiplied out of shared memory. Any layout and size; 16-byte loads where the operand allows them.
#include "gemm_task.h"

namespace tt {
namespace {

constexpr int THREADS = 256;

/// One K step of an operand on its way to shared memory: SIDE lanes × DEPTH. K_MAJOR as in gemm_mma.h.
template <int SIDE, int DEPTH, bool K_MAJOR> struct Step {
  static constexpr int RUNS = SIDE * DEPTH / 4 / THREADS;  // of four floats, a thread
  static constexpr int PITCH = SIDE + 4;                   // of a row of shared memory, [DEPTH][PITCH]
  static_assert(RUNS * 4 * THREADS == SIDE * DEPTH, "every thread loads as much");
  float4 run[RUNS];

  /// Row and first column of a run as stored.
  static constexpr int PER_ROW = (K_MAJOR ? SIDE : DEPTH) / 4;
  static TT_GPU int row_of(int i) { return (i * THREADS + int(threadIdx.x)) / PER_ROW; }
  static TT_GPU int column_of(int i) { return (i * THREADS + int(threadIdx.x)) % PER_ROW * 4; }

  TT_GPU void load(const float* source, size_t ld, int lane0, int lanes, int k0, int depth) {
    const bool aligned = (reinterpret_cast<size_t>(source) & 15) == 0 && ld % 4 == 0;
    const int row0 = K_MAJOR ? k0 : lane0, rows = K_MAJOR ? depth : lanes;
    const int column0 = K_MAJOR ? lane0 : k0, columns = K_MAJOR ? lanes : depth;
    TT_UNROLL
    for (int i = 0; i < RUNS; i++) {
      const int row = row0 + row_of(i), column = column0 + column_of(i);
      run[i] = float4{0, 0, 0, 0};
      if (row >= rows || column >= columns) continue;
      const float* from = source + size_t(row) * ld + column;
      if (aligned && column + 4 <= columns) {
        run[i] = *reinterpret_cast<const float4*>(from);
        continue;
      }
      run[i].x = from[0];
      if (column + 1 < columns) run[i].y = from[1];
      if (column + 2 < columns) run[i].z = from[2];
      if (column + 3 < columns) run[i].w = from[3];
    }
  }
  TT_GPU void store(float* shared) const {
    TT_UNROLL
    for (int i = 0; i < RUNS; i++) {
      const int row = row_of(i), column = column_of(i);
      if (K_MAJOR) {
        *reinterpret_cast<float4*>(shared + row * PITCH + column) = run[i];
      } else {
        shared[(column + 0) * PITCH + row] = run[i].x;
        shared[(column + 1) * PITCH + row] = run[i].y;
        shared[(column + 2) * PITCH + row] = run[i].z;
        shared[(column + 3) * PITCH + row] = run[i].w;
      }
    }
  }
};

/// SIDE 128: a thread has 2×2 squares of 4×4, 64 apart; SIDE 64: one.
template <int SIDE, int DEPTH, bool A_K_MAJOR, bool B_K_MAJOR> __global__ void __launch_bounds__(THREADS, 2) gemm_f32_kernel(const __grid_constant__ GemmTask t) {
  constexpr int RUNS = SIDE / 64, EDGE = 4 * RUNS, PITCH = SIDE + 4, SIZE = DEPTH * PITCH;
  static_assert(4 * SIZE >= 32 * SIDE, "32 rows of the finished tile pass through");
  __shared__ float4 shared_runs[SIZE];
  float *const shared = &shared_runs[0].x, *const a_shared = shared, *const b_shared = shared + 2 * SIZE;
  // Depth unrolled: the large tile has no registers left to read ahead with, two blocks a multiprocessor.
  constexpr int AT_ONCE = SIDE == 128 ? 1 : 4;
  const Gemm& g = t.g;
  const TilePlace place = banded_tile(int(blockIdx.x), (g.m + SIDE - 1) / SIDE, (g.n + SIDE - 1) / SIDE);
  const int m0 = place.row * SIDE, n0 = place.column * SIDE;
  const int batch = int(blockIdx.z) / t.splits, split = int(blockIdx.z) % t.splits;
  const float* const a = static_cast<const float*>(g.a) + batch * g.stride_a;
  const float* const b = static_cast<const float*>(g.b) + batch * g.stride_b;

  const int steps = (g.k + DEPTH - 1) / DEPTH, share = (steps + t.splits - 1) / t.splits, first = split * share;
  const int own = first >= steps ? 0 : steps - first < share ? steps - first : share;
  const int total = own + (split == t.splits - 1 ? (g.rank + DEPTH - 1) / DEPTH : 0);

  Step<SIDE, DEPTH, A_K_MAJOR> a_step;
  Step<SIDE, DEPTH, B_K_MAJOR> b_step;
  auto load = [&](int i) {
    const bool second = !A_K_MAJOR && i >= own;
    const int k0 = (second ? i - own : first + i) * DEPTH, depth = second ? g.rank : g.k;
    const size_t lda = second ? size_t(g.rank) : g.lda, ldb = second ? size_t(B_K_MAJOR ? g.n : g.rank) : g.ldb;
    a_step.load(second ? static_cast<const float*>(g.u) : a, lda, m0, g.m, k0, depth);
    b_step.load(second ? static_cast<const float*>(g.l) : b, ldb, n0, g.n, k0, depth);
  };

  float sum[EDGE][EDGE];
  TT_UNROLL
  for (int i = 0; i < EDGE; i++)
    TT_UNROLL
    for (int j = 0; j < EDGE; j++) sum[i][j] = 0;
  const int row = int(threadIdx.x) / 16 * 4, column = int(threadIdx.x) % 16 * 4;

  if (total > 0) {
    load(0);
    a_step.store(a_shared);
    b_step.store(b_shared);
  }
  __syncthreads();
  for (int i = 0; i < total; i++) {
    if (i + 1 < total) load(i + 1);
    const float *from_a = a_shared + (i & 1) * SIZE, *from_b = b_shared + (i & 1) * SIZE;
#pragma unroll AT_ONCE
    for (int k = 0; k < DEPTH; k++) {
      float4 x[RUNS], y[RUNS];
      TT_UNROLL
      for (int r = 0; r < RUNS; r++) {
        x[r] = *reinterpret_cast<const float4*>(from_a + k * PITCH + row + r * 64);
        y[r] = *reinterpret_cast<const float4*>(from_b + k * PITCH + column + r * 64);
      }
      TT_UNROLL
      for (int r = 0; r < RUNS; r++)
        TT_UNROLL
        for (int c = 0; c < RUNS; c++) {
          const float xs[4] = {x[r].x, x[r].y, x[r].z, x[r].w}, ys[4] = {y[c].x, y[c].y, y[c].z, y[c].w};
          TT_UNROLL
          for (int e = 0; e < 4; e++)
            TT_UNROLL
            for (int f = 0; f < 4; f++) sum[r * 4 + e][c * 4 + f] += xs[e] * ys[f];
        }
    }
    if (i + 1 < total) {  // into the other buffer: everyone left it at the barrier before this step
      a_step.store(a_shared + ((i + 1) & 1) * SIZE);
      b_step.store(b_shared + ((i + 1) & 1) * SIZE);
    }
    __syncthreads();
  }

  // The sums pass through shared memory, 32 rows at a time, so that the code that stores them is there once.
  float* const staged = shared;
#pragma unroll 1
  for (int group = 0; group < SIDE / 32; group++) {
    TT_UNROLL
    for (int i = 0; i < EDGE; i++)
      TT_UNROLL
      for (int c = 0; c < RUNS; c++) {
        const int r = row + i / 4 * 64 + i % 4 - group * 32;
        if (r >= 0 && r < 32) *reinterpret_cast<FloatRun*>(staged + r * SIDE + column + c * 64) = FloatRun{{sum[i][c * 4], sum[i][c * 4 + 1], sum[i][c * 4 + 2], sum[i][c * 4 + 3]}};
      }
    __syncthreads();
#pragma unroll 1
    for (int i = int(threadIdx.x); i < 32 * SIDE / 4; i += THREADS) {
      const int r = i / (SIDE / 4), c = i % (SIDE / 4) * 4;
      gemm_finish(t, batch, split, m0 + group * 32 + r, n0 + c, *reinterpret_cast<const FloatRun*>(staged + r * SIDE + c));
    }
    __syncthreads();
  }
}

template <int SIDE, int DEPTH, bool A_K_MAJOR, bool B_K_MAJOR> void launch_f32(const GemmTask& task, cudaStream_t stream) {
  auto kernel = gemm_f32_kernel<SIDE, DEPTH, A_K_MAJOR, B_K_MAJOR>;
  const dim3 grid(unsigned(ceil_div(task.g.m, SIDE)) * unsigned(ceil_div(task.g.n, SIDE)), 1, unsigned(task.g.batch * task.splits));
  TT_LAUNCH(kernel, grid, dim3(THREADS), 0, stream, task);
}

template <int SIDE, int DEPTH> void launch_f32(const GemmTask& task, cudaStream_t stream) {
  if (task.g.trans_a) launch_f32<SIDE, DEPTH, true, true>(task, stream);
  else if (task.g.trans_b) launch_f32<SIDE, DEPTH, false, false>(task, stream);
  else launch_f32<SIDE, DEPTH, false, true>(task, stream);
}

}  // namespace

tt_status gemm_f32(const char*, const Gpu&, const GemmTask& task, GemmTile tile, cudaStream_t stream) {
  if (tile == TILE_128) launch_f32<128, F32_DEPTH_128>(task, stream);
  else launch_f32<64, F32_DEPTH_64>(task, stream);
  return TT_OK;
}

}  // namespace tt
