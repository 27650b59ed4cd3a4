// tt_linear_quantized_forward and _backward: which kernel multiplies by which packed weight.
//
//   4 bits, up to 16 rows of bf16   multiplied as it is (nf4_rows.cu)
//   4 bits, else                    dequantized into scratch memory, then a dense linear layer: a weight costs 2.6 bytes once
//   int8, ternary                   rows of x rounded to int8 on the tensor cores (int8.cu, int8_rows.cu)
//   backward                        dequantized, then a dense linear layer
#include "../linear/linear.h"
#include "quantized.h"

namespace tt {
namespace {

/// The weight as a dense matrix of dtype in scratch memory.
tt_status make_dense(const char* op, const Gpu& gpu, Scratch& memory, const QuantizedWeight& w, int out, int in, tt_dtype dtype, cudaStream_t stream) {
  const size_t bytes = size_t(out) * in * dtype_bytes(dtype);
  if (!memory.reserve(bytes)) return no_memory(op, bytes);
  return dequantize(op, gpu, memory.as<void>(), w, out, in, dtype, stream);
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_linear_quantized_forward(void* y, float* xa, const void* x, const int64_t* weight, const void* bias, const float* lora_a,
                                                 const float* lora_b, const uint32_t* rng, int32_t rows, int32_t in, int32_t out, int32_t rank,
                                                 float lora_scale, float dropout_p, float threshold, tt_dtype dtype, tt_stream stream) {
  const char* op = "tt_linear_quantized_forward";
  const LinearShape l = {rows, in, out, rank, lora_scale, dtype, rng, dropout_p};
  QuantizedWeight w;
  if (tt_status bad = check_linear(op, l, lora_a, lora_b)) return bad;
  if (tt_status bad = read_weight(op, weight, out, in, &w)) return bad;
  TT_REQUIRE(threshold >= 0, "%s: threshold must not be negative, got %g", op, double(threshold));
  TT_REQUIRE(rows == 0 || (y && x), "%s: %s is NULL", op, y ? "x" : "y");
  TT_REQUIRE(rows == 0 || rank == 0 || xa, "%s: rank %d without xa", op, rank);
  TT_READY(op);
  if (rows == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  if (w.is_4bit() && !fits_nf4_rows(w, x, rows, in, dtype)) {
    Scratch dense(s);
    if (tt_status bad = make_dense(op, gpu, dense, w, out, in, dtype, s)) return bad;
    return tt_linear_forward(y, xa, x, dense.as<void>(), bias, lora_a, lora_b, rng, rows, in, out, rank, lora_scale, dropout_p, dtype, s);
  }
  if (rank) {
    // These kernels add xa·lora_bᵀ themselves, in f32: of lora_forward only xa is used.
    Scratch memory(s);
    LoraTerm unused;
    if (tt_status bad = lora_forward(op, gpu, l, xa, x, lora_a, lora_b, memory, &unused, s)) return bad;
  }
  const LinearTail tail = {bias, xa, lora_b, rank, lora_scale};
  if (w.is_4bit()) return nf4_rows(op, gpu, y, x, w, tail, rows, in, out, s);
  return int8_linear(op, gpu, y, x, w, tail, rows, in, out, threshold, dtype, s);
}

extern "C" tt_status tt_linear_quantized_backward(void* dx, float* dbias, float* dlora_a, float* dlora_b, const void* dy, const void* x, const float* xa,
                                                  const int64_t* weight, const float* lora_a, const float* lora_b, const uint32_t* rng, int32_t rows,
                                                  int32_t in, int32_t out, int32_t rank, float lora_scale, float dropout_p, int32_t accumulate_dx,
                                                  tt_dtype dtype, tt_stream stream) {
  const char* op = "tt_linear_quantized_backward";
  const LinearShape l = {rows, in, out, rank, lora_scale, dtype, rng, dropout_p};
  QuantizedWeight w;
  if (tt_status bad = check_linear(op, l, lora_a, lora_b)) return bad;
  if (tt_status bad = read_weight(op, weight, out, in, &w)) return bad;
  TT_REQUIRE(rank > 0 || (!dlora_a && !dlora_b), "%s: LoRA gradients asked for with rank 0", op);
  TT_REQUIRE(rows == 0 || dy, "%s: dy is NULL", op);
  TT_REQUIRE(rows == 0 || !dlora_a || x, "%s: dlora_a needs x", op);
  TT_REQUIRE(rows == 0 || !dlora_b || xa, "%s: dlora_b needs xa", op);
  TT_READY(op);
  if (rows == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  Scratch dense(s);
  if (dx)
    if (tt_status bad = make_dense(op, gpu, dense, w, out, in, dtype, s)) return bad;
  return tt_linear_backward(dx, nullptr, dbias, dlora_a, dlora_b, dy, x, xa, dense.as<void>(), lora_a, lora_b, rng, rows, in, out, rank, lora_scale,
                            dropout_p, accumulate_dx, dtype, s);
}
