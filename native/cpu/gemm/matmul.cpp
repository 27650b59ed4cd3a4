// tt_matmul: batched products of any layout.
#include <atomic>

#include "blas.h"
#include "gemm.h"

namespace tt {
namespace {

// Below this many multiplications a product is done by one thread, and the threads share the batch.
constexpr double SMALL_PRODUCT = 1 << 21;

const char* offset(const void* data, size_t elements, tt_dtype dtype) { return static_cast<const char*>(data) + elements * dtype_bytes(dtype); }

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_matmul(void* c, const void* a, const void* b, int32_t batch, int32_t m, int32_t n, int32_t k, size_t stride_c, size_t stride_a,
                               size_t stride_b, int32_t trans_a, int32_t trans_b, float alpha, float beta, tt_dtype c_dtype, tt_dtype dtype, tt_stream) {
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

  Gemm base;
  base.m = m;
  base.n = n;
  base.k = k;
  base.a = {a, dtype, trans_a != 0, size_t(trans_a ? m : k), 1};
  base.b = {b, dtype, trans_b == 0, size_t(trans_b ? k : n), 1};
  base.c_dtype = c_dtype;
  base.ldc = size_t(n);
  base.alpha = alpha;
  base.beta = beta;
  auto product = [&](size_t i) {
    Gemm g = base;
    g.a.data = offset(a, i * stride_a, dtype);
    g.b.data = offset(b, i * stride_b, dtype);
    g.c = static_cast<char*>(c) + i * stride_c * dtype_bytes(c_dtype);
    return g;
  };
  if (batch > 1 && double(m) * n * k < SMALL_PRODUCT && !blas_takes(base)) {
    std::atomic<int> failed{0};  // the message of another thread is not ours: the batch is counted as one failure
    parallel(size_t(batch), [&](size_t i, int thread) {
      if (gemm_on_thread(product(i), thread) != TT_OK) failed.store(1, std::memory_order_relaxed);
    });
    return failed.load() ? fail(TT_OUT_OF_MEMORY, "tt_matmul: no memory for packed operands") : TT_OK;
  }
  for (int32_t i = 0; i < batch; i++)
    if (tt_status status = gemm(product(size_t(i)))) return status;
  return TT_OK;
}
