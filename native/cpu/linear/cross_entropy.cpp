// tt_linear_cross_entropy: the last linear layer, softmax cross-entropy and both gradients, some rows at a time.
//
// The logits of a chunk of rows are made in f32 scratch (at most LOGITS_LIMIT bytes; with the packed operands of the
// products about 128 MB in all), turned into their gradient in place, and multiplied on. Rows that are not trained are
// left out of the products altogether.
#include "cross_entropy.h"

#include <string.h>

namespace tt {
namespace {

constexpr size_t LOGITS_LIMIT = size_t(80) << 20;
constexpr int CHUNK_ALIGN = 32;

struct CrossEntropy {
  void* dh;
  float* dw;
  const char *h, *w;
  const int32_t* targets;
  int cols, vocab;
  float scale, softcap;
  tt_dtype dtype;
  size_t row_bytes() const { return size_t(cols) * dtype_bytes(dtype); }
};

tt_status no_memory() { return fail(TT_OUT_OF_MEMORY, "no memory for the scratch of the cross-entropy"); }

int chunk_rows(int vocab) {
  size_t rows = LOGITS_LIMIT / (size_t(vocab) * sizeof(float));
  return rows < CHUNK_ALIGN ? CHUNK_ALIGN : rows > 4096 ? 4096 : int(rows) / CHUNK_ALIGN * CHUNK_ALIGN;
}

/// h of the listed rows: in place when they follow each other, else gathered.
const char* chunk_input(const CrossEntropy& ce, const int32_t* list, int rows) {
  if (list[rows - 1] - list[0] == rows - 1) return ce.h + list[0] * ce.row_bytes();
  char* gathered = static_cast<char*>(shared_scratch(SLOT_LINEAR, rows * ce.row_bytes()));
  if (!gathered) return nullptr;
  parallel(size_t(rows), [&](size_t i, int) { memcpy(gathered + i * ce.row_bytes(), ce.h + list[i] * ce.row_bytes(), ce.row_bytes()); });
  return gathered;
}

tt_status input_gradient(const CrossEntropy& ce, const Operand& dlogits, const int32_t* list, int rows) {
  // Summed in f32 over the vocabulary, rounded once.
  float* sum = static_cast<float*>(shared_scratch(SLOT_LINEAR_2, size_t(rows) * ce.cols * sizeof(float)));
  if (!sum) return no_memory();
  Gemm g;
  g.m = rows;
  g.n = ce.cols;
  g.k = ce.vocab;
  g.a = dlogits;
  g.b = {ce.w, ce.dtype, true, size_t(ce.cols), 1};
  g.c = sum;
  g.ldc = size_t(ce.cols);
  if (tt_status status = gemm(g)) return status;
  parallel(size_t(rows), [&](size_t i, int) {
    TT_DISPATCH(narrow_row, static_cast<char*>(ce.dh) + list[i] * ce.row_bytes(), sum + i * ce.cols, ce.cols, ce.dtype);
  });
  return TT_OK;
}

tt_status weight_gradient(const CrossEntropy& ce, Operand dlogits, const char* h, int rows) {
  Gemm g;
  g.m = ce.vocab;
  g.n = ce.cols;
  g.k = rows;
  g.a = dlogits;
  g.a.k_major = true;
  g.b = {h, ce.dtype, true, size_t(ce.cols), 1};
  g.c = ce.dw;
  g.ldc = size_t(ce.cols);
  g.beta = 1;
  return gemm(g);
}

/// One chunk: the listed rows; nll[i] belongs to list[i].
tt_status run_chunk(const CrossEntropy& ce, const int32_t* list, int rows, float* nll) {
  const char* h = chunk_input(ce, list, rows);
  float* logits = static_cast<float*>(shared_scratch(SLOT_LOGITS, size_t(rows) * ce.vocab * sizeof(float)));
  if (!h || !logits) return no_memory();
  Gemm g;
  g.m = rows;
  g.n = ce.vocab;
  g.k = ce.cols;
  g.a = {h, ce.dtype, false, size_t(ce.cols), 1};
  g.b = {ce.w, ce.dtype, false, size_t(ce.cols), 1};
  g.c = logits;
  g.ldc = size_t(ce.vocab);
  if (tt_status status = gemm(g)) return status;
  const bool gradient = ce.dh || ce.dw;
  parallel(size_t(rows), [&](size_t i, int) {
    const CrossEntropyRow row = {logits + i * ce.vocab, ce.vocab, ce.targets[list[i]], ce.scale, ce.softcap, gradient, ce.dtype};
    nll[i] = TT_DISPATCH(cross_entropy_row, row);
  });
  // A bf16 row of the gradient lies in the first half of the f32 row it replaced.
  const Operand dlogits = {logits, ce.dtype, false, size_t(ce.vocab) * (sizeof(float) / dtype_bytes(ce.dtype)), 1};
  if (ce.dh)
    if (tt_status status = input_gradient(ce, dlogits, list, rows)) return status;
  return ce.dw ? weight_gradient(ce, dlogits, h, rows) : TT_OK;
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
  double total = 0;
  // Chunks of even size: every chunk has to pack all of w.
  const int chunks = (trained + chunk_rows(vocab) - 1) / chunk_rows(vocab), step = chunks ? (trained + chunks - 1) / chunks : 1;
  for (int start = 0; start < trained; start += step) {
    const int count = trained - start < step ? trained - start : step;
    if (tt_status status = run_chunk(ce, list + start, count, losses + start)) return status;
  }
  for (int i = 0; i < trained; i++) {
    total += losses[i];
    if (nll) nll[list[i]] = losses[i];
  }
  *loss = float(scale * total);
  return TT_OK;
}
