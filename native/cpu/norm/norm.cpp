// Entry points of the row functions: RMSNorm, LayerNorm, softmax, rotary positions.
#include "norm.h"

#include "../runtime/ranges.h"

using namespace tt;

static tt_status check_norm(const char* name, int32_t rows, int32_t cols, tt_dtype dtype) {
  TT_REQUIRE(is_compute_dtype(dtype), "%s: dtype must be f32 (0) or bf16 (1), got %d", name, dtype);
  TT_REQUIRE(rows >= 0, "%s: rows must not be negative, got %d", name, rows);
  TT_REQUIRE(cols > 0, "%s: cols must be positive, got %d", name, cols);
  TT_REQUIRE_HOLD(name, size_t(rows), size_t(cols));
  return TT_OK;
}

static tt_status forward(const char* name, const NormForward& io, int32_t rows, int32_t cols, float eps, tt_dtype dtype) {
  TT_REQUIRE(!io.residual == !io.h_out, "%s: residual and h_out must both be given or both be null", name);
  TT_REQUIRE(io.y && io.rstd && io.x && io.w, "%s: %s is null", name, !io.y ? "y" : !io.rstd ? "rstd" : !io.x ? "x" : "w");
  for_long_ranges(size_t(rows), size_t(cols) * dtype_bytes(dtype) * (io.residual ? 4 : 2), [&](size_t begin, size_t end, int) {
    NormForward piece = io;
    size_t first = begin * size_t(cols);
    piece.y = at(io.y, first, dtype);
    piece.x = at(io.x, first, dtype);
    piece.rstd += begin;
    piece.stream = worth_streaming(size_t(rows) * size_t(cols) * dtype_bytes(dtype));
    if (io.mean) piece.mean += begin;
    if (io.residual) {
      piece.h_out = at(io.h_out, first, dtype);
      piece.residual = at(io.residual, first, dtype);
    }
    TT_DISPATCH_BF16(norm_forward_rows, piece, end - begin, size_t(cols), eps, dtype);
  });
  return TT_OK;
}

/// Rows are split the same way whatever the thread count; each piece has its own dw and db, added up in order at the end.
static tt_status backward(const char* name, const NormBackward& io, int32_t rows, int32_t cols, tt_dtype dtype) {
  TT_REQUIRE(io.dx && io.dy && io.h, "%s: %s is null", name, !io.dx ? "dx" : !io.dy ? "dy" : "h");
  TT_REQUIRE(io.w && io.rstd, "%s: %s is null", name, !io.w ? "w" : "rstd");
  if (rows == 0) return TT_OK;
  const size_t n = size_t(cols), most = 64, least = 8;
  size_t per_piece = (size_t(rows) + most - 1) / most;
  if (per_piece < least) per_piece = least;
  const size_t pieces = (size_t(rows) + per_piece - 1) / per_piece;
  float* partials = nullptr;
  if (io.dw || io.db) {
    partials = static_cast<float*>(shared_scratch(0, pieces * 2 * n * sizeof(float)));
    if (!partials) return fail(TT_OUT_OF_MEMORY, "%s: no memory for %zu partial sums of %d columns", name, pieces, cols);
  }
  auto run_piece = [&](size_t piece, int) {
    size_t begin = piece * per_piece, end = begin + per_piece < size_t(rows) ? begin + per_piece : size_t(rows);
    NormBackward part = io;
    part.dx = at(io.dx, begin * n, dtype);
    part.dy = at(io.dy, begin * n, dtype);
    part.h = at(io.h, begin * n, dtype);
    if (io.dh) part.dh = at(io.dh, begin * n, dtype);
    part.rstd += begin;
    if (io.mean) part.mean += begin;
    part.dw = io.dw ? partials + piece * 2 * n : nullptr;
    part.db = io.db ? partials + piece * 2 * n + n : nullptr;
    TT_DISPATCH_BF16(norm_backward_rows, part, end - begin, n, dtype);
  };
  if (size_t(rows) * n < 8192) {
    for (size_t piece = 0; piece < pieces; piece++) run_piece(piece, 0);
  } else {
    parallel(pieces, [&](size_t piece, int thread) { run_piece(piece, thread); });
  }
  if (partials) {
    for_ranges(n, pieces * 8, [&](size_t begin, size_t end, int) {
      if (io.dw) TT_DISPATCH(add_partials, io.dw + begin, partials + begin, pieces, 2 * n, end - begin);
      if (io.db) TT_DISPATCH(add_partials, io.db + begin, partials + n + begin, pieces, 2 * n, end - begin);
    });
  }
  return TT_OK;
}

extern "C" tt_status tt_rms_norm_forward(void* y, void* h_out, float* rstd, const void* x, const void* residual, const void* w, int32_t rows,
                                         int32_t cols, float eps, tt_dtype dtype, tt_stream) {
  if (tt_status bad = check_norm("tt_rms_norm_forward", rows, cols, dtype)) return bad;
  return forward("tt_rms_norm_forward", {y, h_out, nullptr, rstd, x, residual, w, nullptr, false}, rows, cols, eps, dtype);
}

extern "C" tt_status tt_rms_norm_backward(void* dx, float* dw, const void* dy, const void* dh, const void* h, const void* w, const float* rstd,
                                          int32_t rows, int32_t cols, tt_dtype dtype, tt_stream) {
  if (tt_status bad = check_norm("tt_rms_norm_backward", rows, cols, dtype)) return bad;
  return backward("tt_rms_norm_backward", {dx, dw, nullptr, dy, dh, h, w, nullptr, rstd}, rows, cols, dtype);
}

extern "C" tt_status tt_layer_norm_forward(void* y, void* h_out, float* mean, float* rstd, const void* x, const void* residual, const void* w,
                                           const void* b, int32_t rows, int32_t cols, float eps, tt_dtype dtype, tt_stream) {
  if (tt_status bad = check_norm("tt_layer_norm_forward", rows, cols, dtype)) return bad;
  TT_REQUIRE_POINTER("tt_layer_norm_forward", mean);
  return forward("tt_layer_norm_forward", {y, h_out, mean, rstd, x, residual, w, b, false}, rows, cols, eps, dtype);
}

extern "C" tt_status tt_layer_norm_backward(void* dx, float* dw, float* db, const void* dy, const void* dh, const void* h, const void* w,
                                            const float* mean, const float* rstd, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream) {
  if (tt_status bad = check_norm("tt_layer_norm_backward", rows, cols, dtype)) return bad;
  TT_REQUIRE_POINTER("tt_layer_norm_backward", mean);
  return backward("tt_layer_norm_backward", {dx, dw, db, dy, dh, h, w, mean, rstd}, rows, cols, dtype);
}

extern "C" tt_status tt_softmax_forward(void* y, const void* x, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream) {
  if (tt_status bad = check_norm("tt_softmax_forward", rows, cols, dtype)) return bad;
  TT_REQUIRE(rows == 0 || (y && x), "tt_softmax_forward: %s is null", !y ? "y" : "x");
  size_t n = size_t(cols);
  for_ranges(size_t(rows), n * 2 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH_BF16(softmax_forward_rows, at(y, begin * n, dtype), at(x, begin * n, dtype), end - begin, n, dtype);
  });
  return TT_OK;
}

extern "C" tt_status tt_softmax_backward(void* dx, const void* dy, const void* y, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream) {
  if (tt_status bad = check_norm("tt_softmax_backward", rows, cols, dtype)) return bad;
  TT_REQUIRE(rows == 0 || (dx && dy && y), "tt_softmax_backward: %s is null", !dx ? "dx" : !dy ? "dy" : "y");
  size_t n = size_t(cols);
  for_ranges(size_t(rows), n * 3 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH_BF16(softmax_backward_rows, at(dx, begin * n, dtype), at(dy, begin * n, dtype), at(y, begin * n, dtype), end - begin, n, dtype);
  });
  return TT_OK;
}

extern "C" tt_status tt_rope(void* y, const void* x, const float* cos, const float* sin, const int32_t* positions, int32_t tokens, int32_t heads,
                             int32_t head_dim, int32_t rotary_dim, int32_t table_rows, int32_t inverse, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_rope", dtype);
  TT_REQUIRE_SIZE("tt_rope", tokens);
  TT_REQUIRE(heads > 0 && head_dim > 0, "tt_rope: heads and head_dim must be positive, got %d and %d", heads, head_dim);
  TT_REQUIRE(rotary_dim >= 0 && rotary_dim <= head_dim && rotary_dim % 2 == 0, "tt_rope: rotary_dim must be even and 0..%d, got %d", head_dim,
             rotary_dim);
  TT_REQUIRE_SIZE("tt_rope", table_rows);
  TT_REQUIRE_HOLD("tt_rope", size_t(tokens), size_t(heads), size_t(head_dim));
  TT_REQUIRE_HOLD("tt_rope", size_t(table_rows), size_t(rotary_dim));
  if (tokens == 0) return TT_OK;
  TT_REQUIRE(y && x && cos && sin && positions, "tt_rope: %s is null", !y ? "y" : !x ? "x" : !cos ? "cos" : !sin ? "sin" : "positions");
  for (int32_t t = 0; t < tokens; t++)
    TT_REQUIRE(positions[t] >= 0 && positions[t] < table_rows, "tt_rope: positions[%d] is %d, the table has %d rows", t, positions[t], table_rows);
  Rope rope{cos, sin, heads, head_dim, rotary_dim, inverse != 0};
  size_t per_token = size_t(heads) * size_t(head_dim);
  for_long_ranges(size_t(tokens), per_token * 2 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    TT_DISPATCH_BF16(rope_tokens, at(y, begin * per_token, dtype), at(x, begin * per_token, dtype), positions + begin, end - begin, rope, dtype);
  });
  return TT_OK;
}
