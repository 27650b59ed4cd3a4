// Packed weights and codes: what quantize.cpp and linear_quantized.cpp share, and their kernels.
#pragma once
#include "../runtime/ranges.h"

namespace tt {

/// `weight` of the ABI, checked.
struct PackedWeight {
  int kind;
  const uint8_t* data;
  const void* scale;    // f32, or with nested u8 codes
  const float* nested;  // or NULL
  size_t block;
  float offset;
  int rows, cols;       // out, in
  /// Of int8 and ternary: scales of a row, 0 where all rows share one.
  size_t row_scales() const { return kind == TT_INT8 ? 1 : block == 0 ? 0 : size_t(cols) / block; }
  bool blockwise() const { return kind == TT_NF4 || kind == TT_FP4; }
};
tt_status read_weight(PackedWeight* out, const char* name, const int64_t* weight, int32_t rows, int32_t cols);

/// A window of a weight as numbers of dtype (f32 or bf16) at `to`, rows `ld` elements apart. Not `scaled` (int8 and
/// ternary only): the whole numbers of the codes, which bf16 holds exactly.
struct Unpacked {
  void* to;
  tt_dtype dtype;
  size_t ld;
  int row, rows, col, cols;
  bool scaled;
  bool past_caches = false;  // nobody reads it soon
};
TT_KERNEL(void, unpack_weight, const PackedWeight& w, const Unpacked& part)
/// unpack_weight by all threads.
void unpack_parallel(const PackedWeight& w, const Unpacked& part);

/// Blocks [first, last) of n elements. `block` is even but at the very end.
TT_KERNEL(void, quantize_4bit_blocks, uint8_t* packed, float* absmax, const void* x, size_t n, size_t block, size_t first, size_t last, int kind, tt_dtype dtype)
TT_KERNEL(void, quantize_8bit_blocks, uint8_t* codes, float* absmax, const float* x, size_t n, size_t block, size_t first, size_t last, bool is_signed)
TT_KERNEL(void, dequantize_8bit_range, float* y, const uint8_t* codes, const float* absmax, size_t begin, size_t end, size_t block, bool is_signed)

/// One row to whole numbers of −127 … 127, as q_dtype (i8, f32 or bf16); columns with skip[i] != 0 give 0 and do not count
/// (skip or NULL). Returns the absmax of the row. With NaN or Inf in it all codes are 0 and the absmax says so.
TT_KERNEL(float, quantize_row, void* q, tt_dtype q_dtype, const void* x, const uint8_t* skip, size_t n, tt_dtype dtype)
/// flags[i] = 1 where some |x[row·stride + i]| ≥ threshold, else 0, for `cols` columns.
TT_KERNEL(void, mark_outliers, uint8_t* flags, const void* x, size_t rows, size_t stride, size_t cols, float threshold, tt_dtype dtype)
/// to[i] = from[index[i]], both of dtype.
TT_KERNEL(void, take_columns, void* to, const void* from, const int32_t* index, size_t n, tt_dtype dtype)
/// to[i] = from[index[i]]·scale, in dtype.
TT_KERNEL(void, take_int8_columns, void* to, const int8_t* from, const int32_t* index, size_t n, float scale, tt_dtype dtype)

/// Σ |x|
TT_KERNEL(double, sum_magnitudes, const void* x, size_t n, tt_dtype dtype)
/// n codes of packed, which hold the trits of four runs of n weights, w[p] with its own scale each.
TT_KERNEL(void, pack_trits, uint8_t* packed, const void* const* w, const float* scale, size_t n, tt_dtype dtype)

/// y[i] = sums[i]·row_scale·column_scale[i] (+ bias[i]), in dtype; column_scale and bias (of dtype) or NULL. In place allowed.
TT_KERNEL(void, scale_sums, void* y, const float* sums, const float* column_scale, const void* bias, float row_scale, size_t n, tt_dtype y_dtype, tt_dtype bias_dtype)

}  // namespace tt
