// tt_linear_quantized_forward and _backward: a packed, frozen weight, an optional bias and an optional LoRA pair.
//
// The weight is unpacked a panel at a time into scratch that stays in the cache, and multiplied by what multiplies plain
// weights. int8 layers multiply codes: whole numbers up to 127, which bf16 holds exactly, as f32 does the sums up to
// 2^24; so the tile units for bf16 serve them too, and many rows of ternary layers. Few rows of nf4 and fp4 multiply codes, with LoRA or
// blocks that go on in the next row 16 unpacked rows of the weight at a time, each thread its own; few rows of int8 multiply bytes. All read the packed weight once. Other ternary layers: ternary.cpp.
#include <string.h>

#include "blockwise.h"
#include "int8.h"
#include "ternary.h"

namespace tt {
namespace {

// Scratch slots besides those of gemm and of the plain linear layer (SLOT_LINEAR is free again after lora_down).
enum { SLOT_SUMS = 0, SLOT_X = SLOT_ROWS, SLOT_WEIGHT = SLOT_LOGITS, SLOT_FLAGS = SLOT_LINEAR, SLOT_OUTLIER_WEIGHT = SLOT_LINEAR_2 };
constexpr int THREAD_SLOT_TILE = 0;
constexpr int FEW_ROWS = 16, TILE = 16, BYTE_TILE = 32;
constexpr size_t PANEL = size_t(1) << 21;  // elements

tt_status no_memory() { return fail(TT_OUT_OF_MEMORY, "no memory for the scratch of a linear layer with a packed weight"); }

/// Lanes of `depth` elements in a panel.
int panel_of(int lanes, int depth) {
  size_t fit = PANEL / size_t(depth) & ~size_t(63);
  if (fit < 64) fit = 64;
  return fit < size_t(lanes) ? int(fit) : lanes;
}
int smaller(int a, int b) { return a < b ? a : b; }

struct Lora { const float *xa, *b; };

/// c (rows,n) = x·wᵀ for rows [first, first + n) of the weight: x f32 (rows, k + k2), of which the last k2 meet lora.b.
struct FewRows {
  const float* x;
  int rows, k2, first, n;
  bool scaled;
  const float* lora_b;  // of row 0 of the weight
  float lora_scale;
  const float* bias;    // likewise, or NULL
  void* c;
  tt_dtype c_dtype;
};
tt_status few_rows(const PackedWeight& w, const FewRows& f) {
  for (int thread = 0; thread < thread_count(); thread++)
    if (!thread_scratch(thread, THREAD_SLOT_TILE, size_t(TILE) * w.cols * sizeof(float))) return no_memory();
  const size_t ldx = size_t(w.cols + f.k2);
  parallel(size_t(f.n + TILE - 1) / TILE, [&](size_t i, int thread) {
    const int from = int(i) * TILE, row = f.first + from, count = smaller(TILE, f.n - from);
    float* tile = static_cast<float*>(thread_scratch(thread, THREAD_SLOT_TILE, 0));
    TT_DISPATCH(unpack_weight, w, {tile, TT_F32, size_t(w.cols), row, count, 0, w.cols, f.scaled});
    SmallGemm g = {f.rows, count, w.cols, f.k2, f.x, ldx, {tile, TT_F32, false, size_t(w.cols), 1}, {}, at(f.c, size_t(from), f.c_dtype),
                   f.c_dtype, size_t(f.n), 1, 0, f.bias ? f.bias + row : nullptr};
    if (f.k2) g.w2 = {f.lora_b + size_t(row) * f.k2, TT_F32, false, size_t(f.k2), 1};
    TT_DISPATCH(gemm_small_rows, g, 0, count);
  });
  return TT_OK;
}

// ---- nf4, fp4 -----------------------------------------------------------------------------------------------------

tt_status blockwise_few_rows(void* y, const Linear& l, const void* x, const PackedWeight& w, const void* bias, const Lora& lora) {
  const size_t ldx = size_t(l.in + l.rank);
  float* wide = static_cast<float*>(shared_scratch(SLOT_X, (size_t(l.rows) * ldx + size_t(l.out)) * sizeof(float)));
  if (!wide) return no_memory();
  for (int row = 0; row < l.rows; row++) {
    TT_DISPATCH(widen_row, wide + row * ldx, at(x, size_t(row) * l.in, l.dtype), l.dtype, l.in, 1);
    if (l.rank) TT_DISPATCH(widen_row, wide + row * ldx + l.in, lora.xa + size_t(row) * l.rank, TT_F32, l.rank, l.scale);
  }
  float* wide_bias = wide + size_t(l.rows) * ldx;
  if (bias) TT_DISPATCH(widen_row, wide_bias, bias, l.dtype, l.out, 1);
  return few_rows(w, {wide, l.rows, l.rank, 0, l.out, true, lora.b, l.scale, bias ? wide_bias : nullptr, y, l.dtype});
}

/// Few rows without LoRA: codes are multiplied as they lie.
tt_status blockwise_codes(void* y, const Linear& l, const void* x, const PackedWeight& w, const void* bias) {
  const size_t n = size_t(l.in), rows = size_t(l.rows);
  float* wide = static_cast<float*>(shared_scratch(SLOT_X, 2 * rows * n * sizeof(float) + 64));
  if (!wide) return no_memory();
  float* split = wide + rows * n;
  for (size_t row = 0; row < rows; row++) {
    TT_DISPATCH(widen_row, wide + row * n, at(x, row * n, l.dtype), l.dtype, l.in, 1);
    TT_DISPATCH(split_pairs, split + row * n, wide + row * n, n);
  }
  for_ranges(size_t(l.out + BYTE_TILE - 1) / BYTE_TILE, n * BYTE_TILE, [&](size_t begin, size_t end, int) {
    for (size_t tile = begin; tile < end; tile++) {
      float sums[FEW_ROWS * BYTE_TILE];
      const int first = int(tile) * BYTE_TILE, count = smaller(BYTE_TILE, l.out - first);
      TT_DISPATCH(blockwise_products, BlockwiseProduct{sums, BYTE_TILE, split, n, l.rows, &w, first, count});
      for (size_t row = 0; row < rows; row++)
        TT_DISPATCH(scale_sums, at(y, row * size_t(l.out) + size_t(first), l.dtype), sums + row * BYTE_TILE, nullptr,
                    bias ? at(bias, size_t(first), l.dtype) : nullptr, 1, size_t(count), l.dtype, l.dtype);
    }
  });
  return TT_OK;
}

tt_status blockwise_forward(void* y, const Linear& l, const void* x, const PackedWeight& w, const void* bias, const Lora& lora) {
  if (l.rows <= FEW_ROWS && l.rank == 0 && TT_DISPATCH(multiplies_blocks, w)) return blockwise_codes(y, l, x, w, bias);
  if (l.rows <= FEW_ROWS) return blockwise_few_rows(y, l, x, w, bias, lora);
  const int panel = panel_of(l.out, l.in);
  void* numbers = shared_scratch(SLOT_WEIGHT, size_t(panel) * l.in * dtype_bytes(l.dtype));
  if (!numbers) return no_memory();
  for (int first = 0; first < l.out; first += panel) {
    const int count = smaller(panel, l.out - first);
    unpack_parallel(w, {numbers, l.dtype, size_t(l.in), first, count, 0, l.in, true});
    Gemm g;
    g.m = l.rows;
    g.n = count;
    g.k = l.in;
    g.a = {x, l.dtype, false, size_t(l.in), 1};
    g.b = {numbers, l.dtype, false, size_t(l.in), 1};
    g.c = at(y, size_t(first), l.dtype);
    g.c_dtype = l.dtype;
    g.ldc = size_t(l.out);
    g.bias = bias ? at(bias, size_t(first), l.dtype) : nullptr;
    g.bias_dtype = l.dtype;
    if (l.rank) {
      g.k2 = l.rank;
      g.a2 = {lora.xa, TT_F32, false, size_t(l.rank), 1};
      g.b2 = {lora.b + size_t(first) * l.rank, TT_F32, false, size_t(l.rank), l.scale};
    }
    if (tt_status status = gemm(g)) return status;
  }
  return TT_OK;
}

// ---- int8, ternary ------------------------------------------------------------------------------------------------

/// x in codes, and what was left out of them.
struct RoundedRows {
  void* codes;      // (rows,stride): bf16, or int8 where rows are few
  size_t stride;
  int32_t* sums;    // (rows) of int8 codes
  float* absmax;    // (rows)
  int32_t* index;   // the columns that are not rounded
  int outliers;
  void* x_outliers; // (rows, outliers) of the layer's dtype
};

/// Columns with some |x| ≥ threshold, in order.
tt_status find_outliers(uint8_t** flags, int32_t** index, int* count, const Linear& l, const void* x, float threshold) {
  *flags = nullptr;
  *count = 0;
  if (threshold == 0) return TT_OK;
  const size_t n = size_t(l.in);
  *index = static_cast<int32_t*>(shared_scratch(SLOT_FLAGS, n * (sizeof(int32_t) + 1)));
  if (!*index) return no_memory();
  uint8_t* found = reinterpret_cast<uint8_t*>(*index + n);
  parallel((n + 63) / 64, [&](size_t i, int) {
    const size_t first = i * 64, columns = n - first < 64 ? n - first : 64;
    TT_DISPATCH(mark_outliers, found + first, at(x, first, l.dtype), size_t(l.rows), n, columns, threshold, l.dtype);
  });
  for (size_t i = 0; i < n; i++)
    if (found[i]) (*index)[(*count)++] = int32_t(i);
  if (*count) *flags = found;
  return TT_OK;
}

tt_status round_rows(RoundedRows* out, const Linear& l, const void* x, float threshold) {
  uint8_t* flags;
  if (tt_status bad = find_outliers(&flags, &out->index, &out->outliers, l, x, threshold)) return bad;
  const bool few = l.rows <= FEW_ROWS;
  const tt_dtype code_dtype = few ? TT_I8 : TT_BF16;
  const size_t n = size_t(l.in), rows = size_t(l.rows), outliers = size_t(out->outliers);
  out->stride = few ? code_stride(l.in) : n;
  const size_t row_bytes = out->stride * dtype_bytes(code_dtype), bytes = dtype_bytes(l.dtype);
  char* scratch = static_cast<char*>(shared_scratch(SLOT_X, rows * (sizeof(float) + sizeof(int32_t) + row_bytes + outliers * bytes) + 128));
  if (!scratch) return no_memory();
  out->absmax = reinterpret_cast<float*>(scratch);
  out->sums = reinterpret_cast<int32_t*>(out->absmax + rows);
  out->codes = scratch + ((rows * (sizeof(float) + sizeof(int32_t)) + 63) & ~size_t(63));
  out->x_outliers = static_cast<char*>(out->codes) + ((rows * row_bytes + 63) & ~size_t(63));
  for_ranges(rows, n * (bytes + dtype_bytes(code_dtype)), [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; row++) {
      const char* from = at(x, row * n, l.dtype);
      char* codes = static_cast<char*>(out->codes) + row * row_bytes;
      out->absmax[row] = TT_DISPATCH(quantize_row, codes, code_dtype, from, flags, n, l.dtype);
      if (few) {
        memset(codes + n, 0, code_bytes(l.in) - n);
        TT_DISPATCH_BYTES(sum_codes, out->sums + row, reinterpret_cast<int8_t*>(codes), code_bytes(l.in), code_bytes(l.in));
      }
      if (outliers) TT_DISPATCH(take_columns, at(out->x_outliers, row * outliers, l.dtype), from, out->index, outliers, l.dtype);
    }
  });
  return TT_OK;
}

/// sums (rows, ld) = codes of few rows of x · codes of rows [first, first + count) of the weight.
void byte_products(float* sums, size_t ld, const Linear& l, const RoundedRows& x, const PackedWeight& w, int first, int count) {
  const int8_t* rows = reinterpret_cast<const int8_t*>(w.data) + size_t(first) * size_t(l.in);
  TT_DISPATCH_BYTES(int8_products, Int8Product{sums, ld, static_cast<const int8_t*>(x.codes), x.stride, l.rows, x.sums, rows, size_t(l.in), count});
}

/// Few rows without outliers and LoRA: each tile of the products is scaled while it is at hand.
tt_status rounded_few_rows(void* y, const Linear& l, const RoundedRows& x, const PackedWeight& w, const void* bias) {
  const size_t tiles = size_t(l.out + BYTE_TILE - 1) / BYTE_TILE;
  const float* scale = static_cast<const float*>(w.scale);
  for_ranges(tiles, size_t(l.in) * BYTE_TILE, [&](size_t begin, size_t end, int) {
    for (size_t tile = begin; tile < end; tile++) {
      float sums[FEW_ROWS * BYTE_TILE];
      const int first = int(tile) * BYTE_TILE, count = smaller(BYTE_TILE, l.out - first);
      byte_products(sums, BYTE_TILE, l, x, w, first, count);
      for (int row = 0; row < l.rows; row++)
        TT_DISPATCH(scale_sums, at(y, size_t(row) * size_t(l.out) + size_t(first), l.dtype), sums + size_t(row) * BYTE_TILE, scale + first,
                    bias ? at(bias, size_t(first), l.dtype) : nullptr, float(double(x.absmax[row]) / (127.0 * 127.0)), size_t(count), l.dtype, l.dtype);
    }
  });
  return TT_OK;
}

/// sums (rows,n) = codes of x · codes of rows [first, first + n) of the weight.
tt_status code_products(float* sums, const Linear& l, const RoundedRows& x, const PackedWeight& w, int first, int n) {
  if (l.rows <= FEW_ROWS) {
    for_ranges(size_t(n + BYTE_TILE - 1) / BYTE_TILE, size_t(l.in) * BYTE_TILE, [&](size_t begin, size_t end, int) {
      const int from = int(begin) * BYTE_TILE, to = smaller(int(end) * BYTE_TILE, n);
      byte_products(sums + from, size_t(n), l, x, w, first + from, to - from);
    });
    return TT_OK;
  }
  void* numbers = shared_scratch(SLOT_WEIGHT, size_t(n) * l.in * dtype_bytes(TT_BF16));
  if (!numbers) return no_memory();
  unpack_parallel(w, {numbers, TT_BF16, size_t(l.in), first, n, 0, l.in, false});
  Gemm g;
  g.m = l.rows;
  g.n = n;
  g.k = l.in;
  g.a = {x.codes, TT_BF16, false, size_t(l.in), 1};
  g.b = {numbers, TT_BF16, false, size_t(l.in), 1};
  g.c = sums;
  g.ldc = size_t(n);
  return gemm(g);
}

/// sums += the unrounded columns of x and LoRA's part.
tt_status add_exact_part(float* sums, const Linear& l, const RoundedRows& x, const PackedWeight& w, int first, int n, const Lora& lora) {
  Gemm g;
  g.m = l.rows;
  g.n = n;
  g.beta = 1;
  g.c = sums;
  g.ldc = size_t(n);
  const Operand down = {lora.xa, TT_F32, false, size_t(l.rank), 1};
  const Operand up = {lora.b + size_t(first) * l.rank, TT_F32, false, size_t(l.rank), l.scale};
  if (x.outliers == 0) {
    g.k = l.rank;
    g.a = down;
    g.b = up;
    return gemm(g);
  }
  const size_t outliers = size_t(x.outliers);
  void* columns = shared_scratch(SLOT_OUTLIER_WEIGHT, size_t(n) * outliers * dtype_bytes(l.dtype));
  if (!columns) return no_memory();
  for_ranges(size_t(n), outliers * 8, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; i++) {
      const size_t row = size_t(first) + i;
      TT_DISPATCH(take_int8_columns, at(columns, i * outliers, l.dtype), reinterpret_cast<const int8_t*>(w.data) + row * size_t(l.in), x.index, outliers,
                  static_cast<const float*>(w.scale)[row] / 127.0f, l.dtype);
    }
  });
  g.k = x.outliers;
  g.a = {x.x_outliers, l.dtype, false, outliers, 1};
  g.b = {columns, l.dtype, false, outliers, 1};
  if (l.rank) {
    g.k2 = l.rank;
    g.a2 = down;
    g.b2 = up;
  }
  return gemm(g);
}

tt_status rounded_forward(void* y, const Linear& l, const void* x, const PackedWeight& w, const void* bias, const Lora& lora, float threshold) {
  RoundedRows rounded = {};
  if (tt_status bad = round_rows(&rounded, l, x, w.kind == TT_INT8 ? threshold : 0)) return bad;
  if (l.rows <= FEW_ROWS && l.rank == 0 && rounded.outliers == 0) return rounded_few_rows(y, l, rounded, w, bias);
  const int panel = panel_of(l.out, l.in > l.rows ? l.in : l.rows);
  float* sums = static_cast<float*>(shared_scratch(SLOT_SUMS, size_t(l.rows) * panel * sizeof(float)));
  if (!sums) return no_memory();
  const bool exact_part = l.rank > 0 || rounded.outliers > 0;
  for (int first = 0; first < l.out; first += panel) {
    const int n = smaller(panel, l.out - first);
    if (tt_status bad = code_products(sums, l, rounded, w, first, n)) return bad;
    const float* row_scales = static_cast<const float*>(w.scale);
    const float* column_scale = w.row_scales() ? row_scales + first : nullptr;
    const double common = w.kind == TT_INT8 ? 1.0 / (127.0 * 127.0) : w.row_scales() ? 1.0 / 127.0 : double(row_scales[0]) / 127.0;
    const void* panel_bias = bias ? at(bias, size_t(first), l.dtype) : nullptr;
    auto finish = [&](bool last) {
      for_ranges(size_t(l.rows), size_t(n) * 8, [&](size_t begin, size_t end, int) {
        for (size_t row = begin; row < end; row++) {
          float* from = sums + row * size_t(n);
          void* to = last ? static_cast<void*>(at(y, row * size_t(l.out) + size_t(first), l.dtype)) : from;
          const float factor = last && exact_part ? 1.0f : float(double(rounded.absmax[row]) * common);
          TT_DISPATCH(scale_sums, to, from, last && exact_part ? nullptr : column_scale, last ? panel_bias : nullptr, factor, size_t(n),
                      last ? l.dtype : TT_F32, l.dtype);
        }
      });
    };
    if (exact_part) {
      finish(false);
      if (tt_status bad = add_exact_part(sums, l, rounded, w, first, n, lora)) return bad;
    }
    finish(true);
  }
  return TT_OK;
}

// ---- backward -----------------------------------------------------------------------------------------------------

/// dx (+)= dy·dequantize(w) + scale·t·lora_a (∘ mask), a panel of columns at a time, so that every sum is rounded once.
tt_status input_gradient(void* dx, const Linear& l, const void* dy, const float* t, const PackedWeight& w, const float* lora_a, bool accumulate) {
  const int panel = panel_of(l.in, l.out);
  void* numbers = shared_scratch(SLOT_WEIGHT, size_t(panel) * l.out * dtype_bytes(l.dtype));
  if (!numbers) return no_memory();
  for (int first = 0; first < l.in; first += panel) {
    const int n = smaller(panel, l.in - first);
    unpack_parallel(w, {numbers, l.dtype, size_t(n), 0, l.out, first, n, true});
    Gemm g;
    g.m = l.rows;
    g.n = n;
    g.k = l.out;
    g.a = {dy, l.dtype, false, size_t(l.out), 1};
    g.b = {numbers, l.dtype, true, size_t(n), 1};
    g.c = at(dx, size_t(first), l.dtype);
    g.c_dtype = l.dtype;
    g.ldc = size_t(l.in);
    g.beta = accumulate ? 1 : 0;
    if (l.rank && !l.dropout()) {
      g.k2 = l.rank;
      g.a2 = {t, TT_F32, false, size_t(l.rank), 1};
      g.b2 = {lora_a + first, TT_F32, true, size_t(l.in), l.scale};
    }
    if (tt_status status = gemm(g)) return status;
  }
  return l.dropout() ? add_masked_update(dx, l, t, lora_a) : TT_OK;
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_linear_quantized_forward(void* y, float* xa, const void* x, const int64_t* weight, const void* bias, const float* lora_a,
                                                 const float* lora_b, const uint32_t* rng, int32_t rows, int32_t in, int32_t out, int32_t rank,
                                                 float lora_scale, float dropout_p, float threshold, tt_dtype dtype, tt_stream) {
  constexpr const char* NAME = "tt_linear_quantized_forward";
  const Linear l = {rows, in, out, rank, lora_scale, dtype, rng, dropout_p};
  PackedWeight w;
  if (tt_status bad = check_linear(NAME, l, lora_a, lora_b)) return bad;
  if (tt_status bad = read_weight(&w, NAME, weight, out, in)) return bad;
  TT_REQUIRE(threshold >= 0, "%s: threshold must not be negative, got %g", NAME, double(threshold));
  if (rows == 0) return TT_OK;
  TT_REQUIRE(y && x, "%s: %s is null", NAME, !y ? "y" : "x");
  TT_REQUIRE(rank == 0 || xa, "%s: rank %d without xa", NAME, rank);
  if (rank)
    if (tt_status bad = lora_down(xa, l, x, lora_a)) return bad;
  const Lora lora = {xa, lora_b};
  // Tiles multiply bf16 faster than vectors do bytes.
  const bool on_tiles = on_amx() && rows > FEW_ROWS && w.row_scales() <= 1;
  if (w.kind == TT_TERNARY && !on_tiles) return ternary_forward(y, l, x, w, {bias, xa, lora_b});
  return w.blockwise() ? blockwise_forward(y, l, x, w, bias, lora) : rounded_forward(y, l, x, w, bias, lora, threshold);
}

extern "C" tt_status tt_linear_quantized_backward(void* dx, float* dbias, float* dlora_a, float* dlora_b, const void* dy, const void* x,
                                                  const float* xa, const int64_t* weight, const float* lora_a, const float* lora_b,
                                                  const uint32_t* rng, int32_t rows, int32_t in, int32_t out, int32_t rank, float lora_scale,
                                                  float dropout_p, int32_t accumulate_dx, tt_dtype dtype, tt_stream) {
  constexpr const char* NAME = "tt_linear_quantized_backward";
  const Linear l = {rows, in, out, rank, lora_scale, dtype, rng, dropout_p};
  PackedWeight w;
  if (tt_status bad = check_linear(NAME, l, lora_a, lora_b)) return bad;
  if (tt_status bad = read_weight(&w, NAME, weight, out, in)) return bad;
  TT_REQUIRE(rank > 0 || (!dlora_a && !dlora_b), "%s: LoRA gradients asked for with rank 0", NAME);
  if (rows == 0) return TT_OK;
  TT_REQUIRE(dy, "%s: dy is null", NAME);
  TT_REQUIRE(!dlora_a || x, "%s: dlora_a needs x", NAME);
  TT_REQUIRE(!dlora_b || xa, "%s: dlora_b needs xa", NAME);
  float* t = nullptr;
  if (rank && (dx || dlora_a)) {
    t = static_cast<float*>(shared_scratch(SLOT_LINEAR_2, size_t(rows) * rank * sizeof(float)));
    if (!t) return no_memory();
    if (tt_status bad = lora_up_gradient(t, l, dy, lora_b)) return bad;
  }
  if (dx)
    if (tt_status bad = input_gradient(dx, l, dy, t, w, lora_a, accumulate_dx != 0)) return bad;
  return linear_parameter_gradients({dbias, dlora_a, dlora_b}, l, dy, x, xa, t);
}
