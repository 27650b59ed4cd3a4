// Entry points of the reductions. Everything is cut into fixed blocks, reduced each on its own and combined in order, so
// that the thread count changes nothing.
#include "reduce.h"

#include <atomic>

#include "elementwise.h"
#include "../runtime/ranges.h"

using namespace tt;

extern "C" tt_status tt_sum_squares(double* out, const void* x, size_t n, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_sum_squares", dtype);
  TT_REQUIRE_POINTER("tt_sum_squares", out);
  TT_REQUIRE_HOLD("tt_sum_squares", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_sum_squares", x);
  const size_t block = 32768, blocks = (n + block - 1) / block;
  auto* sums = static_cast<double*>(shared_scratch(0, blocks * sizeof(double)));
  if (!sums) return fail(TT_OUT_OF_MEMORY, "tt_sum_squares: no memory for %zu partial sums", blocks);
  parallel(blocks, [&](size_t i, int) {
    size_t begin = i * block, count = n - begin < block ? n - begin : block;
    sums[i] = TT_DISPATCH(sum_squares_block, at(x, begin, dtype), count, dtype);
  });
  double total = 0;
  for (size_t i = 0; i < blocks; i++) total += sums[i];
  *out += total;
  return TT_OK;
}

extern "C" tt_status tt_find_nonfinite(int64_t* out, const void* x, size_t n, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_find_nonfinite", dtype);
  TT_REQUIRE_POINTER("tt_find_nonfinite", out);
  *out = -1;
  TT_REQUIRE_HOLD("tt_find_nonfinite", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_find_nonfinite", x);
  std::atomic<size_t> first{n};
  for_ranges(n, dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    if (begin >= first.load(std::memory_order_relaxed)) return;
    size_t found = begin + TT_DISPATCH(find_nonfinite_block, at(x, begin, dtype), end - begin, dtype);
    if (found == end) return;
    size_t known = first.load();
    while (found < known && !first.compare_exchange_weak(known, found)) {}
  });
  if (first.load() < n) *out = int64_t(first.load());
  return TT_OK;
}

/// Result of one output: a sum becomes a mean, the number its dtype.
static void finish(void* y, size_t index, const float* values, size_t count, size_t n, int op, tt_dtype dtype) {
  TT_DISPATCH(affine_range, const_cast<float*>(values), values, count, op == TT_MEAN ? 1.0f / float(n) : 1.0f, 0.0f, TT_F32);
  TT_DISPATCH(cast_range, at(y, index, dtype), values, count, dtype, TT_F32);
}

/// inner = 1: every output is the reduction of n consecutive numbers.
static void reduce_rows(void* y, const void* x, size_t outer, size_t n, int op, tt_dtype dtype, float* partial, size_t block) {
  const size_t blocks = (n + block - 1) / block;
  if (blocks == 1) {
    for_ranges(outer, n * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
      for (size_t row = begin; row < end; row++) partial[row] = TT_DISPATCH(reduce_contiguous, at(x, row * n, dtype), n, op, dtype);
      finish(y, begin, partial + begin, end - begin, n, op, dtype);
    });
    return;
  }
  parallel(outer * blocks, [&](size_t tile, int) {
    size_t begin = tile % blocks * block, count = n - begin < block ? n - begin : block;
    partial[tile] = TT_DISPATCH(reduce_contiguous, at(x, tile / blocks * n + begin, dtype), count, op, dtype);
  });
  for (size_t row = 0; row < outer; row++) {
    float value = TT_DISPATCH(reduce_contiguous, partial + row * blocks, blocks, op, TT_F32);
    finish(y, row, &value, 1, n, op, dtype);
  }
}

extern "C" tt_status tt_reduce(void* y, const void* x, size_t outer, size_t n, size_t inner, int32_t op, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_reduce", dtype);
  TT_REQUIRE(op >= TT_SUM && op <= TT_AMAX, "tt_reduce: op must be 0..2, got %d", op);
  TT_REQUIRE_HOLD("tt_reduce", outer, n, inner);
  TT_REQUIRE_HOLD("tt_reduce", outer, inner);
  if (outer == 0 || inner == 0) return TT_OK;
  TT_REQUIRE(n > 0 || op == TT_SUM, "tt_reduce: the mean or maximum of no numbers (n is 0)");
  TT_REQUIRE_POINTER("tt_reduce", y);
  if (n == 0) return tt_fill(y, outer * inner, 0, dtype, nullptr);
  TT_REQUIRE_POINTER("tt_reduce", x);
  // Blocks of n: enough of them to share a tall reduction out, each long enough to be worth a call.
  const size_t width = inner < 1024 ? inner : 1024, strips = (inner + width - 1) / width;
  const size_t block = inner == 1 ? 16384 : 32768 / width + 1, blocks = (n + block - 1) / block;
  auto* partial = static_cast<float*>(shared_scratch(0, (inner == 1 || blocks > 1 ? outer * inner * blocks : 1) * sizeof(float)));
  if (!partial) return fail(TT_OUT_OF_MEMORY, "tt_reduce: no memory for %zu partial results", outer * inner * blocks);
  if (inner == 1) {
    reduce_rows(y, x, outer, n, op, dtype, partial, block);
    return TT_OK;
  }
  if (blocks > 1) parallel(outer * strips * blocks, [&](size_t tile, int) {
    size_t i = tile % blocks, strip = tile / blocks % strips, row = tile / blocks / strips;
    size_t begin = i * block, count = n - begin < block ? n - begin : block;
    size_t column = strip * width, columns = inner - column < width ? inner - column : width;
    const void* from = at(x, (row * n + begin) * inner + column, dtype);
    TT_DISPATCH(reduce_columns, partial + (row * blocks + i) * inner + column, from, count, inner, columns, op, dtype);
  });
  parallel(outer * strips, [&](size_t tile, int) {
    size_t strip = tile % strips, row = tile / strips;
    size_t column = strip * width, columns = inner - column < width ? inner - column : width;
    float values[1024];
    if (blocks == 1) TT_DISPATCH(reduce_columns, values, at(x, row * n * inner + column, dtype), n, inner, columns, op, dtype);
    else TT_DISPATCH(reduce_columns, values, partial + row * blocks * inner + column, blocks, inner, columns, op, TT_F32);
    finish(y, row * inner + column, values, columns, n, op, dtype);
  });
  return TT_OK;
}
