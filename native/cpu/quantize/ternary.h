// Products of rows of int8 with a ternary weight as it lies packed: the kernels, and what linear_quantized.cpp asks for.
#pragma once
#include "../linear/linear.h"
#include "quantize.h"

namespace tt {

/// Bytes of a row of codes that are multiplied: what is past `in` is 0.
inline size_t code_bytes(int in) { return (size_t(in) + 63) & ~size_t(63); }
/// From a row to the next. An odd number of cache lines, so that rows do not lie in the same few sets of the cache.
inline size_t code_stride(int in) { return code_bytes(in) | 64; }

/// Packed rows that one call multiplies: as many outputs in each quarter of the weight.
constexpr int TRIT_ROWS = 16;

/// y[m·ldy + p·quarter + i] = x[m]·w for row i of quarter p, counted from the first row of `packed`.
struct TritProduct {
  void* y;
  tt_dtype y_dtype;
  size_t ldy;
  float* sums;               // scratch: rows × 4 × TRIT_ROWS
  const int8_t* x;           // (rows, stride)
  size_t stride;
  int rows;
  const int32_t* code_sums;  // Σ x of each row and each run of columns: with one run (rows), else (rows, runs, BYTES / 4) as lanes of the kernel
  const uint8_t* packed;     // of the first row
  const float* scales;       // (out, runs) from the first row on; NULL: `common` is all
  size_t in, run, quarter;   // columns, of them in a run that shares a scale, rows of a quarter
  const float* absmax;       // (rows) of x
  double common;             // what every sum is multiplied by, besides
  const void* bias;          // from the first row on, of bias_dtype, or NULL
  tt_dtype bias_dtype;
  int count;                 // ≤ TRIT_ROWS
};
TT_KERNEL_BYTES(void, trit_products, const TritProduct& t)
/// code_sums of one row of codes.
TT_KERNEL_BYTES(void, sum_codes, int32_t* sums, const int8_t* x, size_t bytes, size_t run)
/// int32 that sum_codes writes for a row.
TT_KERNEL_BYTES(size_t, code_sums_of, size_t bytes, size_t run)
/// A calibrator: operations of `rounds` rounds of dot products in registers; 0 where there is none.
TT_KERNEL_BYTES(double, dot_loop, int64_t rounds)

/// y = x·wᵀ for a ternary weight, x rounded to int8 by rows; then bias and LoRA's part.
struct TernaryTail { const void* bias; const float *xa, *lora_b; };
tt_status ternary_forward(void* y, const Linear& l, const void* x, const PackedWeight& w, const TernaryTail& tail);

}  // namespace tt
