// Attention backward without tensor cores: f32, and bf16 of head sizes and addresses that tensor cores cannot take. Sums in a fixed order.
#include "attention_simt.cuh"

namespace tt {
namespace attention {
namespace {

/// Probabilities and gradients of scores of a pair of tiles: p[row][column] and ds[row][column], with rows of `x` and columns of `y`.
/// TRANSPOSED: rows are keys, columns queries.
template <int WIDTH, bool TRANSPOSED>
TT_GPU void score_gradients(float* p, float* ds, const float* x, const float* dx, const float* y, const float* dy, const float* lse, const float* delta,
                            const Attention& a, const View& view, int row0, int column0) {
  using S = Simt<WIDTH>;
  const int row = int(threadIdx.x) / S::SHARE, part = int(threadIdx.x) % S::SHARE;
  float s[S::M][S::N], dp[S::M][S::N];
  S::dot(s, x, y, a.size, row, part);
  S::dot(dp, dx, dy, a.size, row, part);
  TT_UNROLL
  for (int i = 0; i < S::M; i++)
    TT_UNROLL
    for (int j = 0; j < S::N; j++) {
      const int r = row + i * 16, c = part + j * S::SHARE, query = TRANSPOSED ? c : r;
      const bool seen = TRANSPOSED ? view.sees(column0 + c, row0 + r) : view.sees(row0 + r, column0 + c);
      const float score = score_of(a, s[i][j]), e = seen ? expf(score - lse[query]) : 0.f;
      if (p) p[r * S::P_PITCH + c] = e;
      ds[r * S::P_PITCH + c] = seen ? e * (dp[i][j] - delta[query]) * slope_of(a, score) : 0.f;
    }
}

/// lse and delta of a tile of queries; a query that is not there or sees nothing gets +∞: its p is 0.
template <int WIDTH> TT_GPU void load_stats(float* lse, float* delta, const Attention& a, int64_t from, int rows) {
  const int i = int(threadIdx.x);
  if (i >= Simt<WIDTH>::ROWS) return;
  const float value = i < rows ? a.lse[from + i] : INFINITY;
  lse[i] = value == -INFINITY ? INFINITY : value;
  delta[i] = i < rows ? a.delta[from + i] : 0.f;
}

/// Shared memory: four tiles, two of scores, two rows of statistics.
template <int WIDTH> struct Shared {
  using S = Simt<WIDTH>;
  float *own, *own_grad, *other, *other_grad, *p, *ds, *lse, *delta;
  static constexpr size_t BYTES = (4 * S::TILE + 2 * S::P_TILE + 2 * S::ROWS) * sizeof(float);
  TT_GPU explicit Shared(float* at)
      : own(at), own_grad(own + S::TILE), other(own_grad + S::TILE), other_grad(other + S::TILE), p(other_grad + S::TILE), ds(p + S::P_TILE),
        lse(ds + S::P_TILE), delta(lse + S::ROWS) {}
};

template <int WIDTH> __global__ void __launch_bounds__(Simt<WIDTH>::THREADS, 2) simt_keys(const __grid_constant__ Attention a) {
  using S = Simt<WIDTH>;
  TT_DYNAMIC_SHARED(float, memory);
  const Shared<WIDTH> shared(memory);
  Tile tile;
  if (!find_tile(tile, a, TILED_KEYS, S::ROWS, int(blockIdx.x), false)) return;
  const int row = int(threadIdx.x) / S::SHARE, part = int(threadIdx.x) % S::SHARE, kv_head = int(blockIdx.y);
  const int64_t q_stride = int64_t(a.heads) * a.size, k_stride = int64_t(a.kv_heads) * a.size;
  const int64_t k_at = int64_t(tile.k0 + tile.row) * k_stride + int64_t(kv_head) * a.size;
  const View view(a, tile);
  const int keys = smaller(S::ROWS, tile.nk - tile.row);
  int low, high;
  view.query_blocks(tile.row, tile.row + keys - 1, S::ROWS, low, high);
  float dk[S::M][S::C], dv[S::M][S::C];
  S::clear(dk);
  S::clear(dv);
  S::load(shared.own, a.k, a, k_at, k_stride, keys);
  S::load(shared.own_grad, a.v, a, k_at, k_stride, keys);
  for (int head = kv_head * a.group; head < (kv_head + 1) * a.group; head++)
    for (int n = low; n <= high; n++) {
      const int query0 = n * S::ROWS;
      const int64_t q_at = int64_t(tile.q0 + query0) * q_stride + int64_t(head) * a.size;
      __syncthreads();
      S::load(shared.other, a.q, a, q_at, q_stride, tile.nq - query0);
      S::load(shared.other_grad, a.d_o, a, q_at, q_stride, tile.nq - query0);
      load_stats<WIDTH>(shared.lse, shared.delta, a, int64_t(head) * a.tokens_q + tile.q0 + query0, tile.nq - query0);
      __syncthreads();
      score_gradients<WIDTH, true>(shared.p, shared.ds, shared.own, shared.own_grad, shared.other, shared.other_grad, shared.lse, shared.delta, a, view,
                                   tile.row, query0);
      __syncthreads();
      S::add(dv, shared.p, shared.other_grad, row, part);
      S::add(dk, shared.ds, shared.other, row, part);
    }
  TT_UNROLL
  for (int i = 0; i < S::M; i++) {
    const int key = row + i * 16;
    if (key >= keys) continue;
    S::store(a.dk, a, k_at + key * k_stride, dk[i], a.scale, part);
    S::store(a.dv, a, k_at + key * k_stride, dv[i], 1.f, part);
  }
}

template <int WIDTH> __global__ void __launch_bounds__(Simt<WIDTH>::THREADS, 2) simt_queries(const __grid_constant__ Attention a) {
  using S = Simt<WIDTH>;
  TT_DYNAMIC_SHARED(float, memory);
  const Shared<WIDTH> shared(memory);
  Tile tile;
  if (!find_tile(tile, a, TILED_QUERIES, S::ROWS, int(blockIdx.x), a.causal)) return;
  const int row = int(threadIdx.x) / S::SHARE, part = int(threadIdx.x) % S::SHARE, head = int(blockIdx.y), kv_head = head / a.group;
  const int64_t q_stride = int64_t(a.heads) * a.size, k_stride = int64_t(a.kv_heads) * a.size;
  const int64_t q_at = int64_t(tile.q0 + tile.row) * q_stride + int64_t(head) * a.size;
  const View view(a, tile);
  const int rows = smaller(S::ROWS, tile.nq - tile.row);
  int low, high;
  view.key_blocks(tile.row, tile.row + rows - 1, S::ROWS, low, high);
  float dq[S::M][S::C];
  S::clear(dq);
  S::load(shared.own, a.q, a, q_at, q_stride, rows);
  S::load(shared.own_grad, a.d_o, a, q_at, q_stride, rows);
  load_stats<WIDTH>(shared.lse, shared.delta, a, int64_t(head) * a.tokens_q + tile.q0 + tile.row, rows);
  for (int n = low; n <= high; n++) {
    const int key0 = n * S::ROWS;
    const int64_t k_at = int64_t(tile.k0 + key0) * k_stride + int64_t(kv_head) * a.size;
    __syncthreads();
    S::load(shared.other, a.k, a, k_at, k_stride, tile.nk - key0);
    S::load(shared.other_grad, a.v, a, k_at, k_stride, tile.nk - key0);
    __syncthreads();
    score_gradients<WIDTH, false>(nullptr, shared.ds, shared.own, shared.own_grad, shared.other, shared.other_grad, shared.lse, shared.delta, a, view, tile.row,
                                  key0);
    __syncthreads();
    S::add(dq, shared.ds, shared.other, row, part);
  }
  TT_UNROLL
  for (int i = 0; i < S::M; i++)
    if (row + i * 16 < rows) S::store(a.dq, a, q_at + (row + i * 16) * q_stride, dq[i], a.scale, part);
}

template <int WIDTH> tt_status launch(const char* op, const Attention& a, cudaStream_t stream) {
  using S = Simt<WIDTH>;
  auto keys = simt_keys<WIDTH>;
  auto queries = simt_queries<WIDTH>;
  constexpr size_t bytes = Shared<WIDTH>::BYTES;
  if (tt_status bad = allow_shared(op, keys, bytes)) return bad;
  if (tt_status bad = allow_shared(op, queries, bytes)) return bad;
  if (a.tokens_k > 0) TT_LAUNCH(keys, dim3(most_tiles(a.tokens_k, a.documents, S::ROWS), unsigned(a.kv_heads)), dim3(S::THREADS), bytes, stream, a);
  if (a.tokens_q > 0) TT_LAUNCH(queries, dim3(most_tiles(a.tokens_q, a.documents, S::ROWS), unsigned(a.heads)), dim3(S::THREADS), bytes, stream, a);
  return TT_OK;
}

}  // namespace
}  // namespace attention

tt_status attention_backward_simt(const char* op, const Gpu&, const Attention& a, cudaStream_t stream) {
  using namespace attention;
  return a.size <= 64 ? launch<64>(op, a, stream) : a.size <= 128 ? launch<128>(op, a, stream) : launch<256>(op, a, stream);
}

}  // namespace tt
