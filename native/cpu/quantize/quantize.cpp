// Entry points that quantize and dequantize; linear layers on packed weights are in linear_quantized.cpp.
#include "quantize.h"

using namespace tt;

namespace tt {

/// Of ternary weights: columns that share a scale; 0: all weights share one.
static bool is_group(int64_t block, int32_t cols) { return block == 0 || block == cols || (block > 0 && block % 64 == 0 && cols % block == 0); }

static bool is_block(int64_t block) { return block >= 32 && block <= 4096 && (block & (block - 1)) == 0; }

tt_status read_weight(PackedWeight* out, const char* name, const int64_t* weight, int32_t rows, int32_t cols) {
  TT_REQUIRE(weight, "%s: weight is null", name);
  TT_REQUIRE(rows >= 0 && cols >= 0, "%s: rows and cols of the weight must not be negative, got %d and %d", name, rows, cols);
  TT_REQUIRE_HOLD(name, size_t(rows), size_t(cols));
  const int64_t kind = weight[0], block = weight[4];
  TT_REQUIRE(kind >= TT_NF4 && kind <= TT_TERNARY, "%s: weight kind must be 0..3, got %lld", name, static_cast<long long>(kind));
  const bool blockwise = kind == TT_NF4 || kind == TT_FP4;
  TT_REQUIRE(!blockwise || is_block(block), "%s: block must be a power of two in 32..4096, got %lld", name, static_cast<long long>(block));
  TT_REQUIRE(blockwise || weight[3] == 0, "%s: weight kind %lld has no nested scales", name, static_cast<long long>(kind));
  TT_REQUIRE(kind != TT_TERNARY || rows % 4 == 0, "%s: a ternary weight needs a multiple of 4 rows, got %d", name, rows);
  TT_REQUIRE(kind != TT_TERNARY || is_group(block, cols), "%s: block of a ternary weight must be 0, cols (%d) or a multiple of 64 that divides it, got %lld", name,
             cols, static_cast<long long>(block));
  TT_REQUIRE(rows == 0 || cols == 0 || (weight[1] && weight[2]), "%s: %s of the weight is null", name, !weight[1] ? "data" : "scale");
  *out = {int(kind),
          reinterpret_cast<const uint8_t*>(weight[1]),
          reinterpret_cast<const void*>(weight[2]),
          reinterpret_cast<const float*>(weight[3]),
          size_t(block),
          __builtin_bit_cast(float, uint32_t(weight[5])),
          rows,
          cols};
  return TT_OK;
}

void unpack_parallel(const PackedWeight& w, const Unpacked& part) {
  const size_t bytes = dtype_bytes(part.dtype);
  for_ranges(size_t(part.rows), size_t(part.cols) * (bytes + 1), [&](size_t begin, size_t end, int) {
    Unpacked piece = part;
    piece.to = static_cast<char*>(part.to) + begin * part.ld * bytes;
    piece.row += int(begin);
    piece.rows = int(end - begin);
    TT_DISPATCH(unpack_weight, w, piece);
  });
}

}  // namespace tt

extern "C" tt_status tt_quantize_4bit(uint8_t* packed, float* absmax, const void* x, size_t n, int32_t block, int32_t kind, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_quantize_4bit", dtype);
  TT_REQUIRE(kind == TT_NF4 || kind == TT_FP4, "tt_quantize_4bit: kind must be nf4 (0) or fp4 (1), got %d", kind);
  TT_REQUIRE(is_block(block), "tt_quantize_4bit: block must be a power of two in 32..4096, got %d", block);
  TT_REQUIRE_HOLD("tt_quantize_4bit", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_quantize_4bit", packed);
  TT_REQUIRE_POINTER("tt_quantize_4bit", absmax);
  TT_REQUIRE_POINTER("tt_quantize_4bit", x);
  const size_t size = size_t(block);
  for_ranges((n + size - 1) / size, size * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH(quantize_4bit_blocks, packed, absmax, x, n, size, begin, end, kind, dtype);
  });
  return TT_OK;
}

extern "C" tt_status tt_quantize_8bit(uint8_t* codes, float* absmax, const float* x, size_t n, int32_t block, int32_t is_signed, tt_stream) {
  TT_REQUIRE(block > 0, "tt_quantize_8bit: block must be positive, got %d", block);
  TT_REQUIRE_HOLD("tt_quantize_8bit", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_quantize_8bit", codes);
  TT_REQUIRE_POINTER("tt_quantize_8bit", absmax);
  TT_REQUIRE_POINTER("tt_quantize_8bit", x);
  const size_t size = size_t(block);
  for_ranges((n + size - 1) / size, size * 5, [&](size_t begin, size_t end, int) {
    TT_DISPATCH(quantize_8bit_blocks, codes, absmax, x, n, size, begin, end, is_signed != 0);
  });
  return TT_OK;
}

extern "C" tt_status tt_dequantize_8bit(float* y, const uint8_t* codes, const float* absmax, size_t n, int32_t block, int32_t is_signed, tt_stream) {
  TT_REQUIRE(block > 0, "tt_dequantize_8bit: block must be positive, got %d", block);
  TT_REQUIRE_HOLD("tt_dequantize_8bit", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_dequantize_8bit", y);
  TT_REQUIRE_POINTER("tt_dequantize_8bit", codes);
  TT_REQUIRE_POINTER("tt_dequantize_8bit", absmax);
  for_ranges(n, 5, [&](size_t begin, size_t end, int) {
    TT_DISPATCH(dequantize_8bit_range, y, codes, absmax, begin, end, size_t(block), is_signed != 0);
  });
  return TT_OK;
}

extern "C" tt_status tt_quantize_int8(int8_t* q, float* absmax, const void* x, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_quantize_int8", dtype);
  TT_REQUIRE_SIZE("tt_quantize_int8", rows);
  TT_REQUIRE_SIZE("tt_quantize_int8", cols);
  TT_REQUIRE_HOLD("tt_quantize_int8", size_t(rows), size_t(cols));
  if (rows == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_quantize_int8", absmax);
  TT_REQUIRE(cols == 0 || (q && x), "tt_quantize_int8: %s is null", !q ? "q" : "x");
  const size_t n = size_t(cols);
  for_ranges(size_t(rows), n * (dtype_bytes(dtype) + 1), [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; row++)
      absmax[row] = TT_DISPATCH(quantize_row, q + row * n, TT_I8, at(x, row * n, dtype), nullptr, n, dtype);
  });
  return TT_OK;
}

/// Partial sums of fixed pieces, added in order: the same mean whatever the thread count. False: no memory.
static bool sum_all_magnitudes(double* total, const void* w, size_t n, tt_dtype dtype) {
  const size_t piece = piece_size(dtype_bytes(dtype)), pieces = (n + piece - 1) / piece;
  double* sums = static_cast<double*>(shared_scratch(0, (pieces + 1) * sizeof(double)));
  if (!sums) return false;
  for_ranges(n, dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    sums[begin / piece] = TT_DISPATCH(sum_magnitudes, at(w, begin, dtype), end - begin, dtype);
  });
  *total = 0;
  for (size_t i = 0; i < pieces; i++) *total += sums[i];
  return true;
}

/// NaN stays NaN.
static float abs_mean(double sum, size_t n) {
  const float mean = float(sum / double(n ? n : 1));
  return mean < 1e-5f ? 1e-5f : mean;
}

extern "C" tt_status tt_quantize_ternary(uint8_t* packed, float* scale, const void* w, int32_t rows, int32_t cols, int32_t block, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_quantize_ternary", dtype);
  TT_REQUIRE_SIZE("tt_quantize_ternary", rows);
  TT_REQUIRE_SIZE("tt_quantize_ternary", cols);
  TT_REQUIRE_HOLD("tt_quantize_ternary", size_t(rows), size_t(cols));
  TT_REQUIRE(rows % 4 == 0, "tt_quantize_ternary: rows must be a multiple of 4, got %d", rows);
  TT_REQUIRE(is_group(block, cols), "tt_quantize_ternary: block must be 0, cols (%d) or a multiple of 64 that divides it, got %d", cols, block);
  TT_REQUIRE_POINTER("tt_quantize_ternary", scale);
  const size_t n = size_t(rows) * size_t(cols), quarter = size_t(rows) / 4;
  TT_REQUIRE(n == 0 || (packed && w), "tt_quantize_ternary: %s is null", !packed ? "packed" : "w");
  if (block == 0) {
    double total;
    if (!sum_all_magnitudes(&total, w, n, dtype)) return fail(TT_OUT_OF_MEMORY, "tt_quantize_ternary: no memory for partial sums");
    *scale = abs_mean(total, n);
  }
  const size_t run = block ? size_t(block) : size_t(cols), runs = run ? size_t(cols) / run : 0;
  for_ranges(quarter, 4 * size_t(cols) * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; row++)
      for (size_t i = 0; i < runs; i++) {
        const void* from[4];
        float scales[4];
        for (size_t p = 0; p < 4; p++) {
          const size_t whole = row + p * quarter;
          from[p] = at(w, whole * size_t(cols) + i * run, dtype);
          if (block) scale[whole * runs + i] = abs_mean(TT_DISPATCH(sum_magnitudes, from[p], run, dtype), run);
          scales[p] = block ? scale[whole * runs + i] : *scale;
        }
        TT_DISPATCH(pack_trits, packed + row * size_t(cols) + i * run, from, scales, run, dtype);
      }
  });
  return TT_OK;
}

extern "C" tt_status tt_dequantize(void* y, const int64_t* weight, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_dequantize", dtype);
  PackedWeight w;
  if (tt_status bad = read_weight(&w, "tt_dequantize", weight, rows, cols)) return bad;
  if (rows == 0 || cols == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_dequantize", y);
  const bool large = worth_streaming(size_t(rows) * size_t(cols) * dtype_bytes(dtype));
  unpack_parallel(w, {y, dtype, size_t(cols), 0, rows, 0, cols, true, large});
  return TT_OK;
}
