// Attention forward without tensor cores: f32, and bf16 of head sizes and addresses that tensor cores cannot take. And the join
// of what blocks that share the keys of a document leave.
#include "attention_simt.cuh"

namespace tt {
namespace attention {
namespace {

template <int WIDTH> __global__ void __launch_bounds__(Simt<WIDTH>::THREADS, 2) simt_forward(const __grid_constant__ Attention a) {
  using S = Simt<WIDTH>;
  constexpr int M = S::M, N = S::N, ROWS = S::ROWS;
  TT_DYNAMIC_SHARED(float, shared);
  float *const queries = shared, *const keys = queries + S::TILE, *const p = keys + S::TILE;  // the values take the keys' place
  Tile tile;
  if (!find_tile(tile, a, TILED_QUERIES, ROWS, int(blockIdx.x), a.causal)) return;
  const int row = int(threadIdx.x) / S::SHARE, part = int(threadIdx.x) % S::SHARE, head = int(blockIdx.y), kv_head = head / a.group;
  const int64_t q_stride = int64_t(a.heads) * a.size, k_stride = int64_t(a.kv_heads) * a.size;
  const int64_t q_at = int64_t(tile.q0 + tile.row) * q_stride + int64_t(head) * a.size, k_at = int64_t(tile.k0) * k_stride + int64_t(kv_head) * a.size;
  const View view(a, tile);
  const int rows = smaller(ROWS, tile.nq - tile.row), last = tile.row + rows - 1;
  int low, high;
  view.key_blocks(tile.row, last, ROWS, low, high);
  const int split = int(blockIdx.z);
  if (a.splits > 1) take_share(split, a.splits, low, high);

  float sum_pv[M][S::C], top[M], sum[M];
  S::clear(sum_pv);
  TT_UNROLL
  for (int i = 0; i < M; i++) top[i] = -INFINITY, sum[i] = 0.f;
  S::load(queries, a.q, a, q_at, q_stride, rows);
  for (int n = low; n <= high; n++) {
    const int key0 = n * ROWS;
    __syncthreads();
    S::load(keys, a.k, a, k_at + key0 * k_stride, k_stride, tile.nk - key0);
    __syncthreads();
    float s[M][N];
    S::dot(s, queries, keys, a.size, row, part);
    TT_UNROLL
    for (int i = 0; i < M; i++) {
      const int query = tile.row + row + i * 16;
      float now = top[i];
      TT_UNROLL
      for (int j = 0; j < N; j++) {
        s[i][j] = view.sees(query, key0 + part + j * S::SHARE) ? score_of(a, s[i][j]) : -INFINITY;
        now = fmaxf(now, s[i][j]);
      }
      TT_UNROLL
      for (int o = 1; o < S::SHARE; o *= 2) now = fmaxf(now, __shfl_xor_sync(0xffffffffu, now, o));
      const float reference = now == -INFINITY ? 0.f : now, keep = expf(top[i] - reference);
      top[i] = now;
      float added = 0.f;
      TT_UNROLL
      for (int j = 0; j < N; j++) {
        const float e = expf(s[i][j] - reference);
        p[(row + i * 16) * S::P_PITCH + part + j * S::SHARE] = e;
        added += e;
      }
      sum[i] = sum[i] * keep + added;
      TT_UNROLL
      for (int j = 0; j < S::C; j++) sum_pv[i][j] *= keep;
    }
    __syncthreads();
    S::load(keys, a.v, a, k_at + key0 * k_stride, k_stride, tile.nk - key0);
    __syncthreads();
    S::add(sum_pv, p, keys, row, part);
  }

  TT_UNROLL
  for (int i = 0; i < M; i++) {
    float total = sum[i];
    TT_UNROLL
    for (int o = 1; o < S::SHARE; o *= 2) total += __shfl_xor_sync(0xffffffffu, total, o);
    const int query = row + i * 16;
    if (query >= rows) continue;
    if (a.splits > 1) {
      const int64_t line = (int64_t(split) * a.tokens_q + tile.q0 + tile.row + query) * a.heads + head;
      for (int j = 0; j < S::C; j++)
        if (part + j * S::SHARE < a.size) a.partial[line * a.size + part + j * S::SHARE] = sum_pv[i][j];
      if (part == 0) a.stats[line * 2] = top[i], a.stats[line * 2 + 1] = total;
    } else {
      if (part == 0) a.lse[int64_t(head) * a.tokens_q + tile.q0 + tile.row + query] = total == 0.f ? -INFINITY : top[i] + logf(total);
      S::store(a.o, a, q_at + query * q_stride, sum_pv[i], total == 0.f ? 0.f : 1.f / total, part);
    }
  }
}

template <int WIDTH> tt_status launch(const char* op, const Attention& a, cudaStream_t stream) {
  using S = Simt<WIDTH>;
  auto kernel = simt_forward<WIDTH>;
  constexpr size_t bytes = (2 * S::TILE + S::P_TILE) * sizeof(float);
  if (tt_status bad = allow_shared(op, kernel, bytes)) return bad;
  TT_LAUNCH(kernel, dim3(most_tiles(a.tokens_q, a.documents, S::ROWS), unsigned(a.heads), unsigned(a.splits)), dim3(S::THREADS), bytes, stream, a);
  return TT_OK;
}

constexpr int JOIN_WARPS = 4;

/// A warp has one query of one head and adds the splits in their order.
__global__ void __launch_bounds__(JOIN_WARPS * 32, 8) join_kernel(const __grid_constant__ Attention a) {
  const int lane = int(threadIdx.x) & 31;
  const int64_t line = int64_t(blockIdx.x) * JOIN_WARPS + (threadIdx.x >> 5), lines = int64_t(a.tokens_q) * a.heads;
  if (line >= lines) return;
  float top = -INFINITY, sum = 0.f;
  for (int s = 0; s < a.splits; s++) top = fmaxf(top, a.stats[(s * lines + line) * 2]);
  const float reference = top == -INFINITY ? 0.f : top;
  for (int s = 0; s < a.splits; s++) {
    const float* stats = a.stats + (s * lines + line) * 2;
    if (stats[1] != 0.f) sum += stats[1] * expf(stats[0] - reference);
  }
  const float inverse = sum == 0.f ? 0.f : 1.f / sum;
  for (int d = lane; d < a.size; d += 32) {
    float value = 0.f;
    for (int s = 0; s < a.splits; s++) {
      const float* stats = a.stats + (s * lines + line) * 2;
      if (stats[1] != 0.f) value += a.partial[(s * lines + line) * a.size + d] * expf(stats[0] - reference);
    }
    if (a.is_bf16) static_cast<bf16*>(a.o)[line * a.size + d] = from_float<bf16>(value * inverse);
    else static_cast<float*>(a.o)[line * a.size + d] = value * inverse;
  }
  if (lane == 0) a.lse[line % a.heads * a.tokens_q + line / a.heads] = sum == 0.f ? -INFINITY : reference + logf(sum);
}

}  // namespace
}  // namespace attention

tt_status attention_forward_simt(const char* op, const Gpu&, const Attention& a, cudaStream_t stream) {
  using namespace attention;
  return a.size <= 64 ? launch<64>(op, a, stream) : a.size <= 128 ? launch<128>(op, a, stream) : launch<256>(op, a, stream);
}

tt_status attention_join(const char*, const Gpu&, const Attention& a, cudaStream_t stream) {
  auto kernel = attention::join_kernel;
  const int64_t lines = int64_t(a.tokens_q) * a.heads;
  TT_LAUNCH(kernel, dim3(unsigned((lines + attention::JOIN_WARPS - 1) / attention::JOIN_WARPS)), dim3(attention::JOIN_WARPS * 32), 0, stream, a);
  return TT_OK;
}

}  // namespace tt
