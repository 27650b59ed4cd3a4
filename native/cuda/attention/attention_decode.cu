// Attention forward for few queries and many keys (generation), on tensor cores: the work is to read keys and values once.
//
// A block has 16 rows: queries of one document times heads of one key head's group, so that the group shares what is read. Its warps
// take blocks of 16 keys in turn, each with its own maximum and sums and its own two buffers, without waiting for one another;
// at the end they join in the order of the warps. With `splits` the keys are dealt to as many blocks, which join_kernel joins.
#include "attention_mma.cuh"

namespace tt {
namespace attention {
namespace {

constexpr int ROWS = 16, KEYS = 16;

/// Heads of a group that a block takes, and queries.
TT_HOST_DEVICE int heads_per_block(const Attention& a) { return a.group < ROWS ? a.group : ROWS; }
TT_HOST_DEVICE int queries_per_block(const Attention& a) { return ROWS / heads_per_block(a); }
TT_HOST_DEVICE int blocks_per_group(const Attention& a) { return (a.group + ROWS - 1) / ROWS; }

template <int D, int WARPS> __global__ void __launch_bounds__(WARPS * 32) decode_kernel(const __grid_constant__ Attention a) {
  constexpr int THREADS = WARPS * 32, TILE = ROWS * D * 2;  // bytes; keys and values have as many rows
  static_assert(KEYS == ROWS, "one size of tiles");
  TT_DYNAMIC_SHARED(unsigned char, shared);
  __shared__ float warp_top[WARPS][ROWS], warp_sum[WARPS][ROWS];
  const int thread = int(threadIdx.x), lane = thread & 31, warp = thread >> 5;
  unsigned char *const q_tile = shared, *const own = q_tile + TILE + warp * 4 * TILE;  // two stages of keys and values
  Tile tile;
  if (!find_tile(tile, a, TILED_QUERIES, queries_per_block(a), int(blockIdx.x), false)) return;
  const int per_block = heads_per_block(a), kv_head = int(blockIdx.y) / blocks_per_group(a), split = int(blockIdx.z);
  const int first_head = kv_head * a.group + int(blockIdx.y) % blocks_per_group(a) * per_block;
  const int heads = smaller(per_block, (kv_head + 1) * a.group - first_head), queries = smaller(queries_per_block(a), tile.nq - tile.row);
  const int k_stride = a.kv_heads * a.size;
  const int64_t k_at = int64_t(tile.k0) * k_stride + kv_head * a.size;
  const View view(a, tile);
  const Scores scores(a);
  const LaneAt<D> at(lane);
  int low, high;
  view.key_blocks(tile.row, tile.row + queries - 1, KEYS, low, high);
  if (a.splits > 1) take_share(split, a.splits, low, high);

  /// Row `row` is a query and head that exist; then `line` is its place in a (tokens, heads) table.
  auto line_of = [&](int row, int64_t& line) {
    const int query = row / per_block, head = row % per_block;
    line = int64_t(tile.q0 + tile.row + query) * a.heads + first_head + head;
    return query < queries && head < heads;
  };
  auto copy_keys = [&](int n, int stage) {
    const int64_t from = k_at + int64_t(n) * KEYS * k_stride;
    copy_rows<KEYS, D, 32>(own + stage * 2 * TILE, static_cast<const bf16*>(a.k) + from, k_stride, tile.nk - n * KEYS, a.size, lane);
    copy_rows<KEYS, D, 32>(own + stage * 2 * TILE + TILE, static_cast<const bf16*>(a.v) + from, k_stride, tile.nk - n * KEYS, a.size, lane);
  };

  for (int i = thread; i < ROWS * (D / 8); i += THREADS) {
    const int row = i / (D / 8), chunk = i % (D / 8);
    int64_t line;
    const bool there = line_of(row, line);
    copy_async16(q_tile + swizzle<D / 8>(row, chunk) * 2, static_cast<const bf16*>(a.q) + line * a.size + chunk * 8, there && chunk * 8 < a.size);
  }
  copy_async_commit();
  copy_async_wait<0>();
  __syncthreads();

  float sum_pv[1][D / 8][4], top[2] = {-INFINITY, -INFINITY}, sum[2] = {0.f, 0.f};
  clear(sum_pv);
  int stage = 0;
  if (low + warp <= high) copy_keys(low + warp, 0);
  copy_async_commit();
  for (int n = low + warp; n <= high; n += WARPS) {
    if (n + WARPS <= high) copy_keys(n + WARPS, stage ^ 1);
    copy_async_commit();
    copy_async_wait<1>();
    __syncwarp();  // every lane's part of keys and values is there
    const unsigned char *const k_tile = own + stage * 2 * TILE, *const v_tile = k_tile + TILE;
    float s[1][2][4];
    clear(s);
    add_product_transposed<D>(s, q_tile, k_tile, at);
    TT_UNROLL
    for (int r = 0; r < 2; r++) {
      const int query = tile.row + (r * 8 + (lane >> 2)) / per_block;
      float now = top[r];
      TT_UNROLL
      for (int j = 0; j < 2; j++)
        TT_UNROLL
        for (int e = r * 2; e < r * 2 + 2; e++) {
          float& x = s[0][j][e];
          if (a.softcap > 0) x = tanh_fast(x * scores.inner);
          if (!view.sees(query, n * KEYS + j * 8 + (lane & 3) * 2 + (e & 1))) x = -INFINITY;
          now = fmaxf(now, x);
        }
      now = fmaxf(now, __shfl_xor_sync(0xffffffffu, now, 1));
      now = fmaxf(now, __shfl_xor_sync(0xffffffffu, now, 2));
      const float reference = now == -INFINITY ? 0.f : now * scores.slope, keep = exp2_fast(top[r] * scores.slope - reference);
      top[r] = now;
      float added = 0.f;
      TT_UNROLL
      for (int j = 0; j < 2; j++)
        TT_UNROLL
        for (int e = r * 2; e < r * 2 + 2; e++) {
          s[0][j][e] = exp2_fast(s[0][j][e] * scores.slope - reference);
          added += s[0][j][e];
        }
      sum[r] = sum[r] * keep + added;
      TT_UNROLL
      for (int j = 0; j < D / 8; j++) sum_pv[0][j][r * 2] *= keep, sum_pv[0][j][r * 2 + 1] *= keep;
    }
    add_product<D>(sum_pv, s, v_tile, 0, at);
    __syncwarp();  // every lane has left this stage: the block after the next may come
    stage ^= 1;
  }
  copy_async_wait<0>();

  // The sums take the place of this warp's own keys and values: f32 (ROWS, D).
  static_assert(ROWS * D * 4 <= 4 * TILE, "the sums fit");
  TT_UNROLL
  for (int r = 0; r < 2; r++) {
    const int row = r * 8 + (lane >> 2);
    float total = sum[r];
    total += __shfl_xor_sync(0xffffffffu, total, 1);
    total += __shfl_xor_sync(0xffffffffu, total, 2);
    if ((lane & 3) == 0) warp_top[warp][row] = top[r] * scores.slope, warp_sum[warp][row] = total;
    TT_UNROLL
    for (int j = 0; j < D / 8; j++)
      *reinterpret_cast<float2*>(own + (row * D + j * 8 + (lane & 3) * 2) * 4) = {sum_pv[0][j][r * 2], sum_pv[0][j][r * 2 + 1]};
  }
  __syncthreads();

  for (int i = thread; i < ROWS * D; i += THREADS) {
    const int row = i / D, d = i % D;
    int64_t line;
    if (!line_of(row, line) || d >= a.size) continue;
    float most = -INFINITY, total = 0.f, value = 0.f;
    TT_UNROLL
    for (int w = 0; w < WARPS; w++) most = fmaxf(most, warp_top[w][row]);
    const float reference = most == -INFINITY ? 0.f : most;
    TT_UNROLL
    for (int w = 0; w < WARPS; w++) {
      const float weight = exp2_fast(warp_top[w][row] - reference);  // 0 for a warp that saw nothing
      total += warp_sum[w][row] * weight;
      value += reinterpret_cast<const float*>(q_tile + TILE + w * 4 * TILE)[i] * weight;
    }
    if (a.splits > 1) {
      const int64_t place = int64_t(split) * a.tokens_q * a.heads + line;
      a.partial[place * a.size + d] = value;
      if (d == 0) a.stats[place * 2] = most * LN_2, a.stats[place * 2 + 1] = total;
    } else {
      static_cast<bf16*>(a.o)[line * a.size + d] = from_float<bf16>(total == 0.f ? 0.f : value / total);
      if (d == 0) a.lse[line % a.heads * a.tokens_q + line / a.heads] = total == 0.f ? -INFINITY : reference * LN_2 + logf(total);
    }
  }
}

template <int D, int WARPS> tt_status launch(const char* op, const Attention& a, cudaStream_t stream) {
  auto kernel = decode_kernel<D, WARPS>;
  constexpr size_t bytes = size_t(1 + 4 * WARPS) * ROWS * D * 2;
  if (tt_status bad = allow_shared(op, kernel, bytes)) return bad;
  const dim3 grid(most_tiles(a.tokens_q, a.documents, queries_per_block(a)), unsigned(a.kv_heads * blocks_per_group(a)), unsigned(a.splits));
  TT_LAUNCH(kernel, grid, dim3(WARPS * 32), bytes, stream, a);
  return TT_OK;
}

}  // namespace
}  // namespace attention

tt_status attention_decode_mma(const char* op, const Gpu&, const Attention& a, cudaStream_t stream) {
  using namespace attention;
  return a.size <= 64 ? launch<64, 4>(op, a, stream) : a.size <= 128 ? launch<128, 4>(op, a, stream) : launch<256, 2>(op, a, stream);
}

}  // namespace tt
