// Attention backward on tensor cores, dq: bf16, mma.sync; shaped like the forward pass. It computes the scores once more, which is
// what a sum in a fixed order costs. And delta, which both passes read.
#include "attention_mma.cuh"

namespace tt {
namespace attention {
namespace {

/// `stages` 2: the next keys and values arrive while these are worked on; 1 where shared memory is small.
template <int D, int QUERIES, int KEYS, int WARPS> __global__ void __launch_bounds__(WARPS * 32) queries_kernel(const __grid_constant__ Attention a, int stages) {
  constexpr int THREADS = WARPS * 32, N = KEYS / 8, STAGE = KEYS * D * 4;
  static_assert(QUERIES == 16 * WARPS, "a warp has 16 queries");
  TT_DYNAMIC_SHARED(unsigned char, shared);
  unsigned char *const q_tile = shared, *const do_tile = q_tile + QUERIES * D * 2, *const pipeline = do_tile + QUERIES * D * 2;
  Tile tile;
  if (!find_tile(tile, a, TILED_QUERIES, QUERIES, int(blockIdx.x), a.causal)) return;
  const int lane = int(threadIdx.x) & 31, own_row = (int(threadIdx.x) >> 5) * 16, head = int(blockIdx.y), kv_head = head / a.group;
  const int q_stride = a.heads * a.size, k_stride = a.kv_heads * a.size;
  const int64_t q_at = int64_t(tile.q0 + tile.row) * q_stride + head * a.size, k_at = int64_t(tile.k0) * k_stride + kv_head * a.size;
  const View view(a, tile);
  const Scores scores(a);
  const LaneAt<D> at(lane);
  const int rows = smaller(QUERIES, tile.nq - tile.row), last = tile.row + rows - 1;
  int low, high;
  view.key_blocks(tile.row, last, KEYS, low, high);

  auto stage_of = [&](int n) { return pipeline + (n & (stages - 1)) * STAGE; };
  auto copy_keys = [&](int n) {
    const int64_t from = k_at + int64_t(n) * KEYS * k_stride;
    copy_rows<KEYS, D, THREADS>(stage_of(n), static_cast<const bf16*>(a.k) + from, k_stride, tile.nk - n * KEYS, a.size);
    copy_rows<KEYS, D, THREADS>(stage_of(n) + KEYS * D * 2, static_cast<const bf16*>(a.v) + from, k_stride, tile.nk - n * KEYS, a.size);
  };
  float lse[2], delta[2], dq[1][D / 8][4];
  clear(dq);
  TT_UNROLL
  for (int r = 0; r < 2; r++) {
    const int row = own_row + r * 8 + (lane >> 2);
    const int64_t from = int64_t(head) * a.tokens_q + tile.q0 + tile.row + row;
    lse[r] = row < rows ? a.lse[from] * LOG2_E : INFINITY;
    delta[r] = row < rows ? a.delta[from] : 0.f;
    if (lse[r] == -INFINITY) lse[r] = INFINITY;  // sees nothing: p is 0
  }
  copy_rows<QUERIES, D, THREADS>(q_tile, static_cast<const bf16*>(a.q) + q_at, q_stride, rows, a.size);
  copy_rows<QUERIES, D, THREADS>(do_tile, static_cast<const bf16*>(a.d_o) + q_at, q_stride, rows, a.size);
  if (high >= low) copy_keys(high);
  copy_async_commit();
  for (int n = high; n >= low; n--) {
    copy_async_wait<0>();
    __syncthreads();  // keys and values are there; everyone has left those before
    if (n > low && stages > 1) copy_keys(n - 1);
    copy_async_commit();
    const unsigned char *const k_tile = stage_of(n), *const v_tile = k_tile + KEYS * D * 2;
    float s[1][N][4], dp[1][N][4];
    clear(s);
    add_product_transposed<D>(s, q_tile + own_row * D * 2, k_tile, at);
    clear(dp);
    add_product_transposed<D>(dp, do_tile + own_row * D * 2, v_tile, at);
    const bool masked = !view.sees_all(tile.row, last, n * KEYS, KEYS);
    TT_UNROLL
    for (int j = 0; j < N; j++) {
      TT_UNROLL
      for (int e = 0; e < 4; e++) dp[0][j][e] -= delta[e >> 1];
      if (a.softcap > 0) {
        TT_UNROLL
        for (int e = 0; e < 4; e++) {
          s[0][j][e] = tanh_fast(s[0][j][e] * scores.inner);
          dp[0][j][e] *= 1.f - s[0][j][e] * s[0][j][e];
        }
      }
      TT_UNROLL
      for (int e = 0; e < 4; e++) s[0][j][e] = exp2_fast(s[0][j][e] * scores.slope - lse[e >> 1]);
      if (masked) {
        TT_UNROLL
        for (int e = 0; e < 4; e++)
          if (!view.sees(tile.row + own_row + (e >> 1) * 8 + (lane >> 2), n * KEYS + j * 8 + (lane & 3) * 2 + (e & 1))) s[0][j][e] = 0.f;
      }
      TT_UNROLL
      for (int e = 0; e < 4; e++) s[0][j][e] *= dp[0][j][e];
    }
    add_product<D>(dq, s, k_tile, 0, at);
    if (stages == 1) {
      __syncthreads();  // everyone has left keys and values
      if (n > low) copy_keys(n - 1);
      copy_async_commit();
    }
  }
  copy_async_wait<0>();
  __syncthreads();  // the queries' tile is complete also where there were no keys, and can be written over

  const float factor[2] = {a.scale, a.scale};
  put_rows<D>(q_tile, own_row, 0, dq[0], factor, lane);
  __syncwarp();
  store_rows<16, D, D / 8>(static_cast<bf16*>(a.dq) + q_at + int64_t(own_row) * q_stride, q_stride, q_tile, own_row, 0, rows - own_row, a.size, lane);
}

template <int D, int QUERIES, int KEYS, int WARPS> tt_status launch(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream) {
  auto kernel = queries_kernel<D, QUERIES, KEYS, WARPS>;
  constexpr size_t fixed = size_t(QUERIES) * D * 4, stage = size_t(KEYS) * D * 4;
  const int stages = fixed + 2 * stage <= gpu.shared_per_block ? 2 : 1;
  if (tt_status bad = allow_shared(op, kernel, fixed + size_t(stages) * stage)) return bad;
  TT_LAUNCH(kernel, dim3(most_tiles(a.tokens_q, a.documents, QUERIES), unsigned(a.heads)), dim3(WARPS * 32), fixed + size_t(stages) * stage, stream, a, stages);
  return TT_OK;
}

constexpr int ROW_THREADS = 256;

/// delta = Σ do∘o; `lanes` (8, 16 or 32) threads have a row. 16 bytes at a time where rows allow it.
template <class T, bool VECTOR> __global__ void __launch_bounds__(ROW_THREADS) delta_kernel(Attention a, int lanes) {
  constexpr int STEP = VECTOR ? Pack<T>::size : 1;
  const int64_t row = (int64_t(blockIdx.x) * ROW_THREADS + threadIdx.x) / lanes, rows = int64_t(a.tokens_q) * a.heads;
  const int lane = int(threadIdx.x) & (lanes - 1);
  float sum = 0.f;
  if (row < rows) {
    const T *o = static_cast<const T*>(a.o) + row * a.size, *d_o = static_cast<const T*>(a.d_o) + row * a.size;
    for (int d = lane * STEP; d < a.size; d += lanes * STEP) {
      if constexpr (VECTOR) {
        const Pack<T> x = load_pack(o + d), y = load_pack(d_o + d);
        TT_UNROLL
        for (int i = 0; i < STEP; i++) sum += to_float(x.at[i]) * to_float(y.at[i]);
      } else {
        sum += to_float(o[d]) * to_float(d_o[d]);
      }
    }
  }
  for (int o = lanes / 2; o; o /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, o);
  if (lane == 0 && row < rows) a.delta[row % a.heads * a.tokens_q + row / a.heads] = sum;
}

template <class T> void launch_delta(const Attention& a, cudaStream_t stream) {
  const bool vector = a.size % Pack<T>::size == 0 && aligned16(a.o) && aligned16(a.d_o);
  const int lanes = vector && a.size <= 64 ? 8 : vector && a.size <= 128 ? 16 : 32;
  const dim3 grid(unsigned((int64_t(a.tokens_q) * a.heads * lanes + ROW_THREADS - 1) / ROW_THREADS));
  auto wide = delta_kernel<T, true>;
  auto narrow = delta_kernel<T, false>;
  TT_LAUNCH((vector ? wide : narrow), grid, dim3(ROW_THREADS), 0, stream, a, lanes);
}

__global__ void __launch_bounds__(ROW_THREADS) round_kernel(bf16* y, const float* x, size_t n) {
  for (size_t i = blockIdx.x * size_t(ROW_THREADS) + threadIdx.x; i < n; i += size_t(gridDim.x) * ROW_THREADS) y[i] = from_float<bf16>(x[i]);
}

}  // namespace
}  // namespace attention

tt_status attention_delta(const char*, const Gpu&, const Attention& a, cudaStream_t stream) {
  if (a.is_bf16) attention::launch_delta<bf16>(a, stream);
  else attention::launch_delta<float>(a, stream);
  return TT_OK;
}

tt_status attention_backward_queries(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream) {
  using namespace attention;
  if (a.size <= 64) return launch<64, 128, 64, 8>(op, gpu, a, stream);
  if (a.size <= 80) return launch<80, 128, 64, 8>(op, gpu, a, stream);
  if (a.size <= 96) return launch<96, 128, 64, 8>(op, gpu, a, stream);
  if (a.size <= 128) return launch<128, 128, 64, 8>(op, gpu, a, stream);
  return launch<256, 64, 32, 4>(op, gpu, a, stream);
}

tt_status attention_round_dq(const char*, const Gpu& gpu, const Attention& a, cudaStream_t stream) {
  const size_t n = size_t(a.tokens_q) * size_t(a.heads) * size_t(a.size);
  auto kernel = attention::round_kernel;
  TT_LAUNCH(kernel, dim3(grid_for(gpu, n, attention::ROW_THREADS)), dim3(attention::ROW_THREADS), 0, stream, static_cast<bf16*>(a.dq), a.dq_sum, n);
  return TT_OK;
}

}  // namespace tt
