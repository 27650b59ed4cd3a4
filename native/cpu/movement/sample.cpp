// tt_sample: repetition penalty, temperature, top-k, top-p and one draw a row. The vocabulary is walked in index order with
// f64 sums, so equal inputs pick equal tokens on every instruction set.
#include <math.h>
#include <string.h>

#include <atomic>

#include "../elementwise/elementwise.h"
#include "../runtime/philox.h"
#include "../runtime/ranges.h"

using namespace tt;

namespace {

struct Settings {
  int vocab, history_n, top_k;
  float temperature, top_p, repetition_penalty;
  const int32_t* history;
  const uint32_t* rng;
};

struct Token { float weight; int32_t id; };

/// Heavier first, lower index first among equals.
bool before(const Token& a, const Token& b) { return a.weight > b.weight || (a.weight == b.weight && a.id < b.id); }

void sift_down(Token* heap, size_t n, size_t i) {
  for (size_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && before(heap[child + 1], heap[child])) child++;
    if (!before(heap[child], heap[i])) return;
    Token held = heap[i];
    heap[i] = heap[child];
    heap[child] = held;
  }
}

/// A heap gives the heaviest tokens one by one: both filters need a few of many.
struct Heap {
  Token* tokens;
  size_t n;
  Heap(Token* given, size_t count) : tokens(given), n(count) {
    for (size_t i = n / 2; i-- > 0;) sift_down(tokens, n, i);
  }
  Token take() {
    Token top = tokens[0];
    tokens[0] = tokens[--n];
    sift_down(tokens, n, 0);
    return top;
  }
};

/// NaN never wins; −1 when nothing is above −Inf.
int32_t argmax(const float* logits, int vocab) {
  int32_t best = -1;
  float highest = -INFINITY;
  for (int32_t i = 0; i < vocab; i++)
    if (logits[i] > highest) highest = logits[i], best = i;
  return best;
}

/// Weight below which tokens are left out, so that top_k remain. Ties of the last one stay, as in transformers.
float top_k_threshold(const float* weights, const Settings& s, Token* memory) {
  for (int32_t i = 0; i < s.vocab; i++) memory[i] = {weights[i], i};
  Heap heap(memory, size_t(s.vocab));
  Token last{};
  for (int i = 0; i < s.top_k; i++) last = heap.take();
  return last.weight;
}

/// Zeroes what top-p leaves out: keeps the heaviest tokens up to and with the one that crosses p.
void apply_top_p(float* weights, double total, const Settings& s, Token* memory) {
  // Tokens lighter than this cannot be needed: all of them together weigh less than 1 − p.
  const double least = (1.0 - double(s.top_p)) * total / s.vocab;
  size_t n = 0;
  for (int32_t i = 0; i < s.vocab; i++)
    if (weights[i] >= least && weights[i] > 0) memory[n++] = {weights[i], i};
  Heap heap(memory, n);
  double sum = 0;
  Token last{INFINITY, -1};
  while (heap.n > 0 && (last.id < 0 || sum < double(s.top_p) * total)) {
    last = heap.take();
    sum += double(last.weight);
  }
  for (int32_t i = 0; i < s.vocab; i++)
    if (before(last, {weights[i], i})) weights[i] = 0;
}

/// The next token of one row, or −1 when no logit is above −Inf. logits: this row as f32, overwritten.
int32_t sample_row(float* logits, const Settings& s, int row, Token* memory, uint8_t* penalised) {
  if (s.repetition_penalty != 1 && s.history_n > 0) {
    memset(penalised, 0, size_t(s.vocab));
    for (int i = 0; i < s.history_n; i++) {
      int32_t id = s.history[i];
      if (penalised[id]) continue;  // once, however often it occurred
      penalised[id] = 1;
      logits[id] = logits[id] > 0 ? logits[id] / s.repetition_penalty : logits[id] * s.repetition_penalty;
    }
  }
  const int32_t best = argmax(logits, s.vocab);
  if (best < 0 || s.temperature == 0 || s.top_k == 1) return best;
  const float highest = logits[best];
  if (highest == INFINITY) return best;
  for (int32_t i = 0; i < s.vocab; i++) {
    float x = (logits[i] - highest) / s.temperature;
    logits[i] = x == x ? x : -INFINITY;
  }
  TT_DISPATCH_BF16(unary_forward_range, logits, logits, size_t(s.vocab), TT_EXP, TT_F32);
  if (s.top_k > 0 && s.top_k < s.vocab) {
    float threshold = top_k_threshold(logits, s, memory);
    for (int32_t i = 0; i < s.vocab; i++)
      if (logits[i] < threshold) logits[i] = 0;
  }
  double total = 0;
  for (int32_t i = 0; i < s.vocab; i++) total += double(logits[i]);
  if (s.top_p < 1) {
    apply_top_p(logits, total, s, memory);
    total = 0;
    for (int32_t i = 0; i < s.vocab; i++) total += double(logits[i]);
  }
  const uint64_t element = rng_offset(s.rng) + uint64_t(row);
  const double target = double(philox_block(s.rng, element >> 2).word[element & 3]) * 0x1p-32 * total;
  double sum = 0;
  int32_t chosen = best;
  for (int32_t i = 0; i < s.vocab; i++) {
    if (logits[i] == 0) continue;
    sum += double(logits[i]);
    chosen = i;
    if (sum > target) break;
  }
  return chosen;
}

}  // namespace

extern "C" tt_status tt_sample(int32_t* out, const void* logits, const int32_t* history, const uint32_t* rng, int32_t rows, int32_t vocab,
                               int32_t history_n, float temperature, int32_t top_k, float top_p, float repetition_penalty, tt_dtype dtype,
                               tt_stream) {
  TT_REQUIRE_DTYPE("tt_sample", dtype);
  TT_REQUIRE_SIZE("tt_sample", rows);
  TT_REQUIRE_SIZE("tt_sample", history_n);
  TT_REQUIRE(vocab > 0, "tt_sample: vocab must be positive, got %d", vocab);
  TT_REQUIRE(temperature >= 0 && isfinite(temperature), "tt_sample: temperature must be 0 or positive, got %g", double(temperature));
  TT_REQUIRE(top_k >= 0, "tt_sample: top_k must be 0 (off) or positive, got %d", top_k);
  TT_REQUIRE(top_p > 0 && top_p <= 1, "tt_sample: top_p must be above 0 and at most 1, got %g", double(top_p));
  TT_REQUIRE(repetition_penalty > 0 && isfinite(repetition_penalty), "tt_sample: repetition_penalty must be positive, got %g",
             double(repetition_penalty));
  TT_REQUIRE_HOLD("tt_sample", size_t(rows), size_t(vocab));
  if (rows == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_sample", out);
  TT_REQUIRE_POINTER("tt_sample", logits);
  TT_REQUIRE(rng || temperature == 0, "tt_sample: rng is null, and temperature is not 0");
  if (!history) history_n = 0;
  for (int32_t i = 0; i < history_n; i++)
    TT_REQUIRE(history[i] >= 0 && history[i] < vocab, "tt_sample: history[%d] is %d, the vocabulary has %d", i, history[i], vocab);
  Settings s{vocab, history_n, top_k, temperature, top_p, repetition_penalty, history, rng};
  const size_t n = size_t(vocab), row_bytes = n * sizeof(float), token_bytes = n * sizeof(Token);
  std::atomic<int> failed{-1};
  parallel(size_t(rows), [&](size_t row, int thread) {
    auto* memory = static_cast<char*>(thread_scratch(thread, 0, token_bytes + row_bytes + n));
    if (!memory) {
      out[row] = -2;
      return failed.store(int(row));
    }
    auto* line = reinterpret_cast<float*>(memory + token_bytes);
    const void* from = at(logits, row * n, dtype);
    if (dtype == TT_F32) memcpy(line, from, row_bytes);
    else TT_DISPATCH(cast_range, line, from, n, TT_F32, dtype);
    out[row] = sample_row(line, s, int(row), reinterpret_cast<Token*>(memory), reinterpret_cast<uint8_t*>(memory + token_bytes + row_bytes));
    if (out[row] < 0) failed.store(int(row));
  });
  const int row = failed.load();
  if (row < 0) return TT_OK;
  if (out[row] == -2) return fail(TT_OUT_OF_MEMORY, "tt_sample: no memory for %d logits", vocab);
  return fail(TT_FAILED, "tt_sample: row %d of the logits has no number above -Inf (all NaN or -Inf)", row);
}
