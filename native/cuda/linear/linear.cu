// tt_linear_forward and tt_linear_backward: a frozen or trained weight, an optional bias and an optional LoRA pair.
#include "linear.h"

using namespace tt;

extern "C" tt_status tt_linear_forward(void* y, float* xa, const void* x, const void* w, const void* bias, const float* lora_a, const float* lora_b,
                                       const uint32_t* rng, int32_t rows, int32_t in, int32_t out, int32_t rank, float lora_scale, float dropout_p,
                                       tt_dtype dtype, tt_stream stream) {
  const LinearShape l = {rows, in, out, rank, lora_scale, dtype, rng, dropout_p};
  if (tt_status status = check_linear("tt_linear_forward", l, lora_a, lora_b)) return status;
  if (rows == 0) return TT_OK;
  TT_REQUIRE(y && x && w, "tt_linear_forward: y, x or w is NULL");
  TT_REQUIRE(rank == 0 || xa, "tt_linear_forward: rank %d without xa", rank);
  TT_READY("tt_linear_forward");
  cudaStream_t s = stream_of(gpu, stream);
  Gemm g;
  g.m = rows;
  g.n = out;
  g.k = in;
  g.a = x;
  g.b = w;
  g.c = y;
  g.lda = g.ldb = size_t(in);
  g.ldc = size_t(out);
  g.trans_b = true;
  g.dtype = g.c_dtype = dtype;
  g.bias = bias;
  Scratch memory(s);
  if (rank) {
    LoraTerm term;
    if (tt_status bad = lora_forward("tt_linear_forward", gpu, l, xa, x, lora_a, lora_b, memory, &term, s)) return bad;
    term.put(g);
  }
  return tt::gemm("tt_linear_forward", gpu, g, s);
}

extern "C" tt_status tt_linear_backward(void* dx, float* dw, float* dbias, float* dlora_a, float* dlora_b, const void* dy, const void* x, const float* xa,
                                        const void* w, const float* lora_a, const float* lora_b, const uint32_t* rng, int32_t rows, int32_t in,
                                        int32_t out, int32_t rank, float lora_scale, float dropout_p, int32_t accumulate_dx, tt_dtype dtype,
                                        tt_stream stream) {
  const LinearShape l = {rows, in, out, rank, lora_scale, dtype, rng, dropout_p};
  if (tt_status status = check_linear("tt_linear_backward", l, lora_a, lora_b)) return status;
  TT_REQUIRE(rank > 0 || (!dlora_a && !dlora_b), "tt_linear_backward: LoRA gradients asked for with rank 0");
  if (rows == 0) return TT_OK;
  TT_REQUIRE(dy, "tt_linear_backward: dy is NULL");
  TT_REQUIRE(!dx || w, "tt_linear_backward: dx needs w");
  TT_REQUIRE(!(dw || dlora_a) || x, "tt_linear_backward: dw and dlora_a need x");
  TT_REQUIRE(!dlora_b || xa, "tt_linear_backward: dlora_b needs xa");
  TT_READY("tt_linear_backward");
  cudaStream_t s = stream_of(gpu, stream);
  Scratch memory(s);
  LoraTerm term;
  if (rank) {
    const LoraBackward wanted = {dlora_a, dlora_b, dx != nullptr, dy, x, xa, lora_a, lora_b};
    if (tt_status bad = lora_backward("tt_linear_backward", gpu, l, wanted, memory, &term, s)) return bad;
  }
  if (dx)
    if (tt_status bad = linear_dx("tt_linear_backward", gpu, l, dx, dy, w, term, accumulate_dx != 0, s)) return bad;
  if (dw) {
    Gemm g;
    g.m = out;
    g.n = in;
    g.k = rows;
    g.a = dy;
    g.b = x;
    g.c = dw;
    g.lda = size_t(out);
    g.ldb = g.ldc = size_t(in);
    g.trans_a = true;
    g.dtype = dtype;
    g.beta = 1;
    if (tt_status bad = tt::gemm("tt_linear_backward", gpu, g, s)) return bad;
  }
  if (dbias) return add_column_sums("tt_linear_backward", gpu, dbias, dy, rows, out, dtype, s);
  return TT_OK;
}
