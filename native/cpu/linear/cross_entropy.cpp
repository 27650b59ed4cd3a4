// tt_linear_cross_entropy: the last linear layer, softmax cross-entropy and both gradients, some rows at a time.
//
// The logits of a chunk of rows leave the product in pieces and become exponentials while a piece is in the cache. For
// the gradient those are kept, at most LOGITS_LIMIT bytes (with the packed operands of the products about 128 MB in all);
// a factor for each row and piece, known when the row is complete, is applied while the next product packs them, and the
// target's part is added at the end. Rows that are not trained are left out of the products altogether.
#include "cross_entropy.h"

#include <string.h>

namespace tt {
namespace {

constexpr size_t LOGITS_LIMIT = size_t(80) << 20;

struct CrossEntropy {
  void* dh;
  float* dw;
  const char *h, *w;
  const int32_t* targets;
  int cols, vocab;
  float scale, softcap;
  tt_dtype dtype;
  size_t row_bytes() const { return size_t(cols) * dtype_bytes(dtype); }
  int pieces() const { return (vocab + GEMM_PIECE - 1) / GEMM_PIECE; }
  bool gradient() const { return dh || dw; }
  /// Packing for AMX rounds to bf16, and a transposed packing knows no factors: there the gradient is made in memory.
  bool in_memory() const { return dw || gemm_on_amx(dtype); }
  tt_dtype kept_dtype() const { return in_memory() ? TT_F32 : dtype; }
};

/// Scratch of a chunk.
struct Chunk {
  const int32_t* list;
  int rows;
  Exponentials kept;
  float *factors, *target_gradients, *nll;
};

tt_status no_memory() { return fail(TT_OUT_OF_MEMORY, "no memory for the scratch of the cross-entropy"); }

int round_down(int x, int step) { return x / step * step; }

/// Rows of a chunk: the same for all but the last, because every chunk has to pack all of w.
int chunk_rows(const CrossEntropy& ce, int trained) {
  const int step = gemm_row_step(ce.dtype);
  const size_t limit = ce.gradient() ? LOGITS_LIMIT / (size_t(ce.vocab) * dtype_bytes(ce.kept_dtype())) : 4096;
  const int most = limit < size_t(step) ? step : limit > 4096 ? round_down(4096, step) : round_down(int(limit), step);
  const int chunks = (trained + most - 1) / most, even = chunks ? (trained + chunks - 1) / chunks : 1;
  return (even + step - 1) / step * step;
}

/// h of the listed rows: in place when they follow each other, else gathered.
const char* chunk_input(const CrossEntropy& ce, const int32_t* list, int rows) {
  if (list[rows - 1] - list[0] == rows - 1) return ce.h + list[0] * ce.row_bytes();
  char* gathered = static_cast<char*>(shared_scratch(SLOT_LINEAR, rows * ce.row_bytes()));
  if (!gathered) return nullptr;
  parallel(size_t(rows), [&](size_t i, int) { memcpy(gathered + i * ce.row_bytes(), ce.h + list[i] * ce.row_bytes(), ce.row_bytes()); });
  return gathered;
}

/// The chunk's exponentials or, where they were made, its gradients.
Operand kept_operand(const CrossEntropy& ce, const Chunk& chunk) {
  Operand x = {chunk.kept.data, ce.dtype, false, size_t(ce.vocab), 1};
  if (ce.in_memory()) {
    x.ld *= sizeof(float) / dtype_bytes(ce.dtype);  // a bf16 row of the gradient lies in the first half of the f32 row it replaced
  } else {
    x.lane_scales = chunk.factors;
    x.lane_scales_ld = size_t(ce.pieces());
  }
  return x;
}

tt_status input_gradient(const CrossEntropy& ce, const Chunk& chunk) {
  // Summed in f32 over the vocabulary, rounded once.
  float* sum = static_cast<float*>(shared_scratch(SLOT_LINEAR_2, size_t(chunk.rows) * ce.cols * sizeof(float)));
  if (!sum) return no_memory();
  Gemm g;
  g.m = chunk.rows;
  g.n = ce.cols;
  g.k = ce.vocab;
  g.a = kept_operand(ce, chunk);
  g.b = {ce.w, ce.dtype, true, size_t(ce.cols), 1};
  g.c = sum;
  g.ldc = size_t(ce.cols);
  if (tt_status status = gemm(g)) return status;
  parallel(size_t(chunk.rows), [&](size_t i, int) {
    const int row = chunk.list[i];
    const char* w = ce.in_memory() ? nullptr : ce.w + ce.targets[row] * ce.row_bytes();
    TT_DISPATCH(narrow_row, static_cast<char*>(ce.dh) + row * ce.row_bytes(), sum + i * ce.cols, w, chunk.target_gradients[i], ce.cols, ce.dtype);
  });
  return TT_OK;
}

tt_status weight_gradient(const CrossEntropy& ce, const Chunk& chunk, const char* h) {
  Gemm g;
  g.m = ce.vocab;
  g.n = ce.cols;
  g.k = chunk.rows;
  g.a = kept_operand(ce, chunk);
  g.a.k_major = true;
  g.b = {h, ce.dtype, true, size_t(ce.cols), 1};
  g.c = ce.dw;
  g.ldc = size_t(ce.cols);
  g.beta = 1;
  return gemm(g);
}

/// The product with w, whose pieces become exponentials.
tt_status logits(const CrossEntropy& ce, const Chunk& chunk, const char* h) {
  const GemmTaker taker = {[](const void* kept, const GemmPiece& piece) { TT_DISPATCH(cross_entropy_piece, *static_cast<const Exponentials*>(kept), piece); }, &chunk.kept};
  Gemm g;
  g.m = chunk.rows;
  g.n = ce.vocab;
  g.k = ce.cols;
  g.a = {h, ce.dtype, false, size_t(ce.cols), 1};
  g.b = {ce.w, ce.dtype, false, size_t(ce.cols), 1};
  g.taker = &taker;
  return gemm(g);
}

/// Losses and gradients of a chunk's rows.
tt_status run_chunk(const CrossEntropy& ce, const Chunk& chunk) {
  const char* h = chunk_input(ce, chunk.list, chunk.rows);
  if (!h) return no_memory();
  if (tt_status status = logits(ce, chunk, h)) return status;
  parallel(size_t(chunk.rows), [&](size_t i, int) {
    float* factors = chunk.factors + i * ce.pieces();
    const RowResult result = TT_DISPATCH(cross_entropy_row, factors, chunk.kept, int(i), ce.scale);
    chunk.nll[i] = result.nll;
    chunk.target_gradients[i] = result.target_gradient;
    if (ce.gradient() && ce.in_memory()) TT_DISPATCH(cross_entropy_gradient, chunk.kept, int(i), factors, result.target_gradient, ce.dtype);
  });
  if (ce.dh)
    if (tt_status status = input_gradient(ce, chunk)) return status;
  return ce.dw ? weight_gradient(ce, chunk, h) : TT_OK;
}

/// All trained rows; nll[i] belongs to list[i].
tt_status run_chunks(const CrossEntropy& ce, const int32_t* list, int trained, float* nll) {
  if (trained == 0) return TT_OK;
  const int step = chunk_rows(ce, trained), most = step < trained ? step : trained, pieces = ce.pieces();
  const size_t kept_bytes = ce.gradient() ? size_t(most) * ce.vocab * dtype_bytes(ce.kept_dtype()) : 0;
  const size_t row_floats = size_t(pieces) * 3 + 2;
  char* kept = static_cast<char*>(shared_scratch(SLOT_LOGITS, kept_bytes + size_t(most) * row_floats * sizeof(float) + 64));
  if (!kept) return no_memory();
  float* sums = reinterpret_cast<float*>(kept + (kept_bytes + 63) / 64 * 64);
  float* factors = sums + size_t(most) * pieces * 2;
  float* target_logits = factors + size_t(most) * pieces;
  for (int start = 0; start < trained; start += step) {
    const int rows = trained - start < step ? trained - start : step;
    const Exponentials exponentials = {ce.gradient() ? kept : nullptr, ce.kept_dtype(), ce.vocab, reinterpret_cast<PieceSum*>(sums), pieces,
                                       target_logits, list + start, ce.targets, ce.softcap};
    if (tt_status status = run_chunk(ce, {list + start, rows, exponentials, factors, target_logits + most, nll + start})) return status;
  }
  return TT_OK;
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_linear_cross_entropy(float* loss, float* nll, void* dh, float* dw, const void* h, const void* w, const int32_t* targets, int32_t rows,
                                             int32_t cols, int32_t vocab, float scale, float softcap, tt_dtype dtype, tt_stream) {
  TT_REQUIRE(is_compute_dtype(dtype), "tt_linear_cross_entropy: dtype must be f32 or bf16, got %d", dtype);
  TT_REQUIRE(rows >= 0 && cols > 0 && vocab > 0, "tt_linear_cross_entropy: bad size (rows %d, cols %d, vocab %d)", rows, cols, vocab);
  TT_REQUIRE_HOLD("tt_linear_cross_entropy", size_t(rows), size_t(cols));
  TT_REQUIRE_HOLD("tt_linear_cross_entropy", size_t(vocab), size_t(cols));
  TT_REQUIRE(softcap >= 0, "tt_linear_cross_entropy: softcap must be 0 or positive, got %g", double(softcap));
  TT_REQUIRE(loss && (rows == 0 || (h && w && targets)), "tt_linear_cross_entropy: NULL pointer");
  const CrossEntropy ce = {dh, dw, static_cast<const char*>(h), static_cast<const char*>(w), targets, cols, vocab, scale, softcap, dtype};
  int32_t* list = static_cast<int32_t*>(shared_scratch(SLOT_ROWS, (size_t(rows) * 2 + 1) * sizeof(float)));
  if (!list) return no_memory();
  float* losses = reinterpret_cast<float*>(list + rows);
  int trained = 0;
  for (int row = 0; row < rows; row++) {
    TT_REQUIRE(targets[row] < vocab, "tt_linear_cross_entropy: target %d of row %d is outside the vocabulary of %d", targets[row], row, vocab);
    if (targets[row] >= 0) list[trained++] = row;
  }
  if (nll) memset(nll, 0, size_t(rows) * sizeof(float));
  if (dh && trained < rows) tt_zero(dh, rows * ce.row_bytes(), nullptr);
  if (tt_status status = run_chunks(ce, list, trained, losses)) return status;
  double total = 0;
  for (int i = 0; i < trained; i++) {
    total += losses[i];
    if (nll) nll[list[i]] = losses[i];
  }
  *loss = float(scale * total);
  return TT_OK;
}
