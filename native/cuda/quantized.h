// What the sources of the quantized ops share: the weight descriptor, dequantization, rows of int8.
#pragma once
#include "gemm.h"

namespace tt {

constexpr int NESTED_BLOCK_LOG2 = 8;  // double quantization: scales that share an entry of `nested`

/// The int64[8] of tritune.h, read and checked.
struct QuantizedWeight {
  int kind;  // TT_NF4 …
  const void* data;
  const void* scale;
  const float* nested;  // null: scale is f32
  int block_log2;       // TT_NF4, TT_FP4
  float offset;
  bool is_4bit() const { return kind == TT_NF4 || kind == TT_FP4; }
};

/// absmax of a block of a 4-bit weight; `map` is the signed dynamic map, read only with double quantization. Product and
/// sum are rounded apart, as bitsandbytes does.
TT_GPU float block_absmax(const QuantizedWeight& w, const float* map, size_t block) {
  if (!w.nested) return static_cast<const float*>(w.scale)[block];
  const float product = __fmul_rn(map[static_cast<const uint8_t*>(w.scale)[block]], w.nested[block >> NESTED_BLOCK_LOG2]);
  return __fadd_rn(product, w.offset);
}

/// Reads the descriptor of a weight (rows, cols); TT_BAD_ARGUMENT when something is wrong with it.
tt_status read_weight(const char* op, const int64_t* weight, int rows, int cols, QuantizedWeight* out);

/// y (rows,cols) of dtype = the weight: f32 products, rounded once.
tt_status dequantize(const char* op, const Gpu& gpu, void* y, const QuantizedWeight& w, int rows, int cols, tt_dtype dtype, cudaStream_t stream);

/// Rows of x as int8 by their largest magnitude; columns with outlier[c] != 0 (null: none) give 0 and do not count.
tt_status quantize_rows(const char* op, const Gpu& gpu, int8_t* q, float* absmax, const void* x, const uint8_t* outlier, int rows, int cols,
                        tt_dtype dtype, cudaStream_t stream);

/// q (rows,cols) = the trits of a ternary weight.
tt_status expand_trits(const char* op, const Gpu& gpu, int8_t* q, const uint8_t* packed, int rows, int cols, cudaStream_t stream);

}  // namespace tt
