// Flash attention backward in f32: probabilities are computed again from the saved lse. A task owns a range of keys and
// walks over the queries that see them, so dk and dv are its own; its part of dq is joined with the others' at the end.
#include "attention.h"
#include "../gemm/block-matmul.h"
#include "../vectors/vector-math.h"

namespace tt::TT_ISA {

constexpr int KEYS = 128;             // keys of a block of scores
constexpr int SCORE_ROW = KEYS + 16;  // not a power of two: the rows of a strip must not fall into the same cache sets
constexpr int ROWS = 4 * STRIP;       // about so many query rows of it
typedef Left<SCORE_ROW, false> LeftScores;
typedef Left<SCORE_ROW, true> LeftScoresTransposed;

/// Row-major f32 copy [row][padded] of one key head's rows of k or v, or of a group's rows of q or do; the columns from
/// head_dim to padded are zeros.
template <class T> static void load_row(float* to, const T* from, size_t size, size_t padded, float scale) {
  map(to, from, size, [=](vf x) { return x * scale; });
  for (size_t c = size; c < padded; c++) to[c] = 0;
}

template <class T> static void store_row(T* to, const float* from, size_t size) {
  map(to, from, size, [](vf x) { return x; });
}

struct Block {
  float *q, *d_o, *dq;              // [ROWS][padded]
  float *q_strips, *d_o_strips;     // the same, as left sides
  float *s, *dp;                    // [ROWS][SCORE_ROW]: scores → probabilities, their gradients
  float *k;                         // [keys][padded]
  float *kt, *vt;                   // panels [head_dim][TILE]
  float *dk, *dv;                   // [keys][padded]
  float *lse, *delta;               // [ROWS]
  int *first, *last;                // keys each row sees
};

/// Scores of a strip to probabilities, and dp to the gradient of the scaled scores, for columns [0, n) of a row that sees
/// [begin, end) of them.
static inline void gradient_row(float* s, float* dp, size_t n, size_t begin, size_t end, float lse, float delta, float softcap) {
  const float inverse = softcap > 0 ? 1 / softcap : 0;
  for (size_t i = 0; i < n; i += W) {
    vf x = load(s + i), slope = load(dp + i) - delta;
    if (softcap > 0) {
      vf t = tanh_v(x * inverse);
      x = t * softcap;
      slope *= 1.0f - t * t;
    }
    // Above 0 only by rounding, and lse is −Inf only where nothing is seen.
    vf p = exp2_below_zero_v((x - lse) * LOG2_OF_E);
    if (i < begin || i + W > end) {
      vi column = lanes() + int32_t(i);
      vi seen = (column >= int32_t(begin)) & (column < int32_t(end));
      p = seen ? p : vf{};
      slope = seen ? slope : vf{};
    }
    store(s + i, p);
    store(dp + i, p * slope);
  }
}

/// Zeroes columns [0, from) and [to, n) of a row.
static inline void clear(float* row, int from, int to, int n) {
  for (int i = 0; i < from; i++) row[i] = 0;
  for (int i = to; i < n; i++) row[i] = 0;
}

/// Rows [0, count) of a block of queries against keys [key, key + KEYS) (numbered from the task's first key).
static void block_step(const Attention& a, const Block& b, int count, int key, int keys, int key_begin) {
  const size_t size = size_t(a.head_dim), padded = round_up(size, W);
  auto clip = [&](int x) {
    x -= key_begin + key;
    return x < 0 ? 0 : x > keys ? keys : x;
  };
  for (int row = 0; row < count; row += STRIP) {
    const int m = count - row < STRIP ? count - row : STRIP;
    const int left = clip(b.first[row]) / TILE * TILE, right = clip(b.last[row + m - 1]);
    if (right <= left) continue;
    const size_t n = round_up(size_t(right - left), W);
    float* s = b.s + size_t(row) * SCORE_ROW + left;
    float* dp = b.dp + size_t(row) * SCORE_ROW + left;
    const size_t panel = size_t(key + left) * size;
    strip_matmul(s, SCORE_ROW, LeftStrip{b.q_strips + size_t(row) * size}, {b.kt + panel, TILE, TILE * size}, m, n, size, nullptr);
    strip_matmul(dp, SCORE_ROW, LeftStrip{b.d_o_strips + size_t(row) * size}, {b.vt + panel, TILE, TILE * size}, m, n, size, nullptr);
    for (int i = 0; i < m; i++) {
      int begin = clip(b.first[row + i]) - left, end = clip(b.last[row + i]) - left;
      gradient_row(s + size_t(i) * SCORE_ROW, dp + size_t(i) * SCORE_ROW, n, size_t(begin < 0 ? 0 : begin), size_t(end < 0 ? 0 : end), b.lse[row + i],
                   b.delta[row + i], a.softcap);
      // What is not computed must read as zero in the transposed products.
      clear(s + size_t(i) * SCORE_ROW - left, left, left + int(n), keys);
      clear(dp + size_t(i) * SCORE_ROW - left, left, left + int(n), keys);
    }
    strip_matmul(b.dq + size_t(row) * padded, padded, LeftScores{dp}, {b.k + size_t(key + left) * padded, padded, TILE}, m, padded,
                 size_t(right - left), ONES);
  }
  // dv += pᵀ·do and dk += dsᵀ·q: the strips are of keys now, the sum runs over the rows that see the strip. Rows are cut at
  // the strips above, outside of which nothing was computed.
  for (int i = 0; i < keys; i += STRIP) {
    const int m = keys - i < STRIP ? keys - i : STRIP;
    int from = 0, to = count;
    while (from < to && b.last[from] <= key_begin + key + i) from++;
    while (to > from && b.first[to - 1] >= key_begin + key + i + m) to--;
    if (from == to) continue;
    const size_t at = size_t(from) * SCORE_ROW + size_t(i), row = size_t(from) * padded, key_row = size_t(key + i) * padded;
    strip_matmul(b.dv + key_row, padded, LeftScoresTransposed{b.s + at}, {b.d_o + row, padded, TILE}, m, padded, size_t(to - from), ONES);
    strip_matmul(b.dk + key_row, padded, LeftScoresTransposed{b.dp + at}, {b.q + row, padded, TILE}, m, padded, size_t(to - from), ONES);
  }
}

template <class T> static bool backward_keys(const Attention& a, const Document& d, const AttentionGradients& g, int kv_head, int key_begin,
                                             int key_end, int q_begin, int q_end, float* partial_dq, int thread) {
  const size_t size = size_t(a.head_dim), padded = round_up(size, W), width = padded_dim(a.head_dim);
  const size_t keys = size_t(key_end - key_begin), padded_keys = round_up(keys, KEY_STEP);
  const int per_block = a.group >= ROWS ? 1 : ROWS / a.group;
  const size_t most = size_t(per_block) * size_t(a.group), line = round_up(most, 16);
  const size_t strips = round_up(round_up(most, STRIP) * size + W, 16);
  const size_t floats = 3 * most * padded + 2 * strips + 2 * most * SCORE_ROW + 3 * padded_keys * padded + 2 * padded_keys * size + 4 * line;
  auto* memory = static_cast<float*>(thread_scratch(thread, 0, floats * sizeof(float)));
  if (!memory) return false;
  auto take = [&](size_t n) { float* p = memory; memory += n; return p; };
  Block b;
  b.q = take(most * padded), b.d_o = take(most * padded), b.dq = take(most * padded);
  b.q_strips = take(strips), b.d_o_strips = take(strips);
  b.s = take(most * SCORE_ROW), b.dp = take(most * SCORE_ROW);
  b.k = take(padded_keys * padded), b.dk = take(padded_keys * padded), b.dv = take(padded_keys * padded);
  b.kt = take(padded_keys * size), b.vt = take(padded_keys * size);
  b.lse = take(line), b.delta = take(line);
  b.first = reinterpret_cast<int*>(take(line)), b.last = reinterpret_cast<int*>(take(line));

  const size_t stride = size_t(a.kv_heads) * size, start = (size_t(d.k_begin + key_begin) * size_t(a.kv_heads) + size_t(kv_head)) * size;
  auto* k = static_cast<const T*>(a.k) + start;
  auto* v = static_cast<const T*>(a.v) + start;
  for (size_t key = 0; key < padded_keys; key += W) {
    size_t there = key >= keys ? 0 : keys - key < size_t(W) ? keys - key : size_t(W), panel = key / TILE * TILE * size + key % TILE;
    transpose_into_panel(b.kt + panel, k + key * stride, stride, there, size);
    transpose_into_panel(b.vt + panel, v + key * stride, stride, there, size);
  }
  for (size_t key = 0; key < keys; key++) load_row(b.k + key * padded, k + key * stride, size, padded, 1);
  memset(b.dk, 0, keys * padded * sizeof(float));
  memset(b.dv, 0, keys * padded * sizeof(float));

  for (int j = q_begin; j < q_end; j += per_block) {
    const int stop = j + per_block < q_end ? j + per_block : q_end;
    int count = 0;
    for (int query = j; query < stop; query++) {
      const size_t token = size_t(d.q_begin + query);
      for (int h = 0; h < a.group; h++, count++) {
        const size_t head = size_t(kv_head * a.group + h), at = (token * size_t(a.heads) + head) * size;
        load_row(b.q + size_t(count) * padded, static_cast<const T*>(a.q) + at, size, padded, a.scale);
        load_row(b.d_o + size_t(count) * padded, static_cast<const T*>(g.d_o) + at, size, padded, 1);
        b.lse[count] = g.lse[head * g.total_q + token];
        b.delta[count] = g.delta[head * g.total_q + token];
        b.first[count] = d.first_key(a, query);
        b.last[count] = d.last_key(a, query);
      }
    }
    for (int row = 0; row < count; row += STRIP) {
      const int m = count - row < STRIP ? count - row : STRIP;
      load_strip(b.q_strips + size_t(row) * size, [&](int i) { return b.q + size_t(row + i) * padded; }, m, size, 1);
      load_strip(b.d_o_strips + size_t(row) * size, [&](int i) { return b.d_o + size_t(row + i) * padded; }, m, size, 1);
    }
    memset(b.dq, 0, size_t(count) * padded * sizeof(float));
    for (size_t key = 0; key < keys; key += KEYS) {
      int some = keys - key < size_t(KEYS) ? int(keys - key) : KEYS;
      if (b.last[count - 1] <= key_begin + int(key) || b.first[0] >= key_begin + int(key) + some) continue;
      block_step(a, b, count, int(key), some, key_begin);
    }
    for (int row = 0; row < count; row++)
      memcpy(partial_dq + (size_t(j - q_begin) * size_t(a.group) + size_t(row)) * width, b.dq + size_t(row) * padded, padded * sizeof(float));
  }
  for (size_t key = 0; key < keys; key++) {
    store_row(static_cast<T*>(g.dk) + start + key * stride, b.dk + key * padded, size);
    store_row(static_cast<T*>(g.dv) + start + key * stride, b.dv + key * padded, size);
  }
  return true;
}

bool attention_backward_keys(const Attention& a, const Document& d, const AttentionGradients& g, int kv_head, int key_begin, int key_end,
                             int q_begin, int q_end, float* partial_dq, int thread) {
  return a.dtype == TT_BF16 ? backward_keys<bf16>(a, d, g, kv_head, key_begin, key_end, q_begin, q_end, partial_dq, thread)
                            : backward_keys<float>(a, d, g, kv_head, key_begin, key_end, q_begin, q_end, partial_dq, thread);
}

void attention_delta(const Attention& a, const AttentionGradients& g, size_t begin, size_t end) {
  const size_t size = size_t(a.head_dim), whole = size - size % W;
  TT_BY_DTYPE(a.dtype, T, {
    for (size_t token = begin; token < end; token++) {
      for (size_t head = 0; head < size_t(a.heads); head++) {
        auto* x = static_cast<const T*>(g.d_o) + (token * size_t(a.heads) + head) * size;
        auto* y = static_cast<const T*>(g.o) + (token * size_t(a.heads) + head) * size;
        vf total{};
        for (size_t c = 0; c < whole; c += W) total += load(x + c) * load(y + c);
        if (whole < size) total += load_n(x + whole, size - whole) * load_n(y + whole, size - whole);
        g.delta[head * g.total_q + token] = sum_lanes(total);
      }
    }
  });
}

void attention_join_dq(const Attention& a, const Document& d, const AttentionGradients& g, int kv_head, int q_begin, int q_end,
                       const PartialQuery* parts, size_t count) {
  const size_t size = size_t(a.head_dim), width = padded_dim(a.head_dim);
  alignas(64) float sums[256];
  for (int j = q_begin; j < q_end; j++) {
    for (int h = 0; h < a.group; h++) {
      memset(sums, 0, sizeof sums);
      for (size_t part = 0; part < count; part++) {
        if (j < parts[part].q_begin || j >= parts[part].q_end) continue;
        const float* from = parts[part].rows + (size_t(j - parts[part].q_begin) * size_t(a.group) + size_t(h)) * width;
        map(sums, sums, from, size, [](vf x, vf y) { return x + y; });
      }
      const size_t at = (size_t(d.q_begin + j) * size_t(a.heads) + size_t(kv_head * a.group + h)) * size;
      TT_BY_DTYPE(a.dtype, T, map(static_cast<T*>(g.dq) + at, sums, size, [&](vf x) { return x * a.scale; }));
    }
  }
}

}  // namespace tt::TT_ISA
