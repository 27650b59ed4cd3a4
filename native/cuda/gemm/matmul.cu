// tt_matmul: batched products of any layout.
#include "gemm.h"

using namespace tt;

extern "C" tt_status tt_matmul(void* c, const void* a, const void* b, int32_t batch, int32_t m, int32_t n, int32_t k, size_t stride_c, size_t stride_a,
                               size_t stride_b, int32_t trans_a, int32_t trans_b, float alpha, float beta, tt_dtype c_dtype, tt_dtype dtype,
                               tt_stream stream) {
  TT_REQUIRE(is_compute_dtype(dtype), "tt_matmul: dtype must be f32 or bf16, got %d", dtype);
  TT_REQUIRE(c_dtype == TT_F32 || c_dtype == dtype, "tt_matmul: c_dtype must be f32 or the dtype of a and b, got %d", c_dtype);
  TT_REQUIRE(batch >= 0 && m >= 0 && n >= 0 && k >= 0, "tt_matmul: negative size (batch %d, m %d, n %d, k %d)", batch, m, n, k);
  TT_REQUIRE_HOLD("tt_matmul", size_t(batch), size_t(m), size_t(n));
  TT_REQUIRE_HOLD("tt_matmul", size_t(m), size_t(k));
  TT_REQUIRE_HOLD("tt_matmul", size_t(k), size_t(n));
  TT_REQUIRE_HOLD("tt_matmul", size_t(batch), stride_a);
  TT_REQUIRE_HOLD("tt_matmul", size_t(batch), stride_b);
  TT_REQUIRE_HOLD("tt_matmul", size_t(batch), stride_c);
  if (batch == 0 || m == 0 || n == 0) return TT_OK;
  TT_REQUIRE(c && (k == 0 || (a && b)), "tt_matmul: NULL pointer");
  TT_REQUIRE(batch == 1 || stride_c >= size_t(m) * n, "tt_matmul: stride_c %zu is smaller than one result", stride_c);
  TT_READY("tt_matmul");
  Gemm g;
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = a;
  g.b = b;
  g.c = c;
  g.trans_a = trans_a != 0;
  g.trans_b = trans_b != 0;
  g.lda = size_t(g.trans_a ? m : k);
  g.ldb = size_t(g.trans_b ? k : n);
  g.ldc = size_t(n);
  g.dtype = dtype;
  g.c_dtype = c_dtype;
  g.alpha = alpha;
  g.beta = beta;
  g.batch = batch;
  if (batch > 1) {
    g.stride_a = stride_a;
    g.stride_b = stride_b;
    g.stride_c = stride_c;
  }
  return gemm("tt_matmul", gpu, g, stream_of(gpu, stream));
}
