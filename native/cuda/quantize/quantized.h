// What the sources of the quantized ops share: the weight descriptor, dequantization, rows of int8.
#pragma once
#include "../gemm/gemm.h"

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
  int runs, run;        // TT_TERNARY: scales of a row, 0 where all share one; columns of each
  bool is_4bit() const { return kind == TT_NF4 || kind == TT_FP4; }
};

/// absmax of a block of a 4-bit weight; `map` is the signed dynamic map, read only with double quantization. Product and
/// sum are rounded apart, as bitsandbytes does.
TT_GPU float block_absmax(const QuantizedWeight& w, const float* map, size_t block) {
  if (!w.nested) return static_cast<const float*>(w.scale)[block];
  const float product = __fmul_rn(map[static_cast<const uint8_t*>(w.scale)[block]], w.nested[block >> NESTED_BLOCK_LOG2]);
  return __fadd_rn(product, w.offset);
}

/// Whether so many columns of a ternary weight may share a scale; 0: all weights share one.
inline bool is_run(int64_t block, int cols) { return block == 0 || block == cols || (block > 0 && block % 64 == 0 && cols % block == 0); }

/// Reads the descriptor of a weight (rows, cols); TT_BAD_ARGUMENT when something is wrong with it.
tt_status read_weight(const char* op, const int64_t* weight, int rows, int cols, QuantizedWeight* out);

/// y (rows,cols) of dtype = the weight: f32 products, rounded once.
tt_status dequantize(const char* op, const Gpu& gpu, void* y, const QuantizedWeight& w, int rows, int cols, tt_dtype dtype, cudaStream_t stream);

/// Rows of x as int8 by their largest magnitude; columns with outlier[c] != 0 (null: none) give 0 and do not count.
/// q has q_stride ≥ cols bytes a row, the rest of it becomes 0.
tt_status quantize_rows(const char* op, const Gpu& gpu, int8_t* q, int q_stride, float* absmax, const void* x, const uint8_t* outlier, int rows, int cols,
                        tt_dtype dtype, cudaStream_t stream);

/// q (rows, q_stride) = the trits of a ternary weight, zeros from column cols on.
tt_status expand_trits(const char* op, const Gpu& gpu, int8_t* q, int q_stride, const uint8_t* packed, int rows, int cols, cudaStream_t stream);

// ---- products with a packed weight ------------------------------------------------------------------------------------

/// What is added to the product x·wᵀ before the one rounding of y: bias + lora_scale·xa·lora_bᵀ.
struct LinearTail {
  const void* bias;  // (out) of the dtype of y, or null
  const float* xa;   // (rows, rank)
  const float* lora_b;  // (out, rank)
  int rank;
  float lora_scale;
};

/// Element (m, n) of the tail.
template <class T> TT_GPU float tail_at(const LinearTail& tail, int m, int n) {
  float value = 0;
  for (int r = 0; r < tail.rank; r++) value += tail.xa[size_t(m) * tail.rank + r] * tail.lora_b[size_t(n) * tail.rank + r];
  return tail.lora_scale * value + (tail.bias ? to_float(static_cast<const T*>(tail.bias)[n]) : 0.f);
}

constexpr int FEW_ROWS = 16;  // of x: up to here the weight is read once and multiplied as it is

/// Whether nf4_rows() can do it: few rows of bf16, whole 64-blocks, aligned memory.
bool fits_nf4_rows(const QuantizedWeight& w, const void* x, int rows, int in, tt_dtype dtype);
/// y (rows,out) = x·wᵀ + tail for a 4-bit weight.
tt_status nf4_rows(const char* op, const Gpu& gpu, void* y, const void* x, const QuantizedWeight& w, const LinearTail& tail, int rows, int in, int out,
                   cudaStream_t stream);

/// y (rows,out) of dtype = x·wᵀ + tail with x rounded to int8 by rows, for TT_INT8 and TT_TERNARY. threshold as in tritune.h.
tt_status int8_linear(const char* op, const Gpu& gpu, void* y, const void* x, const QuantizedWeight& w, const LinearTail& tail, int rows, int in, int out,
                      float threshold, tt_dtype dtype, cudaStream_t stream);

/// A product of int8 matrices as both kernels take it. Sums in int32.
struct Int8Product {
  void* y;              // (rows, out)
  const int8_t* x;      // (rows, stride)
  const float* absmax;  // (rows) of x
  const void* w;        // (out, stride) of int8, or, for int8_rows() only, packed trits (out/4, stride)
  const float* scale;   // of w
  bool ternary;         // the values of w are −1, 0, 1; else a row's scale is scale[n]/127
  int runs, run;        // ternary: scales of a row, 0 where all rows share one; columns of each, a multiple of 64 where there are several
  int rows, out;
  int stride;           // bytes of a row of x and w, a multiple of 16; what is past `in` is 0 in one of them
  int in;
  // Columns of x that x (int8) does not have: they are multiplied as they are. Or null.
  const int32_t* outliers;
  const int32_t* outlier_count;
  const void* x_exact;  // (rows, in) of the dtype of y
  LinearTail tail;
};
tt_status int8_rows(const char* op, const Gpu& gpu, const Int8Product& p, bool packed_trits, tt_dtype dtype, cudaStream_t stream);

/// What the sum of output n is multiplied by besides absmax/127. With several scales a row they are in the sum already.
TT_GPU float weight_scale(const Int8Product& p, int n) {
  if (!p.ternary) return p.scale[n] * (1.f / 127.f);
  return p.runs > 1 ? 1.f : p.scale[p.runs ? n : 0];
}

}  // namespace tt
