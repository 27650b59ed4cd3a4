// Tiles of bf16 in shared memory and their products by mma.sync, for attention. Fragments of m16n8k16: PTX ISA; an accumulator
// pair (16 rows, 16 columns) rounded to bf16 has the very shape of an A fragment, which is what attention lives on.
#pragma once
#include "attention_tiles.cuh"

namespace tt {
namespace attention {

/// Which GPUs launch an instance of a kernel: where it is never launched its code is left out.
enum Generation { EVERY_GPU, BEFORE_BLACKWELL, BLACKWELL };
template <Generation GPUS> TT_HOST_DEVICE constexpr bool compiled_here() {
#if defined(__CUDA_ARCH__)
  return GPUS == EVERY_GPU || (GPUS == BLACKWELL) == (__CUDA_ARCH__ >= 1000);
#else
  return true;
#endif
}

TT_GPU void never_launched() {
#if defined(__CUDA_ARCH__)
  __trap();
#endif
}

/// Where a lane reads with ldmatrix in a swizzled tile whose rows are WIDTH elements: byte offsets. Rows go in steps of 8, chunks
/// (8 elements) in steps of 2, so the swizzle of the lane's own row is a constant and a step is one xor and an immediate.
template <int WIDTH> struct LaneAt {
  static constexpr int CHUNKS = WIDTH / 8, FLIPPED = CHUNKS % 8 == 0 ? 7 : CHUNKS % 4 == 0 ? 3 : 1;
  static_assert(CHUNKS % 2 == 0, "chunks are read in pairs");
  int square;  // 16 rows × 16: A stored [m][k]; with .trans B stored [k][n]
  int pair;    // the same with rows 8…15 in lanes 16…31: B stored [n][k]; with .trans A stored [k][m]
  TT_GPU explicit LaneAt(int lane)
      : square(swizzle<CHUNKS>(lane & 15, lane >> 4) * 2), pair(swizzle<CHUNKS>((lane & 7) + ((lane >> 4) << 3), (lane >> 3) & 1) * 2) {}
  static TT_GPU int step(int at, int rows, int chunk) { return (at ^ ((chunk & FLIPPED) << 4)) + ((chunk & ~FLIPPED) << 4) + rows * WIDTH * 2; }
};

template <int M, int N> TT_GPU void clear(float (&c)[M][N][4]) {
  TT_UNROLL
  for (int i = 0; i < M; i++)
    TT_UNROLL
    for (int j = 0; j < N; j++)
      TT_UNROLL
      for (int e = 0; e < 4; e++) c[i][j][e] = 0.f;
}

/// c[·][j], c[·][j+1] += a·b for a B fragment pair of 16 columns.
template <int M, int N> TT_GPU void multiply_pair(float (&c)[M][N][4], int j, const uint32_t (&a)[M][4], const uint32_t (&b)[4]) {
  const uint32_t left[2] = {b[0], b[1]}, right[2] = {b[2], b[3]};
  TT_UNROLL
  for (int i = 0; i < M; i++) {
    mma_bf16(c[i][j], a[i], left);
    mma_bf16(c[i][j + 1], a[i], right);
  }
}

/// c (16M, 8N) += a·bᵀ over WIDTH; both tiles have WIDTH elements a row.
template <int WIDTH, int M, int N> TT_GPU void add_product_transposed(float (&c)[M][N][4], const unsigned char* a, const unsigned char* b, const LaneAt<WIDTH>& at) {
  static_assert(N % 2 == 0, "column tiles are loaded in pairs");
  using L = LaneAt<WIDTH>;
  TT_UNROLL
  for (int k = 0; k < WIDTH / 8; k += 2) {
    uint32_t fa[M][4], fb[4];
    TT_UNROLL
    for (int i = 0; i < M; i++) ldmatrix_x4(fa[i], a + L::step(at.square, i * 16, k));
    TT_UNROLL
    for (int j = 0; j < N; j += 2) {
      ldmatrix_x4(fb, b + L::step(at.pair, j * 8, k));
      multiply_pair(c, j, fa, fb);
    }
  }
}

/// c (16M, 8N) += a·b for one step of 16: b stored [k][n] from row `row`, columns from `chunk`.
template <int WIDTH, int M, int N>
TT_GPU void add_step(float (&c)[M][N][4], const uint32_t (&a)[M][4], const unsigned char* b, int row, int chunk, const LaneAt<WIDTH>& at) {
  static_assert(N % 2 == 0, "column tiles are loaded in pairs");
  TT_UNROLL
  for (int j = 0; j < N; j += 2) {
    uint32_t fb[4];
    ldmatrix_x4_trans(fb, b + LaneAt<WIDTH>::step(at.square, row, chunk + j));
    multiply_pair(c, j, a, fb);
  }
}

/// c (16M, 8N) += bf16(p)·b with p (16M, 8K) in accumulators, rounded step by step: never a whole array.
template <int WIDTH, int M, int N, int K>
TT_GPU void add_product(float (&c)[M][N][4], const float (&p)[M][K][4], const unsigned char* b, int chunk, const LaneAt<WIDTH>& at) {
  static_assert(K % 2 == 0, "a step is 16 deep");
  TT_UNROLL
  for (int k = 0; k < K; k += 2) {
    uint32_t fa[M][4];
    TT_UNROLL
    for (int i = 0; i < M; i++) {
      fa[i][0] = pack_bf16(p[i][k][0], p[i][k][1]);
      fa[i][1] = pack_bf16(p[i][k][2], p[i][k][3]);
      fa[i][2] = pack_bf16(p[i][k + 1][0], p[i][k + 1][1]);
      fa[i][3] = pack_bf16(p[i][k + 1][2], p[i][k + 1][3]);
    }
    add_step<WIDTH>(c, fa, b, k * 8, chunk, at);
  }
}

/// A tile of ROWS rows from rows `from`, `from` + stride …, in the background; rows at or past `rows` and columns at or past `size` are zero.
template <int ROWS, int WIDTH, int THREADS> TT_GPU void copy_rows(unsigned char* tile, const bf16* from, int stride, int rows, int size, int thread = int(threadIdx.x)) {
  constexpr int CHUNKS = WIDTH / 8;
  TT_UNROLL
  for (int i = thread; i < ROWS * CHUNKS; i += THREADS) {
    const int row = i / CHUNKS, chunk = i % CHUNKS;
    copy_async16(tile + swizzle<CHUNKS>(row, chunk) * 2, from + row * stride + chunk * 8, row < rows && chunk * 8 < size);
  }
}

/// Rounds an accumulator (16 rows) times `factor[0]` (rows 0…7) or `factor[1]` into a tile from row `row` and column tile `chunk`.
template <int WIDTH, int N> TT_GPU void put_rows(unsigned char* tile, int row, int chunk, const float (&c)[N][4], const float (&factor)[2], int lane) {
  TT_UNROLL
  for (int j = 0; j < N; j++)
    TT_UNROLL
    for (int r = 0; r < 2; r++)
      *reinterpret_cast<uint32_t*>(tile + swizzle<WIDTH / 8>(row + r * 8 + (lane >> 2), chunk + j) * 2 + (lane & 3) * 4) =
          pack_bf16(c[j][r * 2] * factor[r], c[j][r * 2 + 1] * factor[r]);
}

/// A warp writes ROWS rows of a tile from row `row`, chunks `chunk` … +CHUNKS, 16 bytes a lane; only `rows` rows and `size` columns exist.
template <int ROWS, int WIDTH, int CHUNKS> TT_GPU void store_rows(bf16* to, int stride, const unsigned char* tile, int row, int chunk, int rows, int size, int lane) {
  for (int i = lane; i < ROWS * CHUNKS; i += 32) {
    const int r = i / CHUNKS, c = chunk + i % CHUNKS;
    if (r < rows && c * 8 < size)
      store_pack(to + r * stride + c * 8, *reinterpret_cast<const Pack<bf16>*>(tile + swizzle<WIDTH / 8>(row + r, c) * 2));
  }
}

}  // namespace attention
}  // namespace tt
