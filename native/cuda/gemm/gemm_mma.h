// The bf16 tensor-core product by mma.sync, sm_80 and newer: the kernel of gemm_mma.cu and gemm_thin.cu.
//
// A block makes one BM×BN tile of c. Its K steps of depth BK pass through a ring of STAGES buffers in shared memory, filled by
// cp.async; every warp multiplies its WM×WN part out of ldmatrix fragments. Operands lie as they come: a (m,k) or (k,m), b (n,k)
// or (k,n) — only the ldmatrix flavour differs. Leading dimensions are multiples of 8 elements and bases 16-byte aligned.
#pragma once
#include "gemm_task.h"

namespace tt {

/// WM×WN = 64×64 wherever it fits: smaller warp tiles read more shared memory per product than the tensor cores can hide.
/// RESIDENT: blocks a multiprocessor is to hold at a time, which bounds the registers.
template <int BM_, int BN_, int BK_, int STAGES_, int WM_, int WN_, int RESIDENT_> struct MmaTile {
  static constexpr int BM = BM_, BN = BN_, BK = BK_, STAGES = STAGES_, WM = WM_, WN = WN_, RESIDENT = RESIDENT_;
  static constexpr int WARPS_N = BN / WN, THREADS = (BM / WM) * WARPS_N * 32;
  static constexpr int A_SIZE = BM * BK, B_SIZE = BN * BK;  // elements of a stage
  static constexpr int SHARED = STAGES * (A_SIZE + B_SIZE) * 2;
  static_assert(SHARED >= WM * BN * 4, "the finished tile passes through the stages");
  static_assert(BM % WM == 0 && BN % WN == 0 && WM % 16 == 0 && WN % 16 == 0 && BK % 16 == 0, "whole fragments");
};

/// Starts the copy of SIDE lanes × DEPTH of an operand: lanes from `lane0` of `lanes`, depth from `k0` of `depth`; zeros outside.
/// Lanes are rows of op(a) or columns of op(b). K_MAJOR: element (lane, k) lies at source[k·ld + lane], else at source[lane·ld + k].
template <int SIDE, int DEPTH, int THREADS, bool K_MAJOR>
TT_GPU void copy_operand(uint16_t* tile, const uint16_t* source, size_t ld, int lane0, int lanes, int k0, int depth) {
  constexpr int CHUNKS = (K_MAJOR ? SIDE : DEPTH) / 8, ROWS = K_MAJOR ? DEPTH : SIDE, STEP = THREADS / CHUNKS;
  static_assert(THREADS % CHUNKS == 0 && ROWS % STEP == 0, "every thread copies the same chunks of every row it has");
  const int row0 = K_MAJOR ? k0 : lane0, rows = K_MAJOR ? depth : lanes;
  const int column0 = K_MAJOR ? lane0 : k0, columns = K_MAJOR ? lanes : depth;
  const int row = int(threadIdx.x) / CHUNKS, chunk = int(threadIdx.x) % CHUNKS, column = column0 + chunk * 8;
  const uint16_t* from = source + size_t(row0 + row) * ld + column;
  TT_UNROLL
  for (int r = 0; r < ROWS; r += STEP) {
    const bool inside = row0 + row + r < rows && column < columns;
    copy_async16(tile + swizzle<CHUNKS>(row + r, chunk), inside ? from + size_t(r) * ld : source, inside);
  }
}

/// Where run `run` (4 floats) of row `row` of the finished tile lies in shared memory. The xor spreads the 8 rows of a fragment over
/// the banks.
template <int BN> TT_GPU int staged_run(int row, int run) { return row * BN + (run ^ (BN >= 32 ? 2 * (row & 3) : row & 2)) * 4; }

template <class Tile, bool A_K_MAJOR, bool B_K_MAJOR>
__global__ void __launch_bounds__(Tile::THREADS, Tile::RESIDENT) gemm_mma_kernel(const __grid_constant__ GemmTask t) {
  constexpr int BM = Tile::BM, BN = Tile::BN, BK = Tile::BK, STAGES = Tile::STAGES;
  constexpr int M_FRAGMENTS = Tile::WM / 16, N_FRAGMENTS = Tile::WN / 8, K_STEPS = BK / 16;
  constexpr int A_CHUNKS = (A_K_MAJOR ? BM : BK) / 8, B_CHUNKS = (B_K_MAJOR ? BN : BK) / 8;
  TT_DYNAMIC_SHARED(uint16_t, shared);
  uint16_t *const a_stages = shared, *const b_stages = shared + STAGES * Tile::A_SIZE;
  const Gemm& g = t.g;
  const int lane = int(threadIdx.x) & 31, warp = int(threadIdx.x) >> 5;
  const int warp_m = warp / Tile::WARPS_N * Tile::WM, warp_n = warp % Tile::WARPS_N * Tile::WN;
  const TilePlace place = banded_tile(int(blockIdx.x), (g.m + BM - 1) / BM, (g.n + BN - 1) / BN);
  const int m0 = place.row * BM, n0 = place.column * BN;
  const int batch = int(blockIdx.z) / t.splits, split = int(blockIdx.z) % t.splits;
  const uint16_t* const a = static_cast<const uint16_t*>(g.a) + batch * g.stride_a;
  const uint16_t* const b = static_cast<const uint16_t*>(g.b) + batch * g.stride_b;

  // K steps of this block: its share of the depth, and in the last split those of u·l.
  const int steps = (g.k + BK - 1) / BK, share = (steps + t.splits - 1) / t.splits, first = split * share;
  const int own = first >= steps ? 0 : steps - first < share ? steps - first : share;
  const int total = own + (split == t.splits - 1 ? (g.rank + BK - 1) / BK : 0);

  auto load = [&](int i) {  // step i into its stage
    if (i < total) {
      uint16_t *to_a = a_stages + i % STAGES * Tile::A_SIZE, *to_b = b_stages + i % STAGES * Tile::B_SIZE;
      if (i < own) {
        copy_operand<BM, BK, Tile::THREADS, A_K_MAJOR>(to_a, a, g.lda, m0, g.m, (first + i) * BK, g.k);
        copy_operand<BN, BK, Tile::THREADS, B_K_MAJOR>(to_b, b, g.ldb, n0, g.n, (first + i) * BK, g.k);
      } else if (!A_K_MAJOR) {
        const int k0 = (i - own) * BK;
        copy_operand<BM, BK, Tile::THREADS, false>(to_a, static_cast<const uint16_t*>(g.u), size_t(g.rank), m0, g.m, k0, g.rank);
        copy_operand<BN, BK, Tile::THREADS, B_K_MAJOR>(to_b, static_cast<const uint16_t*>(g.l), size_t(B_K_MAJOR ? g.n : g.rank), n0, g.n, k0, g.rank);
      }
    }
    copy_async_commit();  // empty groups too: the wait below counts them
  };

  uint32_t a_fragments[2][M_FRAGMENTS][4], b_fragments[2][N_FRAGMENTS][2];
  auto read_fragments = [&](int buffer, int stage, int k_step) {
    const uint16_t *from_a = a_stages + stage * Tile::A_SIZE, *from_b = b_stages + stage * Tile::B_SIZE;
    TT_UNROLL
    for (int i = 0; i < M_FRAGMENTS; i++) {
      const int m = warp_m + i * 16;
      if (A_K_MAJOR) ldmatrix_x4_trans(a_fragments[buffer][i], from_a + swizzle<A_CHUNKS>(k_step * 16 + (lane & 7) + (lane >> 4) * 8, m / 8 + ((lane >> 3) & 1)));
      else ldmatrix_x4(a_fragments[buffer][i], from_a + swizzle<A_CHUNKS>(m + (lane & 15), k_step * 2 + (lane >> 4)));
    }
    TT_UNROLL
    for (int j = 0; j < N_FRAGMENTS; j += 2) {  // one ldmatrix feeds two neighbours
      const int n = warp_n + j * 8;
      uint32_t two[4];
      if (B_K_MAJOR) ldmatrix_x4_trans(two, from_b + swizzle<B_CHUNKS>(k_step * 16 + (lane & 15), n / 8 + (lane >> 4)));
      else ldmatrix_x4(two, from_b + swizzle<B_CHUNKS>(n + (lane & 7) + (lane >> 4) * 8, k_step * 2 + ((lane >> 3) & 1)));
      b_fragments[buffer][j][0] = two[0];
      b_fragments[buffer][j][1] = two[1];
      b_fragments[buffer][j + 1][0] = two[2];
      b_fragments[buffer][j + 1][1] = two[3];
    }
  };

  float sum[M_FRAGMENTS][N_FRAGMENTS][4];
  TT_UNROLL
  for (int i = 0; i < M_FRAGMENTS; i++)
    TT_UNROLL
    for (int j = 0; j < N_FRAGMENTS; j++)
      TT_UNROLL
      for (int e = 0; e < 4; e++) sum[i][j][e] = 0;

  TT_UNROLL
  for (int s = 0; s < STAGES - 1; s++) load(s);
  for (int i = 0; i < total; i++) {
    copy_async_wait<STAGES - 2>();  // this thread's part of step i is there
    __syncthreads();                // everyone's is; and everyone is done with step i − 1, whose stage is filled again now
    load(i + STAGES - 1);
    read_fragments(0, i % STAGES, 0);
    TT_UNROLL
    for (int k = 0; k < K_STEPS; k++) {
      // The next fragments are on their way while these are multiplied; inline assembly is not reordered by the compiler.
      if (k + 1 < K_STEPS) read_fragments((k + 1) & 1, i % STAGES, k + 1);
      TT_UNROLL
      for (int m = 0; m < M_FRAGMENTS; m++)
        TT_UNROLL
        for (int n = 0; n < N_FRAGMENTS; n++) mma_bf16(sum[m][n], a_fragments[k & 1][m], b_fragments[k & 1][n]);
    }
  }
  copy_async_wait<0>();
  __syncthreads();  // the stages are free: the sums pass through them, so that c is read and written 16 bytes at a time

  // One row of warps at a time. A lane has rows lane/4 and lane/4 + 8, columns 2·(lane%4) and the next, of every 16×8 piece.
  constexpr int ROWS = Tile::WM;
  float* const tile = reinterpret_cast<float*>(shared);
#pragma unroll 1
  for (int first_row = 0; first_row < BM; first_row += ROWS) {
    if (warp_m == first_row) {
      TT_UNROLL
      for (int i = 0; i < M_FRAGMENTS; i++)
        TT_UNROLL
        for (int half = 0; half < 2; half++)
          TT_UNROLL
          for (int j = 0; j < N_FRAGMENTS; j++) {
            const int row = i * 16 + half * 8 + (lane >> 2), column = warp_n + j * 8 + (lane & 3) * 2;
            *reinterpret_cast<float2*>(tile + staged_run<BN>(row, column / 4) + column % 4) = float2{sum[i][j][half * 2], sum[i][j][half * 2 + 1]};
          }
    }
    __syncthreads();
#pragma unroll 1
    for (int i = int(threadIdx.x); i < ROWS * BN / 4; i += Tile::THREADS) {
      // Neighbouring threads take neighbours in c: along a row, or down a column when c is turned.
      const int row = t.swapped ? i % ROWS : i / (BN / 4), run = t.swapped ? i / ROWS : i % (BN / 4), m = m0 + first_row + row;
      if (m >= g.m || n0 + run * 4 >= g.n) continue;
      FloatRun sums = *reinterpret_cast<const FloatRun*>(tile + staged_run<BN>(row, run));
      gemm_mask_run(t, m, n0 + run * 4, sums);
      gemm_finish(t, batch, split, m, n0 + run * 4, sums);
    }
    __syncthreads();
  }
}

template <class Tile, bool A_K_MAJOR, bool B_K_MAJOR> tt_status launch_mma(const char* op, const GemmTask& task, cudaStream_t stream) {
  auto kernel = gemm_mma_kernel<Tile, A_K_MAJOR, B_K_MAJOR>;
  if (tt_status bad = allow_shared(op, kernel, Tile::SHARED)) return bad;
  const dim3 grid(unsigned(ceil_div(task.g.m, Tile::BM)) * unsigned(ceil_div(task.g.n, Tile::BN)), 1, unsigned(task.g.batch * task.splits));
  TT_LAUNCH(kernel, grid, dim3(Tile::THREADS), Tile::SHARED, stream, task);
  return TT_OK;
}

/// The three layouts; gemm() exchanges the operands of the fourth, aᵀ·bᵀ.
template <class Tile> tt_status launch_mma(const char* op, const GemmTask& task, cudaStream_t stream) {
  if (task.g.trans_a) return launch_mma<Tile, true, true>(op, task, stream);
  return task.g.trans_b ? launch_mma<Tile, false, false>(op, task, stream) : launch_mma<Tile, false, true>(op, task, stream);
}

}  // namespace tt
