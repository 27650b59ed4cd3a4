// Flash attention backward in bf16 on tiles. As in attention_backward.kernel.cpp a task owns a range of keys; it walks
// over blocks of 128 query rows, and within a block over steps of 32 keys and groups of 32 rows, skipping what is masked.
#pragma once
#include <type_traits>

#include "attention_tiles.h"

namespace tt {
namespace TT_ISA {
namespace {

constexpr int COLUMNS = 128, GROUPS = COLUMNS / GROUP;  // query rows of a block
constexpr int KEY_BLOCK = 128, STEPS = KEY_BLOCK / 32;  // keys whose gradients of scores are kept for one product

struct Memory {
  // Left tiles of the task's keys: rows of k and v; and channels of k.
  uint16_t *k, *v, *k_channels;
  // The block's queries and output gradients: as columns over channels, and in pairs of rows.
  uint16_t *q, *d_o, *q_pairs, *d_o_pairs;
  // One step's probabilities and score gradients as left tiles [key tile][group]; the latter in pairs of keys too,
  // [step][column tile].
  uint16_t *p, *ds, *ds_pairs;
  float *s, *dp;    // [32 keys][COLUMNS]
  float *dq;        // [dim][COLUMNS]
  float *dk, *dv;   // [keys][dim]
  float *lse, *delta;
  int *first, *last;
};

size_t lay_out(Memory& m, char* start, size_t keys, size_t dim) {
  size_t used = 0;
  auto take = [&](auto*& pointer, size_t count) {
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(uintptr_t(start) + used);
    used += round_up(count * sizeof(*pointer), 64);
  };
  take(m.k, keys * dim), take(m.v, keys * dim), take(m.k_channels, keys * dim);
  take(m.q, COLUMNS * dim), take(m.d_o, COLUMNS * dim), take(m.q_pairs, COLUMNS * dim), take(m.d_o_pairs, COLUMNS * dim);
  take(m.p, 32 * COLUMNS), take(m.ds, 32 * COLUMNS), take(m.ds_pairs, KEY_BLOCK * COLUMNS);
  take(m.s, 32 * COLUMNS), take(m.dp, 32 * COLUMNS);
  take(m.dq, dim * COLUMNS);
  take(m.dk, keys * dim), take(m.dv, keys * dim);
  take(m.lse, COLUMNS), take(m.delta, COLUMNS), take(m.first, COLUMNS), take(m.last, COLUMNS);
  return used;
}

/// Products of one 32-key step with one group's columns: s = left·q, over channels.
void scores(Sums& sums, float* s, const uint16_t* left, const uint16_t* columns, size_t dim) {
  const size_t steps = dim / 32;
  sums.start(s, COLUMNS);
  for (size_t c = 0; c < steps; c++)
    sums.multiply(left + c * TILE_ELEMENTS, left + (steps + c) * TILE_ELEMENTS, columns + c * TILE_ELEMENTS, columns + (steps + c) * TILE_ELEMENTS);
  sums.finish();
}

struct Gradient { vf p, ds; };

/// One vector of scores of one key.
inline Gradient gradient(const float* s, const float* dp, vf lse, vf delta, float unit, float softcap, float softcap_unit) {
  vf x = load(s), slope = load(dp) - delta;
  if (softcap > 0) {
    vf t = tanh_v(x * softcap_unit);
    slope *= 1.0f - t * t;
    x = t * softcap;
  }
  vf p = exp2_rough_v(x * unit - lse);
  return {p, p * slope};
}

/// Scores of a step and group to bf16 probabilities and gradients, in the layouts the products need. lse is in units of
/// log 2. MASKED: some row does not see some key.
template <bool MASKED> void differentiate(const Memory& m, int group, int step, int key, const Attention& a) {
  const float unit = a.softcap > 0 ? LOG2_E : a.scale * LOG2_E, softcap_unit = a.softcap > 0 ? a.scale / a.softcap : 0;
  const int column = group * GROUP;
  const vf lse[2] = {load(m.lse + column), load(m.lse + column + W)}, delta[2] = {load(m.delta + column), load(m.delta + column + W)};
  const vi first[2] = {load_bits<vi>(m.first + column), load_bits<vi>(m.first + column + W)};
  const vi last[2] = {load_bits<vi>(m.last + column), load_bits<vi>(m.last + column + W)};
  uint16_t* pairs = m.ds_pairs + (size_t(step) * (COLUMNS / 16) + size_t(group) * 2) * TILE_ELEMENTS;
  for (int i = 0; i < 32; i += 2) {
    Gradient g[2][2];
    for (int row = 0; row < 2; row++)
      for (int t = 0; t < 2; t++) {
        const int at = (i + row) * COLUMNS + column + t * W;
        g[row][t] = gradient(m.s + at, m.dp + at, lse[t], delta[t], unit, a.softcap, softcap_unit);
        if (MASKED) {
          vi seen = (first[t] <= key + i + row) & (last[t] > key + i + row);
          g[row][t].p = seen ? g[row][t].p : vf{};
          g[row][t].ds = seen ? g[row][t].ds : vf{};
        }
      }
    for (int row = 0; row < 2; row++) {
      const size_t at = (size_t((i + row) / 16) * GROUPS + size_t(group)) * TILE_ELEMENTS + size_t((i + row) % 16) * 32;
      _mm512_storeu_si512(m.p + at, narrow_pair(g[row][0].p, g[row][1].p));
      _mm512_storeu_si512(m.ds + at, narrow_pair(g[row][0].ds, g[row][1].ds));
    }
    for (int t = 0; t < 2; t++)
      _mm512_storeu_si512(pairs + size_t(t) * TILE_ELEMENTS + i * 16, narrow_to_pairs(g[0][t].ds, g[1][t].ds));
  }
}

/// gradients (32 keys, dim) += left·pairs over the groups in [from, to).
void add_key_gradient(Sums& sums, float* gradients, const uint16_t* left, const uint16_t* pairs, int from, int to, size_t dim) {
  const size_t d_tiles = dim / 16;
  for (size_t c = 0; c < d_tiles; c += 2) {
    sums.resume(gradients + c * 16, dim);
    for (int g = from; g < to; g++) {
      const uint16_t* right = pairs + (size_t(g) * d_tiles + c) * TILE_ELEMENTS;
      sums.multiply(left + size_t(g) * TILE_ELEMENTS, left + size_t(GROUPS + g) * TILE_ELEMENTS, right, right + TILE_ELEMENTS);
    }
    sums.finish();
  }
}

/// What each row of the block sees, its lse and delta; rows past the end see nothing.
void load_statistics(const Memory& m, const AttentionGradients& g, const QueryRows& rows) {
  const size_t heads = size_t(rows.a.heads);
  for (size_t i = 0; i < COLUMNS; i++) {
    m.lse[i] = m.delta[i] = 0;
    m.first[i] = m.last[i] = 0;
    if (i >= rows.count) continue;
    const size_t head_row = rows.element(i) / size_t(rows.a.head_dim), at = head_row % heads * g.total_q + head_row / heads;
    m.lse[i] = g.lse[at] * LOG2_E;
    m.delta[i] = g.delta[at];
    m.first[i] = rows.d.first_key(rows.a, rows.query(i));
    m.last[i] = rows.d.last_key(rows.a, rows.query(i));
  }
}

enum Sight { NONE, SOME, ALL };

/// Whether the rows of a group see keys [key, key + 32). `count`: rows there are in the block.
Sight sight(const Memory& m, int group, int key, size_t count) {
  const size_t begin = size_t(group) * GROUP, end = begin + GROUP < count ? begin + GROUP : count;
  if (begin >= end) return NONE;
  // Both borders only move forward from row to row.
  if (m.last[end - 1] <= key || m.first[begin] >= key + 32) return NONE;
  return m.last[begin] >= key + 32 && m.first[end - 1] <= key && end == begin + GROUP ? ALL : SOME;
}

/// One block of query rows against the task's keys [key, key + keys), at most KEY_BLOCK.
void block_step(Sums& sums, const Memory& m, const Attention& a, int key_begin, int key, int keys, size_t count, size_t dim) {
  const size_t d_tiles = dim / 16;
  bool seen[STEPS][GROUPS];
  for (int step = 0; step * 32 < keys; step++) {
    const int at = key + step * 32;
    int from = GROUPS, to = 0;
    for (int g = 0; g < GROUPS; g++) {
      Sight what = sight(m, g, key_begin + at, count);
      seen[step][g] = what != NONE;
      if (what == NONE) continue;
      scores(sums, m.s + g * GROUP, m.k + size_t(at) * dim, m.q + size_t(g) * GROUP * dim, dim);
      scores(sums, m.dp + g * GROUP, m.v + size_t(at) * dim, m.d_o + size_t(g) * GROUP * dim, dim);
      if (what == ALL) differentiate<false>(m, g, step, key_begin + at, a);
      else differentiate<true>(m, g, step, key_begin + at, a);
      from = g < from ? g : from;
      to = g + 1;
    }
    if (from >= to) continue;
    add_key_gradient(sums, m.dv + size_t(at) * dim, m.p, m.d_o_pairs, from, to, dim);
    add_key_gradient(sums, m.dk + size_t(at) * dim, m.ds, m.q_pairs, from, to, dim);
  }
  for (int g = 0; g < GROUPS; g++) {
    int from = 0, to = (keys + 31) / 32;
    while (from < to && !seen[from][g]) from++;
    while (to > from && !seen[to - 1][g]) to--;
    if (from == to) continue;
    for (size_t c = 0; c < d_tiles; c += 2) {
      sums.resume(m.dq + c * 16 * COLUMNS + g * GROUP, COLUMNS);
      for (int step = from; step < to; step++) {
        const uint16_t* left = m.k_channels + (size_t(key / 32 + step) * d_tiles + c) * TILE_ELEMENTS;
        const uint16_t* right = m.ds_pairs + (size_t(step) * (COLUMNS / 16) + size_t(g) * 2) * TILE_ELEMENTS;
        sums.multiply(left, left + TILE_ELEMENTS, right, right + TILE_ELEMENTS);
      }
      sums.finish();
    }
  }
}

}  // namespace

bool attention_backward_keys(const Attention& a, const Document& d, const AttentionGradients& g, int kv_head, int key_begin, int key_end,
                             int q_begin, int q_end, float* partial_dq, int thread) {
  const size_t size = size_t(a.head_dim), dim = padded_dim(a.head_dim);
  const size_t keys = size_t(key_end - key_begin), padded_keys = round_up(keys, 32);
  Memory m;
  const size_t bytes = lay_out(m, nullptr, padded_keys, dim);
  auto* memory = static_cast<char*>(thread_scratch(thread, 0, bytes));
  if (!memory) return false;
  lay_out(m, memory, padded_keys, dim);
  Sums sums;

  const size_t stride = size_t(a.kv_heads) * size, start = (size_t(d.k_begin + key_begin) * size_t(a.kv_heads) + size_t(kv_head)) * size;
  auto rows_of = [&](const void* tensor) {
    const bf16* from = static_cast<const bf16*>(tensor) + start;
    return [=](size_t i) { return i < keys ? from + i * stride : nullptr; };
  };
  pack_rows(m.k, rows_of(a.k), padded_keys, size, dim);
  pack_rows(m.v, rows_of(a.v), padded_keys, size, dim);
  pack_channels(m.k_channels, rows_of(a.k), padded_keys, size, dim);
  memset(m.dk, 0, padded_keys * dim * sizeof(float));
  memset(m.dv, 0, padded_keys * dim * sizeof(float));

  // A group of more than COLUMNS heads does not occur: the entry point takes the other path then.
  const int per_block = COLUMNS / a.group;
  for (int j = q_begin; j < q_end; j += per_block) {
    const int stop = j + per_block < q_end ? j + per_block : q_end;
    QueryRows rows{a, d, kv_head, j, size_t(stop - j) * size_t(a.group)};
    auto query_rows = [&](const void* tensor) {
      return [&rows, tensor](size_t i) { return i < rows.count ? static_cast<const bf16*>(tensor) + rows.element(i) : nullptr; };
    };
    load_statistics(m, g, rows);
    pack_columns(m.q, query_rows(a.q), COLUMNS, size, dim);
    pack_columns(m.d_o, query_rows(g.d_o), COLUMNS, size, dim);
    pack_pairs(m.q_pairs, query_rows(a.q), COLUMNS, size, dim);
    pack_pairs(m.d_o_pairs, query_rows(g.d_o), COLUMNS, size, dim);
    memset(m.dq, 0, dim * COLUMNS * sizeof(float));
    for (int key = 0; key < int(keys); key += KEY_BLOCK)
      block_step(sums, m, a, key_begin, key, int(keys) - key < KEY_BLOCK ? int(keys) - key : KEY_BLOCK, rows.count, dim);
    for (size_t i = 0; i < rows.count; i += 16)
      for (size_t c = 0; c < dim; c += 16) {
        __m512i v[16];
        for (size_t k = 0; k < 16; k++) v[k] = _mm512_loadu_si512(m.dq + (c + k) * COLUMNS + i);
        transpose16(v);
        float* to = partial_dq + (size_t(j - q_begin) * size_t(a.group) + i) * dim + c;
        for (size_t k = 0; k < 16 && i + k < rows.count; k++) _mm512_storeu_si512(to + k * dim, v[k]);
      }
  }
  for (size_t key = 0; key < keys; key++) {
    auto* dk = static_cast<bf16*>(g.dk) + start + key * stride;
    auto* dv = static_cast<bf16*>(g.dv) + start + key * stride;
    map(dk, m.dk + key * dim, size, [&](vf x) { return x * a.scale; });
    map(dv, m.dv + key * dim, size, [](vf x) { return x; });
  }
  return true;
}

}  // namespace TT_ISA
}  // namespace tt
