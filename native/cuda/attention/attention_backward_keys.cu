// Attention backward on tensor cores, dk and dv: bf16, mma.sync. With an option dq as well, by atomic additions.
//
// A block has a tile of keys of one document and one key head and walks the tiles of queries that see some of them, for every query
// head of the group: dk and dv stay in registers and need no atomics. Scores are computed transposed (keys are rows), so that
// probabilities and their gradients already are A fragments of the products that follow.
#include "attention_mma.cuh"

namespace tt {
namespace attention {
namespace {

template <int D, int QUERIES> constexpr int STAGE_BYTES = QUERIES * D * 4 + QUERIES * 8;  // q and do; lse and delta

/// SPLIT warps share 16 keys and each has its part of the columns of dk and dv: for heads whose accumulators do not fit one warp.
/// `stages` 2: the next queries arrive while these are worked on; 1 where shared memory is small.
template <int D, int QUERIES, int KEYS, int WARPS, int SPLIT, bool ATOMIC> TT_GPU void keys_tile(const Attention& a, int stages) {
  constexpr int THREADS = WARPS * 32, N = QUERIES / 8, C = D / 8 / SPLIT;
  static_assert(KEYS == 16 * WARPS / SPLIT, "a warp has 16 keys");
  TT_DYNAMIC_SHARED(unsigned char, shared);
  unsigned char *const k_tile = shared, *const v_tile = k_tile + KEYS * D * 2, *const ds_tile = v_tile + KEYS * D * 2;  // ds (KEYS, QUERIES)
  unsigned char* const pipeline = ds_tile + (ATOMIC ? KEYS * QUERIES * 2 : 0);
  Tile tile;
  if (!find_tile(tile, a, TILED_KEYS, KEYS, int(blockIdx.x), false)) return;
  const int thread = int(threadIdx.x), lane = thread & 31, warp = thread >> 5, kv_head = int(blockIdx.y);
  const int own_row = warp / SPLIT * 16, own_chunk = warp % SPLIT * C;
  const int q_stride = a.heads * a.size, k_stride = a.kv_heads * a.size;
  const int64_t k_at = int64_t(tile.k0 + tile.row) * k_stride + kv_head * a.size;
  const View view(a, tile);
  const Scores scores(a);
  const LaneAt<D> at(lane);
  const int keys = smaller(KEYS, tile.nk - tile.row);
  int low, high;
  view.query_blocks(tile.row, tile.row + keys - 1, QUERIES, low, high);

  const int end_head = high >= low ? (kv_head + 1) * a.group : 0;  // nothing to walk: no heads
  auto copy_queries = [&](unsigned char* stage, int head, int query) {
    const int64_t from = int64_t(tile.q0 + query) * q_stride + head * a.size;
    copy_rows<QUERIES, D, THREADS>(stage, static_cast<const bf16*>(a.q) + from, q_stride, tile.nq - query, a.size);
    copy_rows<QUERIES, D, THREADS>(stage + QUERIES * D * 2, static_cast<const bf16*>(a.d_o) + from, q_stride, tile.nq - query, a.size);
  };
  // lse and delta travel through registers: read early, put into shared memory late.
  float next_lse = INFINITY, next_delta = 0.f;
  auto read_stats = [&](int head, int query) {
    query += thread;
    next_lse = INFINITY, next_delta = 0.f;  // p is 0 for a query that is not there
    if (thread < QUERIES && query < tile.nq) {
      const int64_t from = int64_t(head) * a.tokens_q + tile.q0 + query;
      next_lse = a.lse[from] * LOG2_E, next_delta = a.delta[from];
    }
  };
  auto put_stats = [&](unsigned char* stage) {
    float* const stats = reinterpret_cast<float*>(stage + QUERIES * D * 4);
    if (thread < QUERIES) stats[thread] = next_lse == -INFINITY ? INFINITY : next_lse, stats[QUERIES + thread] = next_delta;
  };

  float dk[1][C][4], dv[1][C][4];
  clear(dk);
  clear(dv);
  copy_rows<KEYS, D, THREADS>(k_tile, static_cast<const bf16*>(a.k) + k_at, k_stride, keys, a.size);
  copy_rows<KEYS, D, THREADS>(v_tile, static_cast<const bf16*>(a.v) + k_at, k_stride, keys, a.size);
  int head = kv_head * a.group, query0 = low * QUERIES, stage = 0;
  if (head < end_head) {
    copy_queries(pipeline, head, query0);
    read_stats(head, query0);
    put_stats(pipeline);
  }
  copy_async_commit();
  while (head < end_head) {
    copy_async_wait<0>();
    __syncthreads();  // the queries are there; everyone has left those before
    const bool head_done = query0 >= high * QUERIES;
    const int next_head = head + head_done, next_query = head_done ? low * QUERIES : query0 + QUERIES;
    const int next_stage = stages > 1 ? STAGE_BYTES<D, QUERIES> - stage : 0;
    if (next_head < end_head) {
      if (stages > 1) copy_queries(pipeline + next_stage, next_head, next_query);
      read_stats(next_head, next_query);
    }
    copy_async_commit();
    const unsigned char *const q_tile = pipeline + stage, *const do_tile = q_tile + QUERIES * D * 2;
    const float* const stats = reinterpret_cast<const float*>(q_tile + QUERIES * D * 4);
    const int last = smaller(query0 + QUERIES, tile.nq) - 1;
    float p[1][N][4], dp[1][N][4];
    clear(p);
    add_product_transposed<D>(p, k_tile + own_row * D * 2, q_tile, at);
    clear(dp);
    add_product_transposed<D>(dp, v_tile + own_row * D * 2, do_tile, at);

    if (a.softcap > 0) {
      TT_UNROLL
      for (int j = 0; j < N; j++)
        TT_UNROLL
        for (int e = 0; e < 4; e++) p[0][j][e] = tanh_fast(p[0][j][e] * scores.inner);
    }
    const bool masked = !view.sees_all(query0, last, tile.row, KEYS);
    TT_UNROLL
    for (int j = 0; j < N; j++) {
      const int column = j * 8 + (lane & 3) * 2;
      const float2 lse = *reinterpret_cast<const float2*>(stats + column), delta = *reinterpret_cast<const float2*>(stats + QUERIES + column);
      float slope[4] = {1.f, 1.f, 1.f, 1.f};
      if (a.softcap > 0) {
        TT_UNROLL
        for (int e = 0; e < 4; e++) slope[e] = 1.f - p[0][j][e] * p[0][j][e];
      }
      TT_UNROLL
      for (int e = 0; e < 4; e++) {
        p[0][j][e] = exp2_fast(p[0][j][e] * scores.slope - (e & 1 ? lse.y : lse.x));
        dp[0][j][e] = (dp[0][j][e] - (e & 1 ? delta.y : delta.x)) * slope[e];
      }
      if (masked) {
        TT_UNROLL
        for (int e = 0; e < 4; e++)
          if (!view.sees(query0 + column + (e & 1), tile.row + own_row + (e >> 1) * 8 + (lane >> 2))) p[0][j][e] = 0.f;
      }
      TT_UNROLL
      for (int e = 0; e < 4; e++) dp[0][j][e] *= p[0][j][e];
    }
    add_product<D>(dv, p, do_tile, own_chunk, at);
    add_product<D>(dk, dp, q_tile, own_chunk, at);

    if (ATOMIC) {
      TT_UNROLL
      for (int j = 0; j < N; j++)
        TT_UNROLL
        for (int r = 0; r < 2; r++)
          *reinterpret_cast<uint32_t*>(ds_tile + swizzle<N>(own_row + r * 8 + (lane >> 2), j) * 2 + (lane & 3) * 4) = pack_bf16(dp[0][j][r * 2], dp[0][j][r * 2 + 1]);
    }
    if (ATOMIC || stages == 1) __syncthreads();  // ds is complete; everyone has left the queries
    if (next_head < end_head) {
      if (stages == 1) copy_queries(pipeline, next_head, next_query);
      put_stats(pipeline + next_stage);
    }
    copy_async_commit();
    if constexpr (ATOMIC) {  // dq = ds·k: every warp has 16 queries and its part of the columns
      constexpr int ROW_GROUPS = QUERIES / 16, DQ_CHUNKS = D / 8 * ROW_GROUPS / WARPS;
      static_assert(SPLIT == 1, "a warp writes the ds of its own keys");
      const int row = warp % ROW_GROUPS * 16, chunk = warp / ROW_GROUPS * DQ_CHUNKS;
      const LaneAt<QUERIES> ds_at(lane);
      float dq[1][DQ_CHUNKS][4];
      clear(dq);
      TT_UNROLL
      for (int key = 0; key < KEYS; key += 16) {
        uint32_t ds[1][4];
        ldmatrix_x4_trans(ds[0], ds_tile + LaneAt<QUERIES>::step(ds_at.pair, key, row / 8));
        add_step<D>(dq, ds, k_tile, key, chunk, at);
      }
      float* const to = a.dq_sum + int64_t(tile.q0 + query0) * q_stride + head * a.size;
      TT_UNROLL
      for (int j = 0; j < DQ_CHUNKS; j++)
        TT_UNROLL
        for (int e = 0; e < 4; e++) {
          const int query = row + (e >> 1) * 8 + (lane >> 2), d = (chunk + j) * 8 + (lane & 3) * 2 + (e & 1);
          if (query0 + query < tile.nq && d < a.size) atomicAdd(to + query * q_stride + d, dq[0][j][e] * a.scale);
        }
    }
    head = next_head, query0 = next_query, stage = next_stage;
  }
  copy_async_wait<0>();
  __syncthreads();  // everyone has left keys and values: their place holds the result on its way out

  const float dk_factor[2] = {a.scale, a.scale}, dv_factor[2] = {1.f, 1.f};
  put_rows<D>(k_tile, own_row, own_chunk, dk[0], dk_factor, lane);
  put_rows<D>(v_tile, own_row, own_chunk, dv[0], dv_factor, lane);
  __syncwarp();
  const int64_t to = k_at + int64_t(own_row) * k_stride;
  store_rows<16, D, C>(static_cast<bf16*>(a.dk) + to, k_stride, k_tile, own_row, own_chunk, keys - own_row, a.size, lane);
  store_rows<16, D, C>(static_cast<bf16*>(a.dv) + to, k_stride, v_tile, own_row, own_chunk, keys - own_row, a.size, lane);
}

template <int D, int QUERIES, int KEYS, int WARPS, int SPLIT, bool ATOMIC, Generation GPUS>
__global__ void __launch_bounds__(WARPS * 32, 1) keys_kernel(const __grid_constant__ Attention a, int stages) {
  if constexpr (!compiled_here<GPUS>()) never_launched();
  else keys_tile<D, QUERIES, KEYS, WARPS, SPLIT, ATOMIC>(a, stages);
}

template <int D, int QUERIES, int KEYS, int SPLIT, bool ATOMIC, Generation GPUS = EVERY_GPU>
tt_status launch(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream) {
  constexpr int WARPS = 8;
  auto kernel = keys_kernel<D, QUERIES, KEYS, WARPS, SPLIT, ATOMIC, GPUS>;
  constexpr size_t fixed = size_t(KEYS) * D * 4 + (ATOMIC ? KEYS * QUERIES * 2 : 0), stage = STAGE_BYTES<D, QUERIES>;
  const int stages = fixed + 2 * stage <= gpu.shared_per_block ? 2 : 1;
  if (tt_status bad = allow_shared(op, kernel, fixed + size_t(stages) * stage)) return bad;
  TT_LAUNCH(kernel, dim3(most_tiles(a.tokens_k, a.documents, KEYS), unsigned(a.kv_heads)), dim3(WARPS * 32), fixed + size_t(stages) * stage, stream, a, stages);
  return TT_OK;
}

}  // namespace
}  // namespace attention

bool attention_has_atomic_dq(int size) { return size <= 64 || (size > 96 && size <= 128); }

tt_status attention_backward_keys(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream) {
  using namespace attention;
  if (a.dq_sum) {
    if (a.size > 64) return launch<128, 32, 128, 1, true>(op, gpu, a, stream);
    if (gpu.code >= 100) return launch<64, 32, 128, 1, true, BLACKWELL>(op, gpu, a, stream);  // 64 queries spill registers there
    return launch<64, 64, 128, 1, true, BEFORE_BLACKWELL>(op, gpu, a, stream);
  }
  if (a.size <= 64) return launch<64, 64, 128, 1, false>(op, gpu, a, stream);
  if (a.size <= 80) return launch<80, 64, 128, 1, false>(op, gpu, a, stream);
  if (a.size <= 96) return launch<96, 64, 128, 1, false>(op, gpu, a, stream);
  if (a.size <= 128) return launch<128, 48, 128, 1, false>(op, gpu, a, stream);
  return launch<256, 16, 64, 2, false>(op, gpu, a, stream);
}

}  // namespace tt
