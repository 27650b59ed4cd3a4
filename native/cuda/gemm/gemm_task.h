// Between gemm.cu, which chooses a kernel, and the kernels: what a kernel is given and how it hands its sums over.
#pragma once
#include "gemm.h"

namespace tt {

/// A product as one kernel does it.
struct GemmTask {
  /// With a and b, m and n, u and l exchanged when `swapped`; c, bias and copy stay as the caller gave them.
  Gemm g;
  /// The kernel computes cᵀ = op(b)ᵀ·op(a)ᵀ: for results with few rows, whose b then lies on the wide side of the tile.
  bool swapped = false;
  /// Four neighbours in a row of c (and copy, and the partial sums) may be stored by one instruction.
  bool wide = false;
  /// The depth is shared by this many blocks; their sums meet in `partial`, [batch][split][m][n] as c lies, and are added in order.
  int splits = 1;
  float* partial = nullptr;
};

// ---- the end of every kernel --------------------------------------------------------------------------------------

struct alignas(16) FloatRun { float at[4]; };

TT_GPU float gemm_element(const void* p, size_t i, tt_dtype dtype) {
  return dtype == TT_F32 ? static_cast<const float*>(p)[i] : to_float(static_cast<const bf16*>(p)[i]);
}
TT_GPU void gemm_store(void* p, size_t i, float value, tt_dtype dtype) {
  if (dtype == TT_F32) static_cast<float*>(p)[i] = value;
  else static_cast<bf16*>(p)[i] = from_float<bf16>(value);
}
TT_GPU FloatRun gemm_load_run(const void* p, size_t i, tt_dtype dtype) {
  if (dtype == TT_F32) return *reinterpret_cast<const FloatRun*>(static_cast<const float*>(p) + i);
  const uint2 packed = *reinterpret_cast<const uint2*>(static_cast<const bf16*>(p) + i);
  return {{low_bf16(packed.x), high_bf16(packed.x), low_bf16(packed.y), high_bf16(packed.y)}};
}
TT_GPU void gemm_store_run(void* p, size_t i, const FloatRun& value, tt_dtype dtype) {
  if (dtype == TT_F32) *reinterpret_cast<FloatRun*>(static_cast<float*>(p) + i) = value;
  else *reinterpret_cast<uint2*>(static_cast<bf16*>(p) + i) = uint2{pack_bf16(value.at[0], value.at[1]), pack_bf16(value.at[2], value.at[3])};
}

/// c[row, column] = alpha·sum + bias + beta·c, rounded once; row and column as c lies.
TT_GPU void gemm_write(const Gemm& g, int batch, int row, int column, float sum) {
  const size_t at = batch * g.stride_c + size_t(row) * g.ldc + column;
  float value = g.alpha * sum;
  if (g.bias) value += gemm_element(g.bias, size_t(column), g.dtype);
  if (g.beta != 0) value += g.beta * gemm_element(g.c, at, g.c_dtype);
  gemm_store(g.c, at, value, g.c_dtype);
  if (g.copy) gemm_store(g.copy, size_t(row) * g.ld_copy + column, value, g.dtype);
}

/// The sum, or 0 where the mask drops it; row and column as c lies.
TT_GPU float gemm_masked(const Gemm& g, int row, int column, float sum) {
  if (!g.drop_below) return sum;
  const uint64_t i = g.rng.offset + uint64_t(row) * uint64_t(g.n) + uint64_t(column);
  const Philox4 four = philox_block(g.rng, i >> 2);
  const uint32_t pick = uint32_t(i) & 3, word = pick == 0 ? four.word[0] : pick == 1 ? four.word[1] : pick == 2 ? four.word[2] : four.word[3];
  return word < g.drop_below ? 0.f : sum;
}

/// One finished sum at (row, column) of the kernel's product.
TT_GPU void gemm_finish_one(const GemmTask& t, int batch, int split, int row, int column, float sum) {
  const int r = t.swapped ? column : row, c = t.swapped ? row : column;
  if (!t.partial) return gemm_write(t.g, batch, r, c, sum);
  const size_t m = size_t(t.swapped ? t.g.n : t.g.m), n = size_t(t.swapped ? t.g.m : t.g.n);
  t.partial[((size_t(batch) * t.splits + split) * m + r) * n + c] = sum;
}

/// Drops of four finished sums those that the mask does not keep; a masked product is never turned.
TT_GPU void gemm_mask_run(const GemmTask& t, int row, int column, FloatRun& sum) {
  if (!t.g.drop_below || t.partial) return;
  uint32_t words[4];
  philox_words(words, t.g.rng, uint64_t(row) * uint64_t(t.g.n) + uint64_t(column));
  TT_UNROLL
  for (int i = 0; i < 4; i++)
    if (words[i] < t.g.drop_below) sum.at[i] = 0;
}

/// Four finished sums from `column` (a multiple of 4), neighbours in a row of the kernel's product; those outside are dropped.
TT_GPU void gemm_finish(const GemmTask& t, int batch, int split, int row, int column, const FloatRun& sum) {
  const Gemm& g = t.g;
  if (row >= g.m || column >= g.n) return;
  if (!t.wide) {
    TT_UNROLL
    for (int i = 0; i < 4; i++)
      if (column + i < g.n) gemm_finish_one(t, batch, split, row, column + i, sum.at[i]);
    return;
  }
  if (t.partial) {
    *reinterpret_cast<FloatRun*>(t.partial + ((size_t(batch) * t.splits + split) * g.m + row) * g.n + column) = sum;
    return;
  }
  const size_t at = batch * g.stride_c + size_t(row) * g.ldc + column;
  FloatRun value;
  TT_UNROLL
  for (int i = 0; i < 4; i++) {
    value.at[i] = g.alpha * sum.at[i];
    if (g.bias) value.at[i] += gemm_element(g.bias, size_t(column + i), g.dtype);
  }
  if (g.beta != 0) {
    const FloatRun old = gemm_load_run(g.c, at, g.c_dtype);
    TT_UNROLL
    for (int i = 0; i < 4; i++) value.at[i] += g.beta * old.at[i];
  }
  gemm_store_run(g.c, at, value, g.c_dtype);
  if (g.copy) gemm_store_run(g.copy, size_t(row) * g.ld_copy + column, value, g.dtype);
}

// ---- the order of blocks -------------------------------------------------------------------------------------------

/// Tiles are walked in bands of 8 tile rows, column by column, so that the tiles in flight share a and b in the L2 cache.
struct TilePlace { int row, column; };
TT_GPU TilePlace banded_tile(int block, int tile_rows, int tile_columns) {
  constexpr int BAND = 8;
  const int first = block / (BAND * tile_columns) * BAND, inside = block % (BAND * tile_columns);
  const int rows = tile_rows - first < BAND ? tile_rows - first : BAND;
  return {first + inside % rows, inside / rows};
}

// ---- the kernels ---------------------------------------------------------------------------------------------------

/// Tiles of the output. f32 has ROWS, 64, 128 and PLAIN; bf16 has all. Masked products: THIN, 64, 128, 256 of bf16, and PLAIN.
enum GemmTile { TILE_AUTO, TILE_PLAIN, TILE_ROWS, TILE_THIN, TILE_64, TILE_128, TILE_256 };

inline int ceil_div(int n, int d) { return (n + d - 1) / d; }

/// Depth of one step of a tile: what splits of the depth are multiples of.
constexpr int MMA_DEPTH_64 = 64, MMA_DEPTH_128 = 32, MMA_DEPTH_256 = 64, F32_DEPTH_64 = 16, F32_DEPTH_128 = 8;
/// Rows of a thin tile; its columns are 16, 32 or 64.
constexpr int THIN_ROWS = 128, THIN_MOST_COLUMNS = 64;
/// Most rows of a product done a dot product at a time.
constexpr int ROWS_MOST = 8;

tt_status gemm_plain(const char* op, const Gpu& gpu, const GemmTask& task, cudaStream_t stream);
tt_status gemm_rows(const char* op, const Gpu& gpu, const GemmTask& task, cudaStream_t stream);
tt_status gemm_f32(const char* op, const Gpu& gpu, const GemmTask& task, GemmTile tile, cudaStream_t stream);
tt_status gemm_mma(const char* op, const Gpu& gpu, const GemmTask& task, GemmTile tile, cudaStream_t stream);
tt_status gemm_thin(const char* op, const Gpu& gpu, const GemmTask& task, cudaStream_t stream);

}  // namespace tt
