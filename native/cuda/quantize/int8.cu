// Products of activations rounded to int8: LLM.int8 (Dettmers et al. 2022, arXiv 2208.07339) and BitLinear with many rows.
//
// y = (int32 sums)·scales + columns of x too large to round + bias + LoRA, rounded once. The outlier columns are found and
// listed on the device; nothing waits for their number.
#include "quantized.h"

namespace tt {
namespace {

// ---- outlier columns ------------------------------------------------------------------------------------------------------

constexpr int COLUMN_THREADS = 256, ROWS_A_BLOCK = 64;

/// outlier[c] = 1 when some |x[·,c]| ≥ threshold; zeroed before. Every writer writes the same.
template <class T> __global__ void __launch_bounds__(COLUMN_THREADS) mark_outliers_kernel(uint8_t* outlier, const T* x, int rows, int cols, float threshold) {
  const int c = int(blockIdx.x) * COLUMN_THREADS + int(threadIdx.x);
  if (c >= cols) return;
  bool found = false;
  for (int start = int(blockIdx.y) * ROWS_A_BLOCK; start < rows; start += int(gridDim.y) * ROWS_A_BLOCK)
    for (int r = start; r < start + ROWS_A_BLOCK && r < rows; r++) found |= fabsf(to_float(x[size_t(r) * cols + c])) >= threshold;
  if (found) outlier[c] = 1;
}

/// The outlier columns in ascending order, so that sums over them have one order. One block.
constexpr int LIST_THREADS = 1024;
__global__ void __launch_bounds__(LIST_THREADS) list_outliers_kernel(int32_t* list, int32_t* count, const uint8_t* outlier, int cols) {
  __shared__ int warp_counts[LIST_THREADS / 32];
  const int lane = int(threadIdx.x & 31), warp = int(threadIdx.x >> 5);
  int listed = 0;
  for (int start = 0; start < cols; start += LIST_THREADS) {
    const int c = start + int(threadIdx.x);
    const bool is_outlier = c < cols && outlier[c];
    const uint32_t votes = __ballot_sync(0xffffffffu, is_outlier);
    if (lane == 0) warp_counts[warp] = __popc(votes);
    __syncthreads();
    int before = listed;
    for (int w = 0; w < LIST_THREADS / 32; w++) {
      if (w == warp) before = listed;
      listed += warp_counts[w];
    }
    if (is_outlier) list[before + __popc(votes & ((1u << lane) - 1u))] = c;
    __syncthreads();
  }
  if (threadIdx.x == 0) count[0] = listed;
}

// ---- the tile kernel ----------------------------------------------------------------------------------------------------------

// mma.m16n8k32 takes its operands as ldmatrix gives them for bf16, two int8 in place of one bf16: the tiles of the bf16 product,
// seen as bytes. 8 warps, 2 down and 4 across.
constexpr int BM = 128, BN = 128, BK = 64;  // BK in bytes
constexpr int STAGES = 4, WARPS = 8, THREADS = WARPS * 32;
constexpr int CHUNKS = BK / 16;             // 16-byte pieces of a tile's row
constexpr int TILE_BYTES = BM * BK;         // of each side: BM == BN
constexpr int WARP_M = 64, WARP_N = 32, M16 = WARP_M / 16, N8 = WARP_N / 8;
constexpr size_t SHARED_BYTES = size_t(STAGES) * 2 * TILE_BYTES;
static_assert(BM == BN, "one loader for both sides");

/// Chunk k0/16 … of rows first … of a matrix with `stride` bytes a row into a tile; zeros outside.
TT_GPU void load_tile(uint8_t* tile, const int8_t* from, int first, int rows, int stride, int k0) {
  TT_UNROLL
  for (int i = 0; i < BM * CHUNKS / THREADS; i++) {
    const int piece = int(threadIdx.x) + i * THREADS, r = piece / CHUNKS, chunk = piece % CHUNKS, k = k0 + chunk * 16;
    const bool inside = first + r < rows && k < stride;
    copy_async16(tile + swizzle<CHUNKS>(r, chunk) * 2, inside ? from + size_t(first + r) * stride + k : from, inside);
  }
}

/// sums += u·vᵀ for `depth` columns given by two functions, DEPTH at a time through shared memory: for the thin products.
constexpr int DEPTH = 16;
struct ThinTiles {
  float u[DEPTH][BM], v[DEPTH][BN];
};
static_assert(sizeof(ThinTiles) <= SHARED_BYTES, "the thin products reuse the memory of the tiles");
template <class U, class V> TT_GPU void add_thin_product(float (&sums)[M16][N8][4], ThinTiles& tiles, int depth, int first_m, int first_n, U u, V v) {
  for (int d0 = 0; d0 < depth; d0 += DEPTH) {
    __syncthreads();
    for (int i = int(threadIdx.x); i < DEPTH * BM; i += THREADS) {
      const int r = i / DEPTH, d = i % DEPTH;
      tiles.u[d][r] = d0 + d < depth ? u(r, d0 + d) : 0.f;
      tiles.v[d][r] = d0 + d < depth ? v(r, d0 + d) : 0.f;
    }
    __syncthreads();
    for (int d = 0; d < DEPTH; d++)
      TT_UNROLL
      for (int j = 0; j < N8; j++) {
        const float v0 = tiles.v[d][first_n + j * 8], v1 = tiles.v[d][first_n + j * 8 + 1];
        TT_UNROLL
        for (int i = 0; i < M16; i++) {
          const float u0 = tiles.u[d][first_m + i * 16], u1 = tiles.u[d][first_m + i * 16 + 8];
          sums[i][j][0] += u0 * v0;
          sums[i][j][1] += u0 * v1;
          sums[i][j][2] += u1 * v0;
          sums[i][j][3] += u1 * v1;
        }
      }
  }
}

/// RUNS: the weight has several scales a row, so the counts of each run of columns are scaled when the run ends.
template <class T, bool RUNS> __global__ void __launch_bounds__(THREADS, 1) int8_tiles_kernel(Int8Product p) {
  TT_DYNAMIC_SHARED(uint8_t, shared);
  const int lane = int(threadIdx.x & 31), warp = int(threadIdx.x >> 5);
  const int across = (p.out + BN - 1) / BN, m0 = int(blockIdx.x) / across * BM, n0 = int(blockIdx.x) % across * BN;
  const int warp_m = warp / 4 * WARP_M, warp_n = warp % 4 * WARP_N;
  const int8_t* w = static_cast<const int8_t*>(p.w);
  const int tiles = (p.stride + BK - 1) / BK;
  uint8_t* x_tiles = shared;
  uint8_t* w_tiles = shared + STAGES * TILE_BYTES;
  const auto load_stage = [&](int tile) {
    if (tile < tiles) {
      load_tile(x_tiles + tile % STAGES * TILE_BYTES, p.x, m0, p.rows, p.stride, tile * BK);
      load_tile(w_tiles + tile % STAGES * TILE_BYTES, w, n0, p.out, p.stride, tile * BK);
    }
    copy_async_commit();  // also when empty, so that the count of groups stays the count of tiles
  };

  const int first_m = warp_m + (lane >> 2), first_n = warp_n + (lane & 3) * 2;  // of this thread, inside the block's tile
  int counts[M16][N8][4] = {};
  float sums[M16][N8][4] = {};
  for (int tile = 0; tile < STAGES - 1; tile++) load_stage(tile);
  for (int tile = 0; tile < tiles; tile++) {
    copy_async_wait<STAGES - 2>();
    __syncthreads();  // the tile is there, and everyone has left the stage that is loaded next
    load_stage(tile + STAGES - 1);
    const uint8_t* x_tile = x_tiles + tile % STAGES * TILE_BYTES;
    const uint8_t* w_tile = w_tiles + tile % STAGES * TILE_BYTES;
    TT_UNROLL
    for (int k = 0; k < CHUNKS; k += 2) {
      uint32_t a[M16][4], b[N8 / 2][4];
      TT_UNROLL
      for (int i = 0; i < M16; i++) ldmatrix_x4(a[i], x_tile + swizzle<CHUNKS>(warp_m + i * 16 + (lane & 15), k + (lane >> 4)) * 2);
      TT_UNROLL
      for (int j = 0; j < N8 / 2; j++)
        ldmatrix_x4(b[j], w_tile + swizzle<CHUNKS>(warp_n + j * 16 + (lane & 7) + 8 * (lane >> 4), k + (lane >> 3 & 1)) * 2);
      TT_UNROLL
      for (int i = 0; i < M16; i++)
        TT_UNROLL
        for (int j = 0; j < N8; j++) {
          const uint32_t pair[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
          mma_int8(counts[i][j], a[i], pair);
        }
    }
    if (RUNS && (tile + 1) * BK % p.run == 0)
      TT_UNROLL
      for (int j = 0; j < N8; j++)
        TT_UNROLL
        for (int e = 0; e < 4; e++) {
          const int n = n0 + first_n + j * 8 + (e & 1);
          const float scale = n < p.out ? p.scale[size_t(n) * p.runs + tile * BK / p.run] : 0.f;
          TT_UNROLL
          for (int i = 0; i < M16; i++) {
            sums[i][j][e] += float(counts[i][j][e]) * scale;
            counts[i][j][e] = 0;
          }
        }
  }
  copy_async_wait<0>();

  TT_UNROLL
  for (int i = 0; i < M16; i++)
    TT_UNROLL
    for (int e = 0; e < 2; e++) {
      const int m = m0 + first_m + i * 16 + e * 8;
      const float row_scale = m < p.rows ? p.absmax[m] * (1.f / 127.f) : 0.f;
      TT_UNROLL
      for (int j = 0; j < N8; j++)
        TT_UNROLL
        for (int f = 0; f < 2; f++) sums[i][j][e * 2 + f] = (RUNS ? sums[i][j][e * 2 + f] : float(counts[i][j][e * 2 + f])) * row_scale;
    }
  ThinTiles& thin = *reinterpret_cast<ThinTiles*>(shared);
  if (p.outliers) {
    // Still before the weight's scale, which both parts have in common.
    const T* exact = static_cast<const T*>(p.x_exact);
    add_thin_product(
        sums, thin, p.outlier_count[0], first_m, first_n,
        [&](int r, int d) { return m0 + r < p.rows ? to_float(exact[size_t(m0 + r) * p.in + p.outliers[d]]) : 0.f; },
        [&](int r, int d) { return n0 + r < p.out ? float(w[size_t(n0 + r) * p.stride + p.outliers[d]]) : 0.f; });
  }
  TT_UNROLL
  for (int j = 0; j < N8; j++)
    TT_UNROLL
    for (int f = 0; f < 2; f++) {
      const int n = n0 + first_n + j * 8 + f;
      const float scale = n < p.out ? weight_scale(p, n) : 0.f;
      TT_UNROLL
      for (int i = 0; i < M16; i++) {
        sums[i][j][f] *= scale;
        sums[i][j][2 + f] *= scale;
      }
    }
  const LinearTail& tail = p.tail;
  if (tail.rank)
    add_thin_product(
        sums, thin, tail.rank, first_m, first_n,
        [&](int r, int d) { return m0 + r < p.rows ? tail.lora_scale * tail.xa[size_t(m0 + r) * tail.rank + d] : 0.f; },
        [&](int r, int d) { return n0 + r < p.out ? tail.lora_b[size_t(n0 + r) * tail.rank + d] : 0.f; });

  T* y = static_cast<T*>(p.y);
  TT_UNROLL
  for (int j = 0; j < N8; j++)
    TT_UNROLL
    for (int f = 0; f < 2; f++) {
      const int n = n0 + first_n + j * 8 + f;
      if (n >= p.out) continue;
      const float bias = tail.bias ? to_float(static_cast<const T*>(tail.bias)[n]) : 0.f;
      TT_UNROLL
      for (int i = 0; i < M16; i++)
        TT_UNROLL
        for (int e = 0; e < 2; e++) {
          const int m = m0 + first_m + i * 16 + e * 8;
          if (m < p.rows) y[size_t(m) * p.out + n] = from_float<T>(sums[i][j][e * 2 + f] + bias);
        }
    }
}

/// Rows of the weight with zeros up to a multiple of 16 bytes, for sizes that 16-byte loads cannot take.
__global__ void __launch_bounds__(COLUMN_THREADS) pad_rows_kernel(int8_t* y, const int8_t* x, int rows, int cols, int stride) {
  for (int row = int(blockIdx.x); row < rows; row += int(gridDim.x))
    for (int c = int(threadIdx.x); c < stride; c += COLUMN_THREADS) y[size_t(row) * stride + c] = c < cols ? x[size_t(row) * cols + c] : int8_t(0);
}

template <class T, bool RUNS> tt_status launch_tiles(const char* op, const Int8Product& p, cudaStream_t stream) {
  const size_t blocks = ((size_t(p.rows) + BM - 1) / BM) * ((size_t(p.out) + BN - 1) / BN);
  TT_REQUIRE(blocks <= INT32_MAX, "%s: %d rows by %d outputs are too many for one call", op, p.rows, p.out);
  auto kernel = int8_tiles_kernel<T, RUNS>;
  if (tt_status bad = allow_shared(op, kernel, SHARED_BYTES)) return bad;
  TT_LAUNCH(kernel, dim3(unsigned(blocks)), dim3(THREADS), SHARED_BYTES, stream, p);
  return launched(op, stream);
}

template <class T>
void mark_and_list(uint8_t* outlier, int32_t* list, int32_t* count, const T* x, int rows, int cols, float threshold, cudaStream_t stream) {
  const int row_blocks = (rows + ROWS_A_BLOCK - 1) / ROWS_A_BLOCK;
  const dim3 grid(unsigned((cols + COLUMN_THREADS - 1) / COLUMN_THREADS), unsigned(row_blocks < 65535 ? row_blocks : 65535));
  auto mark = mark_outliers_kernel<T>;
  TT_LAUNCH(mark, grid, dim3(COLUMN_THREADS), 0, stream, outlier, x, rows, cols, threshold);
  auto make_list = list_outliers_kernel;
  TT_LAUNCH(make_list, dim3(1), dim3(LIST_THREADS), 0, stream, list, count, outlier, cols);
}

}  // namespace

tt_status int8_linear(const char* op, const Gpu& gpu, void* y, const void* x, const QuantizedWeight& w, const LinearTail& tail, int rows, int in, int out,
                      float threshold, tt_dtype dtype, cudaStream_t stream) {
  constexpr int MOST_IN = 131072;  // 127·127·in must fit in int32
  TT_REQUIRE(in <= MOST_IN, "%s: in must be at most %d for a product of int8, got %d", op, MOST_IN, in);
  const int stride = (in + 15) & ~15;
  const bool trits = w.kind == TT_TERNARY, few = rows <= FEW_ROWS, fits = stride == in && aligned16(w.data);
  const bool in_place = fits && (few || !trits);  // the weight is multiplied as it lies; else a copy is made
  Int8Product p = {};
  p.y = y;
  p.scale = static_cast<const float*>(w.scale);
  p.ternary = trits;
  p.runs = w.runs;
  p.run = w.run;
  p.rows = rows;
  p.out = out;
  p.stride = stride;
  p.in = in;
  p.x_exact = x;
  p.tail = tail;

  Scratch x_memory(stream), scale_memory(stream), weight_memory(stream), list_memory(stream), mark_memory(stream);
  const size_t x_bytes = size_t(rows) * stride, scale_bytes = size_t(rows) * sizeof(float), list_bytes = (size_t(in) + 1) * sizeof(int32_t);
  if (!x_memory.reserve(x_bytes) || !scale_memory.reserve(scale_bytes)) return no_memory(op, x_bytes + scale_bytes);
  if (threshold > 0 && !trits) {
    if (!list_memory.reserve(list_bytes) || !mark_memory.reserve(size_t(in))) return no_memory(op, list_bytes + size_t(in));
    int32_t* list = list_memory.as<int32_t>();
    TT_CUDA(op, cudaMemsetAsync(mark_memory.as<uint8_t>(), 0, size_t(in), stream));
    if (dtype == TT_F32) mark_and_list(mark_memory.as<uint8_t>(), list, list + in, static_cast<const float*>(x), rows, in, threshold, stream);
    else mark_and_list(mark_memory.as<uint8_t>(), list, list + in, static_cast<const bf16*>(x), rows, in, threshold, stream);
    p.outliers = list;
    p.outlier_count = list + in;
  }
  if (tt_status bad = quantize_rows(op, gpu, x_memory.as<int8_t>(), stride, scale_memory.as<float>(), x, mark_memory.as<uint8_t>(), rows, in, dtype, stream))
    return bad;
  p.x = x_memory.as<int8_t>();
  p.absmax = scale_memory.as<float>();
  p.w = w.data;
  if (!in_place) {
    const size_t weight_bytes = size_t(out) * stride;
    if (!weight_memory.reserve(weight_bytes)) return no_memory(op, weight_bytes);
    int8_t* copy = weight_memory.as<int8_t>();
    p.w = copy;
    if (trits) {
      if (tt_status bad = expand_trits(op, gpu, copy, stride, static_cast<const uint8_t*>(w.data), out, in, stream)) return bad;
    } else {
      auto kernel = pad_rows_kernel;
      TT_LAUNCH(kernel, dim3(grid_for(gpu, size_t(out), 1)), dim3(COLUMN_THREADS), 0, stream, copy, static_cast<const int8_t*>(w.data), out, in, stride);
    }
  }
  if (few && (in_place || p.runs <= 1)) return int8_rows(op, gpu, p, trits && in_place, dtype, stream);
  if (p.runs > 1) return dtype == TT_F32 ? launch_tiles<float, true>(op, p, stream) : launch_tiles<bf16, true>(op, p, stream);
  return dtype == TT_F32 ? launch_tiles<float, false>(op, p, stream) : launch_tiles<bf16, false>(op, p, stream);
}

}  // namespace tt
