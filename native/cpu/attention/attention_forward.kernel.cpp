// Flash attention forward (Dao, arXiv:2307.08691) in f32: a strip of query rows at a time walks over blocks of keys, its
// scores never leaving L1, the running maximum and sum rescaling its output.
#include "attention.h"
#include "../gemm/block-matmul.h"
#include "../vectors/vector-math.h"

namespace tt::TT_ISA {

constexpr size_t KEY_BLOCK = 384;
constexpr int SCORE_ROW = int(KEY_BLOCK) + 16;  // not a power of two: 14 rows must not fall into the same cache sets
typedef Left<SCORE_ROW, false> LeftScores;

template <class T> static void pack(const Attention& a, const Document& d, int kv_head, int begin, int end, float* kt, float* v, size_t v_rows) {
  const size_t size = size_t(a.head_dim), stride = size_t(a.kv_heads) * size;
  const T* keys = static_cast<const T*>(a.k) + size_t(d.k_begin) * stride + size_t(kv_head) * size;
  const T* values = static_cast<const T*>(a.v) + size_t(d.k_begin) * stride + size_t(kv_head) * size;
  const size_t last = round_up(size_t(end), KEY_STEP);
  for (size_t key = size_t(begin); key < last; key += W) {
    size_t there = key >= size_t(end) ? 0 : size_t(end) - key < size_t(W) ? size_t(end) - key : size_t(W);
    transpose_into_panel(kt + key / TILE * TILE * size + key % TILE, keys + key * stride, stride, there, size);
  }
  for (size_t key = size_t(begin); v && key < last; key++) {
    for (size_t c = 0; c < size; c += W) {
      size_t some = size - c < size_t(W) ? size - c : size_t(W);
      const T* from = values + key * stride + c;
      vf x = key >= size_t(end) ? vf{} : some == size_t(W) ? load(from) : load_n(from, some);
      store(v + c / TILE * TILE * v_rows + key * TILE + c % TILE, x);
    }
  }
}

void attention_pack(const Attention& a, const Document& d, int kv_head, int begin, int end, float* kt, float* v, size_t v_rows) {
  TT_BY_DTYPE(a.dtype, T, pack<T>(a, d, kv_head, begin, end, kt, v, v_rows));
}

/// Scaled queries of a block, in strips.
template <class T> static void load_queries(float* to, const Attention& a, const Document& d, int kv_head, int q_begin, int q_end) {
  const int size = a.head_dim, count = (q_end - q_begin) * a.group;
  auto* q = static_cast<const T*>(a.q) + (size_t(d.q_begin + q_begin) * size_t(a.heads) + size_t(kv_head * a.group)) * size_t(size);
  for (int first = 0; first < count; first += STRIP) {
    auto row = [&](int i) { return q + size_t((first + i) / a.group * a.heads + (first + i) % a.group) * size_t(size); };
    load_strip(to + first * size, row, count - first < STRIP ? count - first : STRIP, size_t(size), a.scale);
  }
}

/// One row of scores to probabilities, in place; columns outside of [begin, end) become 0. Returns what the row's earlier
/// sums are multiplied by.
static inline float softmax_row(float* s, size_t n, size_t begin, size_t end, float& highest, float& total) {
  for (size_t i = 0; i < begin; i++) s[i] = -INFINITY;
  for (size_t i = end; i < n; i++) s[i] = -INFINITY;
  vf top0 = set1(highest), top1 = top0;
  size_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    top0 = max_or_second(load(s + i), top0);
    top1 = max_or_second(load(s + i + W), top1);
  }
  if (i < n) top0 = max_or_second(load(s + i), top0);
  const float now = max_lanes_finite(max_or_second(top0, top1));
  if (now == -INFINITY) {
    for (size_t j = 0; j < n; j++) {
      s[j] = s[j] == -INFINITY ? 0 : s[j];  // NaN stays
      total += s[j];
    }
    return 1;
  }
  vf sum0{}, sum1{};
  for (i = 0; i + 2 * W <= n; i += 2 * W) {
    vf p = exp2_below_zero_v((load(s + i) - now) * LOG2_OF_E), q = exp2_below_zero_v((load(s + i + W) - now) * LOG2_OF_E);
    store(s + i, p);
    store(s + i + W, q);
    sum0 += p;
    sum1 += q;
  }
  if (i < n) {
    vf p = exp2_below_zero_v((load(s + i) - now) * LOG2_OF_E);
    store(s + i, p);
    sum0 += p;
  }
  const float keep = highest == -INFINITY ? 0 : __builtin_expf(highest - now);
  total = total * keep + sum_lanes(sum0 + sum1);
  highest = now;
  return keep;
}

struct Rows {
  float *q, *o, *highest, *total;  // strips, [row][padded], [row], [row]
};

/// One strip of rows against keys [key, key + KEY_BLOCK) ∩ [key_begin, key_end).
static void strip_step(const Attention& a, const Document& d, const Rows& rows, int row, int count, int q_begin, int key, int key_begin,
                       int key_end, const float* kt, const Values& v, float* s) {
  const size_t size = size_t(a.head_dim), padded = round_up(size, W);
  const int first_query = q_begin + row / a.group, last_query = q_begin + (row + count - 1) / a.group;
  auto clip = [&](int x) {
    x = x < key_begin ? key_begin : x > key_end ? key_end : x;
    x -= key;
    return x < 0 ? 0 : x > int(KEY_BLOCK) ? int(KEY_BLOCK) : x;
  };
  const int left = clip(d.first_key(a, first_query)) / TILE * TILE, right = clip(d.last_key(a, last_query));
  if (right <= left) return;
  const size_t n = round_up(size_t(right - left), W);
  strip_matmul(s, SCORE_ROW, LeftStrip{rows.q + size_t(row) * size}, {kt + size_t(key + left) * size, TILE, TILE * size}, count, n, size, nullptr);
  if (a.softcap > 0) {
    const float cap = a.softcap, inverse = 1 / cap;
    for (int i = 0; i < count; i++) {
      float* line = s + size_t(i) * SCORE_ROW;
      map(line, line, n, [=](vf x) { return cap * tanh_v(x * inverse); });
    }
  }
  float keep[STRIP];
  for (int i = 0; i < count; i++) {
    int query = q_begin + (row + i) / a.group;
    int begin = clip(d.first_key(a, query)) - left, end = clip(d.last_key(a, query)) - left;
    if (begin < 0) begin = 0;
    if (end < begin) end = begin;
    keep[i] = softmax_row(s + size_t(i) * SCORE_ROW, n, size_t(begin), size_t(end), rows.highest[row + i], rows.total[row + i]);
  }
  strip_matmul(rows.o + size_t(row) * padded, padded, LeftScores{s}, {v.data + size_t(key + left) * v.row, v.row, v.panel}, count, padded,
               size_t(right - left), keep);
}

/// o = sums/total and lse, for one query row.
template <class T> static void finish_row(const Attention& a, const Document& d, int kv_head, int row, int q_begin, const float* sums, float highest,
                                          float total, const AttentionResult& result) {
  const size_t size = size_t(a.head_dim);
  const size_t token = size_t(d.q_begin + q_begin + row / a.group), head = size_t(kv_head * a.group + row % a.group);
  const float scale = total == 0 ? 0 : 1 / total;
  map(static_cast<T*>(result.o) + (token * size_t(a.heads) + head) * size, sums, size, [=](vf x) { return x * scale; });
  result.lse[head * result.total_q + token] = total == 0 ? -INFINITY : highest + __builtin_logf(total);
}

bool attention_forward_block(const Attention& a, const Document& d, int kv_head, int q_begin, int q_end, int key_begin, int key_end,
                             const float* kt, const Values& v, const AttentionResult& result, int thread) {
  const size_t size = size_t(a.head_dim), padded = round_up(size, W), count = size_t(q_end - q_begin) * size_t(a.group);
  const size_t q_floats = round_up(round_up(count, STRIP) * size + W, 16), s_floats = STRIP * SCORE_ROW;
  auto* memory = static_cast<float*>(thread_scratch(thread, 0, (q_floats + count * (padded + 2) + s_floats) * sizeof(float)));
  if (!memory) return false;
  float* s = memory;
  Rows rows{s + s_floats, s + s_floats + q_floats, nullptr, nullptr};
  rows.highest = rows.o + count * padded;
  rows.total = rows.highest + count;
  TT_BY_DTYPE(a.dtype, T, load_queries<T>(rows.q, a, d, kv_head, q_begin, q_end));
  memset(rows.o, 0, count * padded * sizeof(float));
  for (size_t i = 0; i < count; i++) rows.highest[i] = -INFINITY, rows.total[i] = 0;
  int first = d.first_key(a, q_begin), last = d.last_key(a, q_end - 1);
  if (first < key_begin) first = key_begin;
  if (last > key_end) last = key_end;
  for (int key = first / int(KEY_BLOCK) * int(KEY_BLOCK); key < last; key += int(KEY_BLOCK))
    for (int row = 0; row < int(count); row += STRIP)
      strip_step(a, d, rows, row, int(count) - row < STRIP ? int(count) - row : STRIP, q_begin, key, key_begin, key_end, kt, v, s);
  if (result.partial) {
    const size_t width = padded_dim(a.head_dim);
    for (size_t i = 0; i < count; i++) {
      memcpy(result.partial + i * width, rows.o + i * padded, padded * sizeof(float));
      result.stats[2 * i] = rows.highest[i];
      result.stats[2 * i + 1] = rows.total[i];
    }
    return true;
  }
  TT_BY_DTYPE(a.dtype, T, {
    for (size_t i = 0; i < count; i++)
      finish_row<T>(a, d, kv_head, int(i), q_begin, rows.o + i * padded, rows.highest[i], rows.total[i], result);
  });
  return true;
}

void attention_join(const Attention& a, const Document& d, int kv_head, size_t parts, size_t rows, const AttentionResult& result) {
  const size_t width = padded_dim(a.head_dim);
  alignas(64) float sums[256];
  for (size_t row = 0; row < rows; row++) {
    float highest = -INFINITY, total = 0;
    for (size_t part = 0; part < parts; part++) {
      float top = result.stats[2 * (part * rows + row)];
      if (top > highest) highest = top;
    }
    memset(sums, 0, sizeof sums);
    for (size_t part = 0; part < parts; part++) {
      const float* stats = result.stats + 2 * (part * rows + row);
      // A total that is NaN must come through even where no maximum was found.
      if (stats[1] == 0) continue;
      const float factor = stats[0] == highest ? 1 : __builtin_expf(stats[0] - highest);
      total += stats[1] * factor;
      const float* from = result.partial + (part * rows + row) * width;
      map(sums, sums, from, size_t(a.head_dim), [=](vf s, vf x) { return s + x * factor; });
    }
    TT_BY_DTYPE(a.dtype, T, finish_row<T>(a, d, kv_head, int(row), 0, sums, highest, total, result));
  }
}

}  // namespace tt::TT_ISA
