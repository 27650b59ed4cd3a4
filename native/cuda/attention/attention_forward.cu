// Attention forward on tensor cores (FlashAttention-2, Dao 2023, arXiv 2307.08691): bf16, mma.sync, memory O(T).
//
// A block has a tile of queries of one document and one head and walks the blocks of keys that some of them sees, the last first:
// masked blocks come first, the rest need no test. Keys and values have one buffer each: while the scores are computed the values
// arrive, while softmax and the second product run the next keys do.
#include "attention_mma.cuh"

namespace tt {
namespace attention {
namespace {

template <int D, int QUERIES, int KEYS, int WARPS> TT_GPU void forward_tile(const Attention& a) {
  constexpr int THREADS = WARPS * 32, ROWS = QUERIES / WARPS, M = ROWS / 16, N = KEYS / 8;
  TT_DYNAMIC_SHARED(unsigned char, shared);
  unsigned char *const q_tile = shared, *const k_tile = q_tile + QUERIES * D * 2, *const v_tile = k_tile + KEYS * D * 2;
  Tile tile;
  if (!find_tile(tile, a, TILED_QUERIES, QUERIES, int(blockIdx.x), a.causal)) return;
  const int lane = int(threadIdx.x) & 31, warp = int(threadIdx.x) >> 5, head = int(blockIdx.y), kv_head = head / a.group;
  const int q_stride = a.heads * a.size, k_stride = a.kv_heads * a.size;
  const int64_t q_at = int64_t(tile.q0 + tile.row) * q_stride + head * a.size, k_at = int64_t(tile.k0) * k_stride + kv_head * a.size;
  const bf16 *k = static_cast<const bf16*>(a.k) + k_at, *v = static_cast<const bf16*>(a.v) + k_at;
  const View view(a, tile);
  const Scores scores(a);
  const LaneAt<D> at(lane);
  const int rows = smaller(QUERIES, tile.nq - tile.row), last = tile.row + rows - 1;
  int low, high;
  view.key_blocks(tile.row, last, KEYS, low, high);

  float sum_pv[M][D / 8][4], top[M][2], sum[M][2];  // top: of the raw scores; sum: of this lane's columns
  clear(sum_pv);
  TT_UNROLL
  for (int i = 0; i < M; i++) top[i][0] = top[i][1] = -INFINITY, sum[i][0] = sum[i][1] = 0.f;

  copy_rows<QUERIES, D, THREADS>(q_tile, static_cast<const bf16*>(a.q) + q_at, q_stride, rows, a.size);
  if (high >= low) copy_rows<KEYS, D, THREADS>(k_tile, k + int64_t(high) * KEYS * k_stride, k_stride, tile.nk - high * KEYS, a.size);
  copy_async_commit();
  for (int n = high; n >= low; n--) {
    copy_async_wait<0>();
    __syncthreads();  // the keys are there; everyone has left the values before
    copy_rows<KEYS, D, THREADS>(v_tile, v + int64_t(n) * KEYS * k_stride, k_stride, tile.nk - n * KEYS, a.size);
    copy_async_commit();
    float s[M][N][4];
    clear(s);
    add_product_transposed<D>(s, q_tile + warp * ROWS * D * 2, k_tile, at);
    copy_async_wait<0>();
    __syncthreads();  // the values are there; everyone has left the keys
    if (n > low) copy_rows<KEYS, D, THREADS>(k_tile, k + int64_t(n - 1) * KEYS * k_stride, k_stride, KEYS, a.size);
    copy_async_commit();

    if (a.softcap > 0) {
      TT_UNROLL
      for (int i = 0; i < M; i++)
        TT_UNROLL
        for (int j = 0; j < N; j++)
          TT_UNROLL
          for (int e = 0; e < 4; e++) s[i][j][e] = tanh_fast(s[i][j][e] * scores.inner);
    }
    if (!view.sees_all(tile.row, last, n * KEYS, KEYS)) {
      TT_UNROLL
      for (int i = 0; i < M; i++)
        TT_UNROLL
        for (int j = 0; j < N; j++)
          TT_UNROLL
          for (int e = 0; e < 4; e++) {
            const int query = tile.row + warp * ROWS + i * 16 + (e >> 1) * 8 + (lane >> 2), key = n * KEYS + j * 8 + (lane & 3) * 2 + (e & 1);
            if (!view.sees(query, key)) s[i][j][e] = -INFINITY;
          }
    }
    TT_UNROLL
    for (int i = 0; i < M; i++)
      TT_UNROLL
      for (int r = 0; r < 2; r++) {
        float now = top[i][r];
        TT_UNROLL
        for (int j = 0; j < N; j++) now = fmaxf(now, fmaxf(s[i][j][r * 2], s[i][j][r * 2 + 1]));
        now = fmaxf(now, __shfl_xor_sync(0xffffffffu, now, 1));
        now = fmaxf(now, __shfl_xor_sync(0xffffffffu, now, 2));
        // A row that has seen nothing yet: −∞ − −∞ would be NaN.
        const float reference = now == -INFINITY ? 0.f : now * scores.slope, keep = exp2_fast(top[i][r] * scores.slope - reference);
        top[i][r] = now;
        float added = 0.f;
        TT_UNROLL
        for (int j = 0; j < N; j++)
          TT_UNROLL
          for (int e = r * 2; e < r * 2 + 2; e++) {
            s[i][j][e] = exp2_fast(s[i][j][e] * scores.slope - reference);
            added += s[i][j][e];
          }
        sum[i][r] = sum[i][r] * keep + added;
        TT_UNROLL
        for (int j = 0; j < D / 8; j++) sum_pv[i][j][r * 2] *= keep, sum_pv[i][j][r * 2 + 1] *= keep;
      }
    add_product<D>(sum_pv, s, v_tile, 0, at);
  }
  copy_async_wait<0>();
  __syncthreads();  // everyone's part of the queries' tile has arrived, so it can be written over

  const int row = warp * ROWS;  // this warp's queries are read by nobody else: their place holds the result on its way out
  TT_UNROLL
  for (int i = 0; i < M; i++) {
    float inverse[2];
    TT_UNROLL
    for (int r = 0; r < 2; r++) {
      float total = sum[i][r];
      total += __shfl_xor_sync(0xffffffffu, total, 1);
      total += __shfl_xor_sync(0xffffffffu, total, 2);
      inverse[r] = total == 0.f ? 0.f : 1.f / total;  // NaN stays NaN
      const int query = row + i * 16 + r * 8 + (lane >> 2);
      if ((lane & 3) == 0 && query < rows)
        a.lse[int64_t(head) * a.tokens_q + tile.q0 + tile.row + query] = total == 0.f ? -INFINITY : top[i][r] * scores.slope * LN_2 + logf(total);
    }
    put_rows<D>(q_tile, row + i * 16, 0, sum_pv[i], inverse, lane);
  }
  __syncwarp();
  store_rows<ROWS, D, D / 8>(static_cast<bf16*>(a.o) + q_at + row * q_stride, q_stride, q_tile, row, 0, rows - row, a.size, lane);
}

template <int D, int QUERIES, int KEYS, int WARPS, Generation GPUS> __global__ void __launch_bounds__(WARPS * 32) forward_kernel(const __grid_constant__ Attention a) {
  if constexpr (!compiled_here<GPUS>()) never_launched();
  else forward_tile<D, QUERIES, KEYS, WARPS>(a);
}

template <int D, int QUERIES, int KEYS, int WARPS, Generation GPUS = EVERY_GPU> tt_status launch(const char* op, const Attention& a, cudaStream_t stream) {
  auto kernel = forward_kernel<D, QUERIES, KEYS, WARPS, GPUS>;
  constexpr size_t bytes = size_t(QUERIES + 2 * KEYS) * D * 2;
  if (tt_status bad = allow_shared(op, kernel, bytes)) return bad;
  TT_LAUNCH(kernel, dim3(most_tiles(a.tokens_q, a.documents, QUERIES), unsigned(a.heads)), dim3(WARPS * 32), bytes, stream, a);
  return TT_OK;
}

}  // namespace
}  // namespace attention

tt_status attention_forward_mma(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream) {
  using namespace attention;
  if (a.size <= 64) return launch<64, 128, 64, 4>(op, a, stream);
  if (a.size <= 80) return launch<80, 128, 64, 4>(op, a, stream);
  if (a.size <= 96 && gpu.code >= 100) return launch<96, 128, 32, 4, BLACKWELL>(op, a, stream);  // 48 keys spill registers there
  if (a.size <= 96) return launch<96, 128, 48, 4, BEFORE_BLACKWELL>(op, a, stream);
  if (a.size <= 128) return launch<128, 128, 32, 4>(op, a, stream);
  return launch<256, 64, 32, 4>(op, a, stream);
}

}  // namespace tt
