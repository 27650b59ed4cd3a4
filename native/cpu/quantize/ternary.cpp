// Linear layers with a ternary weight (BitLinear): x is rounded to int8 by rows and multiplied with the packed codes as they lie, which are read once.
//
// A tile of the work is TRIT_ROWS packed rows, four times as many outputs, by a block of rows of x. Sums are int32, so they are exact; each is scaled and
// rounded once, unless LoRA's part has to be added to it in f32 first.
#include <string.h>

#include "ternary.h"

namespace tt {
namespace {

enum { SLOT_SUMS = 0, SLOT_X = SLOT_ROWS };
constexpr int THREAD_SLOT_SUMS = 0;
constexpr int ROW_BLOCK = 96;              // rows of x in a tile; a multiple of what every kernel takes at once
constexpr size_t PANEL = size_t(1) << 21;  // sums that wait for LoRA

tt_status no_memory() { return fail(TT_OUT_OF_MEMORY, "no memory for the scratch of a linear layer with a ternary weight"); }

struct Codes {
  int8_t* x;
  float* absmax;
  int32_t* sums;
  size_t stride, run, sums_each;
};

/// Rows of x in codes, with their sums: of a whole row, or of the runs of columns that share a scale.
tt_status round_rows(Codes* out, const Linear& l, const void* x, const PackedWeight& w) {
  const size_t rows = size_t(l.rows), stride = code_stride(l.in), bytes = code_bytes(l.in), n = size_t(l.in);
  const bool by_run = w.row_scales() > 1;
  out->stride = stride;
  out->run = by_run ? w.block : n ? n : 1;
  out->sums_each = TT_DISPATCH_BYTES(code_sums_of, bytes, by_run ? w.block : bytes);
  const size_t absmax_bytes = (rows * sizeof(float) + 63) & ~size_t(63), all_codes = rows * stride;
  char* scratch = static_cast<char*>(shared_scratch(SLOT_X, absmax_bytes + all_codes + rows * out->sums_each * sizeof(int32_t)));
  if (!scratch) return no_memory();
  out->absmax = reinterpret_cast<float*>(scratch);
  out->x = reinterpret_cast<int8_t*>(scratch + absmax_bytes);
  out->sums = reinterpret_cast<int32_t*>(scratch + absmax_bytes + all_codes);
  for_ranges(rows, n * (dtype_bytes(l.dtype) + 1), [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; row++) {
      int8_t* codes = out->x + row * stride;
      out->absmax[row] = TT_DISPATCH(quantize_row, codes, TT_I8, at(x, row * n, l.dtype), nullptr, n, l.dtype);
      memset(codes + n, 0, bytes - n);
      TT_DISPATCH_BYTES(sum_codes, out->sums + row * out->sums_each, codes, bytes, by_run ? w.block : bytes);
    }
  });
  return TT_OK;
}

/// y (rows, out) of y_dtype for rows [first, first + rows) of x.
tt_status multiply(void* y, tt_dtype y_dtype, const Linear& l, const Codes& codes, const PackedWeight& w, int first, int rows, const void* bias) {
  const int block = rows < ROW_BLOCK ? rows : ROW_BLOCK;
  for (int thread = 0; thread < thread_count(); thread++)
    if (!thread_scratch(thread, THREAD_SLOT_SUMS, size_t(block) * 4 * TRIT_ROWS * sizeof(float))) return no_memory();
  const size_t quarter = size_t(l.out) / 4, across = (quarter + TRIT_ROWS - 1) / TRIT_ROWS, down = (size_t(rows) + size_t(block) - 1) / size_t(block);
  const float* scales = static_cast<const float*>(w.scale);
  const size_t runs = w.row_scales();
  parallel(across * down, [&](size_t tile, int thread) {
    const int row = int(tile % down) * block;
    const size_t i = tile / down * TRIT_ROWS, x_row = size_t(first + row);
    TritProduct t;
    t.y = at(y, size_t(row) * size_t(l.out) + i, y_dtype);
    t.y_dtype = y_dtype;
    t.ldy = size_t(l.out);
    t.sums = static_cast<float*>(thread_scratch(thread, THREAD_SLOT_SUMS, 0));
    t.x = codes.x + x_row * codes.stride;
    t.stride = codes.stride;
    t.rows = rows - row < block ? rows - row : block;
    t.code_sums = codes.sums + x_row * codes.sums_each;
    t.packed = w.data + i * size_t(l.in);
    t.scales = runs ? scales + i * runs : nullptr;
    t.in = size_t(l.in);
    t.run = codes.run;
    t.quarter = quarter;
    t.absmax = codes.absmax + x_row;
    t.common = (runs ? 1.0 : double(scales[0])) / 127.0;
    t.bias = bias ? at(bias, i, l.dtype) : nullptr;
    t.bias_dtype = l.dtype;
    t.count = quarter - i < size_t(TRIT_ROWS) ? int(quarter - i) : TRIT_ROWS;
    TT_DISPATCH_BYTES(trit_products, t);
  });
  return TT_OK;
}

/// sums (rows, out) f32 += scale·xa·lora_bᵀ (+ bias)
tt_status add_update(float* sums, const Linear& l, int first, int rows, const TernaryTail& tail, const void* bias) {
  Gemm g;
  g.m = rows;
  g.n = l.out;
  g.k = l.rank;
  g.a = {tail.xa + size_t(first) * l.rank, TT_F32, false, size_t(l.rank), 1};
  g.b = {tail.lora_b, TT_F32, false, size_t(l.rank), l.scale};
  g.beta = 1;
  g.c = sums;
  g.ldc = size_t(l.out);
  g.bias = bias;
  g.bias_dtype = l.dtype;
  return gemm(g);
}

}  // namespace

tt_status ternary_forward(void* y, const Linear& l, const void* x, const PackedWeight& w, const TernaryTail& tail) {
  Codes codes;
  if (tt_status bad = round_rows(&codes, l, x, w)) return bad;
  if (l.rank == 0) return multiply(y, l.dtype, l, codes, w, 0, l.rows, tail.bias);
  if (l.dtype == TT_F32) {
    if (tt_status bad = multiply(y, TT_F32, l, codes, w, 0, l.rows, nullptr)) return bad;
    return add_update(static_cast<float*>(y), l, 0, l.rows, tail, tail.bias);
  }
  const size_t out = size_t(l.out), fit = PANEL / (out ? out : 1), panel = fit < 1 ? 1 : fit < size_t(l.rows) ? fit : size_t(l.rows);
  float* sums = static_cast<float*>(shared_scratch(SLOT_SUMS, panel * out * sizeof(float)));
  if (!sums) return no_memory();
  for (int first = 0; first < l.rows; first += int(panel)) {
    const int rows = l.rows - first < int(panel) ? l.rows - first : int(panel);
    if (tt_status bad = multiply(sums, TT_F32, l, codes, w, first, rows, nullptr)) return bad;
    if (tt_status bad = add_update(sums, l, first, rows, tail, nullptr)) return bad;
    for_ranges(size_t(rows), out * 8, [&](size_t begin, size_t end, int) {
      for (size_t row = begin; row < end; row++)
        TT_DISPATCH(scale_sums, at(y, (size_t(first) + row) * out, l.dtype), sums + row * out, nullptr, tail.bias, 1, out, l.dtype, l.dtype);
    });
  }
  return TT_OK;
}

}  // namespace tt
