// tt_linear_forward and tt_linear_backward: a frozen or trained weight, an optional bias and an optional LoRA pair.
//
// Neither w + lora_b·lora_a nor any other out×in matrix is made: the LoRA pair rides along as a second product of depth
// `rank`. The mask of dropout is applied where an operand is packed or read, and to what the second product adds; on AMX and
// for high ranks the masked input is made a few rows at a time.
#include "linear.h"
#include "../gemm/blas.h"
#include "../gemm/thin.h"

namespace tt {
namespace {

constexpr int ROWS_AT_A_TIME = 512;  // of masked input, or of the LoRA part of dx
constexpr size_t MASK_CHUNK = 16384;
constexpr int COLUMN_CHUNK = 64;

tt_status no_memory() { return fail(TT_OUT_OF_MEMORY, "no memory for the scratch of a linear layer"); }

}  // namespace

tt_status check_linear(const char* name, const Linear& l, const void* lora_a, const void* lora_b) {
  TT_REQUIRE(is_compute_dtype(l.dtype), "%s: dtype must be f32 or bf16, got %d", name, l.dtype);
  TT_REQUIRE(l.rows >= 0 && l.in > 0 && l.out > 0 && l.rank >= 0, "%s: bad size (rows %d, in %d, out %d, rank %d)", name, l.rows, l.in, l.out, l.rank);
  TT_REQUIRE_HOLD(name, size_t(l.rows), size_t(l.in));
  TT_REQUIRE_HOLD(name, size_t(l.rows), size_t(l.out));
  TT_REQUIRE_HOLD(name, size_t(l.in), size_t(l.out));
  TT_REQUIRE_HOLD(name, size_t(l.rank), size_t(l.rows));
  TT_REQUIRE_HOLD(name, size_t(l.rank), size_t(l.in));
  TT_REQUIRE_HOLD(name, size_t(l.rank), size_t(l.out));
  TT_REQUIRE(l.rank == 0 || (lora_a && lora_b), "%s: rank %d without lora_a or lora_b", name, l.rank);
  TT_REQUIRE(l.p >= 0 && l.p < 1, "%s: dropout_p must be in [0, 1), got %g", name, double(l.p));
  TT_REQUIRE(!l.dropout() || l.rng, "%s: dropout needs rng", name);
  return TT_OK;
}

namespace {

/// Rows [row, row + rows) of drop(x), not yet multiplied by keep_scale: x itself without dropout.
const void* masked_rows(const Linear& l, const void* x, int row, int rows) {
  const size_t bytes = dtype_bytes(l.dtype), first = size_t(row) * l.in, n = size_t(rows) * l.in;
  const char* source = static_cast<const char*>(x) + first * bytes;
  if (!l.dropout()) return source;
  char* masked = static_cast<char*>(shared_scratch(SLOT_LINEAR, n * bytes));
  if (!masked) return nullptr;
  const DropoutMask mask = l.mask();
  parallel((n + MASK_CHUNK - 1) / MASK_CHUNK, [&](size_t i, int) {
    size_t start = i * MASK_CHUNK, count = n - start < MASK_CHUNK ? n - start : MASK_CHUNK;
    TT_DISPATCH(apply_mask, masked + start * bytes, source + start * bytes, count, first + start, mask, l.dtype);
  });
  return masked;
}

/// Whether products apply the mask themselves.
bool fused_mask(const Linear& l) { return l.dropout() && !gemm_on_amx(l.dtype); }
/// Whether what is masked is made apart from this product, because AMX or a BLAS makes it.
bool masked_apart(const Linear& l, const Gemm& g) { return l.dropout() && (!fused_mask(l) || blas_takes(g)); }

int rows_at_a_time(const Linear& l) { return l.dropout() ? ROWS_AT_A_TIME : l.rows; }
int rows_left(const Linear& l, int row) { return l.rows - row < rows_at_a_time(l) ? l.rows - row : rows_at_a_time(l); }

}  // namespace

tt_status lora_down(float* xa, const Linear& l, const void* x, const float* lora_a) {
  for (int row = 0; row < l.rows; row += rows_at_a_time(l)) {
    Gemm g;
    g.m = rows_left(l, row);
    g.n = l.rank;
    g.k = l.in;
    const void* input = masked_rows(l, x, row, g.m);
    if (!input) return no_memory();
    g.a = {input, l.dtype, false, size_t(l.in), 1};
    g.b = {lora_a, TT_F32, false, size_t(l.in), 1};
    g.alpha = l.keep_scale();
    g.c = xa + size_t(row) * l.rank;
    g.ldc = size_t(l.rank);
    if (tt_status status = gemm(g)) return status;
  }
  return TT_OK;
}

tt_status lora_up_gradient(float* t, const Linear& l, const void* dy, const float* lora_b) {
  Gemm g;
  g.m = l.rows;
  g.n = l.rank;
  g.k = l.out;
  g.a = {dy, l.dtype, false, size_t(l.out), 1};
  g.b = {lora_b, TT_F32, true, size_t(l.rank), 1};
  g.c = t;
  g.ldc = size_t(l.rank);
  return gemm(g);
}

tt_status add_masked_update(void* dx, const Linear& l, const float* t, const float* lora_a) {
  // The mask applies to the LoRA part alone, so that part is made apart, in f32.
  const DropoutMask mask = l.mask();
  for (int row = 0; row < l.rows; row += rows_at_a_time(l)) {
    Gemm part;
    part.m = rows_left(l, row);
    part.n = l.in;
    part.k = l.rank;
    const size_t first = size_t(row) * l.in, n = size_t(part.m) * l.in;
    float* add = static_cast<float*>(shared_scratch(SLOT_LINEAR, n * sizeof(float)));
    if (!add) return no_memory();
    part.a = {t + size_t(row) * l.rank, TT_F32, false, size_t(l.rank), 1};
    part.b = {lora_a, TT_F32, true, size_t(l.in), l.scale * l.keep_scale()};
    part.c = add;
    part.ldc = size_t(l.in);
    if (tt_status status = gemm(part)) return status;
    parallel((n + MASK_CHUNK - 1) / MASK_CHUNK, [&](size_t i, int) {
      size_t start = i * MASK_CHUNK, count = n - start < MASK_CHUNK ? n - start : MASK_CHUNK;
      char* to = static_cast<char*>(dx) + (first + start) * dtype_bytes(l.dtype);
      TT_DISPATCH(put_masked, to, add + start, count, first + start, mask, true, l.dtype);
    });
  }
  return TT_OK;
}

namespace {

/// dx (+)= dy·w + scale·t·lora_a (∘ mask), and t = dy·lora_b on the way.
tt_status input_gradient(void* dx, float* t, const Linear& l, const void* dy, const void* w, const float* lora_a, const float* lora_b, bool accumulate) {
  Gemm g;
  g.m = l.rows;
  g.n = l.in;
  g.k = l.out;
  g.a = {dy, l.dtype, false, size_t(l.out), 1};
  g.b = {w, l.dtype, true, size_t(l.in), 1};
  g.c = dx;
  g.c_dtype = l.dtype;
  g.ldc = size_t(l.in);
  g.beta = accumulate ? 1 : 0;
  const DropoutMask mask = l.mask();
  const bool apart = masked_apart(l, g);
  if (l.rank && !apart) {
    g.k2 = l.rank;
    g.a2_out = t;
    g.down = {lora_b, TT_F32, true, size_t(l.rank), 1};
    g.b2 = {lora_a, TT_F32, true, size_t(l.in), l.scale * l.keep_scale()};
    if (l.dropout()) g.mask_c = &mask;
  }
  if (tt_status status = gemm(g)) return status;
  if (!apart) return TT_OK;
  if (tt_status status = lora_up_gradient(t, l, dy, lora_b)) return status;
  return add_masked_update(dx, l, t, lora_a);
}

/// dw (m,n) += factor·gᵀ·x with g (rows, m) of g_dtype and x (rows, n) of x_dtype: the form of every parameter gradient.
tt_status parameter_gradient(float* dw, const void* g_rows, tt_dtype g_dtype, int m, const void* x, tt_dtype x_dtype, int n, int rows, float factor) {
  Gemm g;
  g.m = m;
  g.n = n;
  g.k = rows;
  g.a = {g_rows, g_dtype, true, size_t(m), 1};
  g.b = {x, x_dtype, true, size_t(n), factor};
  g.c = dw;
  g.ldc = size_t(n);
  g.beta = 1;
  return gemm(g);
}

/// dw (rank, n), or (n, rank) when transposed, += factor·tᵀ·x; mask: only of ranks up to thin_limit().
tt_status factor_gradient(float* dw, bool transposed, const Linear& l, const float* t, const void* x, int n, int rows, float factor,
                          const DropoutMask* mask = nullptr) {
  if (l.rank <= thin_limit(l.dtype)) return add_thin_gradient(dw, transposed, t, l.rank, x, l.dtype, n, rows, factor, mask);
  if (transposed) return parameter_gradient(dw, x, l.dtype, n, t, TT_F32, l.rank, rows, factor);
  return parameter_gradient(dw, t, TT_F32, l.rank, x, l.dtype, n, rows, factor);
}

tt_status lora_a_gradient(float* dlora_a, const Linear& l, const float* t, const void* x) {
  if (fused_mask(l) && l.rank <= thin_limit(l.dtype)) {
    const DropoutMask mask = l.mask();
    return factor_gradient(dlora_a, false, l, t, x, l.in, l.rows, l.scale * l.keep_scale(), &mask);
  }
  for (int row = 0; row < l.rows; row += rows_at_a_time(l)) {
    const int rows = rows_left(l, row);
    const void* input = masked_rows(l, x, row, rows);
    if (!input) return no_memory();
    const float* part = t + size_t(row) * l.rank;
    if (tt_status status = factor_gradient(dlora_a, false, l, part, input, l.in, rows, l.scale * l.keep_scale())) return status;
  }
  return TT_OK;
}

}  // namespace

tt_status linear_parameter_gradients(const LinearGradients& to, const Linear& l, const void* dy, const void* x, const float* xa, const float* t) {
  if (to.dlora_a)
    if (tt_status status = lora_a_gradient(to.dlora_a, l, t, x)) return status;
  if (to.dlora_b)
    if (tt_status status = factor_gradient(to.dlora_b, true, l, xa, dy, l.out, l.rows, l.scale)) return status;
  if (to.dbias)
    parallel(size_t(l.out + COLUMN_CHUNK - 1) / COLUMN_CHUNK, [&](size_t i, int) {
      int first = int(i) * COLUMN_CHUNK, last = first + COLUMN_CHUNK < l.out ? first + COLUMN_CHUNK : l.out;
      TT_DISPATCH(add_column_sums, to.dbias, dy, l.rows, l.out, first, last, l.dtype);
    });
  return TT_OK;
}

}  // namespace tt

using namespace tt;

extern "C" tt_status tt_linear_forward(void* y, float* xa, const void* x, const void* w, const void* bias, const float* lora_a, const float* lora_b,
                                       const uint32_t* rng, int32_t rows, int32_t in, int32_t out, int32_t rank, float lora_scale, float dropout_p,
                                       tt_dtype dtype, tt_stream) {
  const Linear l = {rows, in, out, rank, lora_scale, dtype, rng, dropout_p};
  if (tt_status status = check_linear("tt_linear_forward", l, lora_a, lora_b)) return status;
  if (rows == 0) return TT_OK;
  TT_REQUIRE(y && x && w, "tt_linear_forward: y, x or w is NULL");
  TT_REQUIRE(rank == 0 || xa, "tt_linear_forward: rank %d without xa", rank);
  Gemm g;
  g.m = rows;
  g.n = out;
  g.k = in;
  g.a = {x, dtype, false, size_t(in), 1};
  g.b = {w, dtype, false, size_t(in), 1};
  g.c = y;
  g.c_dtype = dtype;
  g.ldc = size_t(out);
  g.bias = bias;
  g.bias_dtype = dtype;
  const DropoutMask mask = l.mask();
  if (rank) {
    const bool apart = masked_apart(l, g);
    g.k2 = rank;
    g.b2 = {lora_b, TT_F32, false, size_t(rank), lora_scale};
    if (apart) {
      if (tt_status status = lora_down(xa, l, x, lora_a)) return status;
      g.a2 = {xa, TT_F32, false, size_t(rank), 1};
    } else {
      g.a2_out = xa;
      g.down = {lora_a, TT_F32, false, size_t(in), 1};
      g.down_scale = l.keep_scale();
      if (l.dropout()) g.mask_a = &mask;
    }
  }
  return gemm(g);
}

extern "C" tt_status tt_linear_backward(void* dx, float* dw, float* dbias, float* dlora_a, float* dlora_b, const void* dy, const void* x, const float* xa,
                                        const void* w, const float* lora_a, const float* lora_b, const uint32_t* rng, int32_t rows, int32_t in,
                                        int32_t out, int32_t rank, float lora_scale, float dropout_p, int32_t accumulate_dx, tt_dtype dtype, tt_stream) {
  const Linear l = {rows, in, out, rank, lora_scale, dtype, rng, dropout_p};
  if (tt_status status = check_linear("tt_linear_backward", l, lora_a, lora_b)) return status;
  TT_REQUIRE(rank > 0 || (!dlora_a && !dlora_b), "tt_linear_backward: LoRA gradients asked for with rank 0");
  if (rows == 0) return TT_OK;
  TT_REQUIRE(dy, "tt_linear_backward: dy is NULL");
  TT_REQUIRE(!dx || w, "tt_linear_backward: dx needs w");
  TT_REQUIRE(!(dw || dlora_a) || x, "tt_linear_backward: dw and dlora_a need x");
  TT_REQUIRE(!dlora_b || xa, "tt_linear_backward: dlora_b needs xa");

  float* t = nullptr;
  if (rank && (dx || dlora_a)) {
    t = static_cast<float*>(shared_scratch(SLOT_LINEAR_2, size_t(rows) * rank * sizeof(float)));
    if (!t) return no_memory();
  }
  if (dx) {
    if (tt_status status = input_gradient(dx, t, l, dy, w, lora_a, lora_b, accumulate_dx != 0)) return status;
  } else if (t) {
    if (tt_status status = lora_up_gradient(t, l, dy, lora_b)) return status;
  }
  if (dw)
    if (tt_status status = parameter_gradient(dw, dy, dtype, out, x, dtype, in, rows, 1)) return status;
  return linear_parameter_gradients({dbias, dlora_a, dlora_b}, l, dy, x, xa, t);
}
