// Flash attention forward in bf16 on tiles: 32 query rows at a time walk over blocks of keys.
#pragma once
#include "attention_tiles.h"

namespace tt {
namespace TT_ISA {

constexpr int KEY_BLOCK = 128;

void attention_pack(const Attention& a, const Document& d, int kv_head, int begin, int end, uint16_t* k_tiles, uint16_t* v_tiles) {
  const size_t size = size_t(a.head_dim), dim = padded_dim(a.head_dim), stride = size_t(a.kv_heads) * size;
  const size_t count = round_up(size_t(end - begin), KEY_STEP);
  auto rows_of = [&](const void* tensor) {
    const bf16* start = static_cast<const bf16*>(tensor) + size_t(d.k_begin + begin) * stride + size_t(kv_head) * size;
    return [=](size_t i) { return i < size_t(end - begin) ? start + i * stride : nullptr; };
  };
  if (k_tiles) pack_rows(k_tiles, rows_of(a.k), count, size, dim);
  pack_channels(v_tiles, rows_of(a.v), count, size, dim);
}

namespace {

/// The running state of one group of 32 query rows.
struct Group {
  alignas(64) float highest[GROUP], total[GROUP];  // maximum in units of log 2
  alignas(64) int first[GROUP], last[GROUP];       // keys each row sees
  int first_key, last_key, all_from, all_to;       // any row sees [first_key, last_key); every row sees [all_from, all_to)
  int tiles;                                       // 1 where the second tile of columns is empty
};

/// Scores of keys [key, key + keys) to probabilities, in pairs of keys. Returns whether earlier sums have to be rescaled by
/// `keep`.
bool softmax(Group& g, float* s, uint16_t* p_tiles, int key, int keys, const Attention& a, vf* keep) {
  float unit = a.scale * LOG2_E;
  if (a.softcap > 0) {
    const float inverse = a.scale / a.softcap, cap = a.softcap;
    for (int i = 0; i < keys * GROUP; i += W) store(s + i, cap * tanh_v(load(s + i) * inverse));
    unit = LOG2_E;
  }
  if (key < g.all_from || key + keys > g.all_to) {
    for (int t = 0; t < g.tiles; t++) {
      vi first = load_bits<vi>(g.first + t * W), last = load_bits<vi>(g.last + t * W);
      for (int i = 0; i < keys; i++) {
        float* at = s + i * GROUP + t * W;
        vi seen = (first <= key + i) & (last > key + i);
        store(at, seen ? load(at) : set1(-INFINITY));
      }
    }
  }
  vf top[2] = {set1(-INFINITY), set1(-INFINITY)}, more[2] = {top[0], top[0]};
  for (int i = 0; i < keys; i += 2)
    for (int t = 0; t < g.tiles; t++) {
      top[t] = max_or_second(load(s + i * GROUP + t * W), top[t]);
      more[t] = max_or_second(load(s + (i + 1) * GROUP + t * W), more[t]);
    }
  bool changed = false;
  vf base[2], sum[2];  // of both tiles
  for (int t = 0; t < g.tiles; t++) {
    vf old = load(g.highest + t * W), now = max_or_second(max_or_second(top[t], more[t]) * unit, old);
    base[t] = now == -INFINITY ? vf{} : now;
    keep[t] = old == now ? set1(1) : exp2_rough_v(old - base[t]);
    keep[t] = old == -INFINITY ? vf{} : keep[t];
    changed |= _mm512_cmp_ps_mask(__m512(keep[t]), __m512(set1(1)), _CMP_NEQ_UQ) != 0;
    store(g.highest + t * W, now);
    sum[t] = vf{};
  }
  for (int i = 0; i < keys; i += 2) {
    uint16_t* pair = p_tiles + (i / 32 * 2) * int(TILE_ELEMENTS) + i % 32 * 16;
    for (int t = 0; t < g.tiles; t++) {
      vf p = exp2_rough_v(load(s + i * GROUP + t * W) * unit - base[t]), q = exp2_rough_v(load(s + (i + 1) * GROUP + t * W) * unit - base[t]);
      sum[t] += p + q;
      _mm512_storeu_si512(pair + t * int(TILE_ELEMENTS), narrow_to_pairs(p, q));
    }
  }
  for (int t = 0; t < g.tiles; t++) store(g.total + t * W, load(g.total + t * W) * keep[t] + sum[t]);
  return changed;
}

/// Leaves o and lse of the group's rows.
void finish(const Group& g, const float* o, const QueryRows& rows, size_t first_row, const AttentionResult& result) {
  const size_t size = size_t(rows.a.head_dim), dim = padded_dim(rows.a.head_dim);
  alignas(64) float factor[GROUP];
  for (size_t i = 0; i < GROUP && first_row + i < rows.count; i++) {
    // A total of NaN means that every score was.
    const bool empty = g.highest[i] == -INFINITY && g.total[i] == g.total[i];
    factor[i] = empty ? 0 : 1 / g.total[i];
    const size_t element = rows.element(first_row + i), head_row = element / size;
    const size_t token = head_row / size_t(rows.a.heads), head = head_row % size_t(rows.a.heads);
    result.lse[head * result.total_q + token] = empty ? -INFINITY : g.highest[i] * 0.69314718055994531f + __builtin_logf(g.total[i]);
  }
  for (size_t t = 0; t < 2; t++)
    for (size_t c = 0; c < dim && c < size; c += 16) {
      __m512i v[16];
      for (size_t i = 0; i < 16; i++) v[i] = _mm512_loadu_si512(o + (c + i) * GROUP + t * W);
      transpose16(v);
      const size_t some = size - c < 16 ? size - c : 16;
      for (size_t i = 0; i < 16 && first_row + t * W + i < rows.count; i++) {
        vf x = vf(v[i]) * factor[t * W + i];
        auto* to = static_cast<bf16*>(result.o) + rows.element(first_row + t * W + i) + c;
        if (factor[t * W + i] == 0) x = vf{};
        if (some == 16) store(to, x);
        else store_n(to, x, some);
      }
    }
}

/// The same without the division, for a range of keys.
void leave_partial(const Group& g, const float* o, size_t first_row, size_t count, size_t dim, const AttentionResult& result) {
  for (size_t i = 0; i < GROUP && first_row + i < count; i++) {
    const bool empty = g.highest[i] == -INFINITY && g.total[i] == g.total[i];
    float* to = result.partial + (first_row + i) * dim;
    for (size_t c = 0; c < dim; c++) to[c] = empty ? 0 : o[c * GROUP + i];
    result.stats[2 * (first_row + i)] = g.highest[i] * 0.69314718055994531f;
    result.stats[2 * (first_row + i) + 1] = empty ? 0 : g.total[i];
  }
}

}  // namespace

bool attention_forward_block(const Attention& a, const Document& d, int kv_head, int q_begin, int q_end, int key_begin, int key_end,
                             const KeyTiles& keys_in, const uint16_t* v_tiles, const AttentionResult& result, int thread) {
  const size_t size = size_t(a.head_dim), dim = padded_dim(a.head_dim), steps = dim / 32, d_tiles = dim / 16;
  const size_t bytes = GROUP * dim * 2 + KEY_BLOCK * GROUP * (4 + 2) + GROUP * dim * 4;
  auto* memory = static_cast<char*>(thread_scratch(thread, 0, bytes));
  if (!memory) return false;
  auto* s = reinterpret_cast<float*>(memory);
  auto* o = s + KEY_BLOCK * GROUP;
  auto* p = reinterpret_cast<uint16_t*>(o + GROUP * dim);
  auto* q = p + KEY_BLOCK * GROUP;
  QueryRows rows{a, d, kv_head, q_begin, size_t(q_end - q_begin) * size_t(a.group)};
  Sums sums;
  for (size_t row = 0; row < rows.count; row += GROUP) {
    Group g;
    g.tiles = rows.count - row <= 16 ? 1 : 2;
    g.first_key = d.nk, g.last_key = 0, g.all_from = 0, g.all_to = d.nk;
    for (size_t i = 0; i < GROUP; i++) {
      const bool there = row + i < rows.count;
      g.first[i] = there ? d.first_key(a, rows.query(row + i)) : 0;
      g.last[i] = there ? d.last_key(a, rows.query(row + i)) : 0;
      g.highest[i] = -INFINITY, g.total[i] = 0;
      if (!there) {
        // A column of zeros: it may see what its neighbours see, as nobody reads it.
        g.first[i] = g.first[i - 1], g.last[i] = g.last[i - 1];
      }
      if (g.first[i] < g.first_key) g.first_key = g.first[i];
      if (g.last[i] > g.last_key) g.last_key = g.last[i];
      if (g.first[i] > g.all_from) g.all_from = g.first[i];
      if (g.last[i] < g.all_to) g.all_to = g.last[i];
    }
    pack_columns(q, [&](size_t i) { return row + i < rows.count ? static_cast<const bf16*>(a.q) + rows.element(row + i) : nullptr; }, GROUP, size, dim);
    memset(o, 0, GROUP * dim * sizeof(float));
    if (g.tiles == 1) memset(p, 0, KEY_BLOCK * GROUP * sizeof(uint16_t));
    const int from = g.first_key / 32 * 32 > key_begin ? g.first_key / 32 * 32 : key_begin, to = g.last_key < key_end ? g.last_key : key_end;
    for (int key = from; key < to; key += KEY_BLOCK) {
      const int left = to - key, keys = left < KEY_BLOCK ? int(round_up(size_t(left), 32)) : KEY_BLOCK;
      for (int i = 0; i < keys; i += 32) {
        sums.start(s + i * GROUP, GROUP);
        const uint16_t* k = keys_in.data + size_t(key - key_begin + i) / 16 * keys_in.per_key_tile;
        for (size_t c = 0; c < steps; c++) {
          const uint16_t *left = k + c * keys_in.per_channel_tile, *right = q + c * TILE_ELEMENTS;
          sums.multiply(left, left + keys_in.per_key_tile, right, right + steps * TILE_ELEMENTS, keys_in.row * 2);
        }
        sums.finish();
      }
      vf keep[2];
      if (softmax(g, s, p, key, keys, a, keep))
        for (size_t c = 0; c < dim; c++)
          for (int t = 0; t < g.tiles; t++) store(o + c * GROUP + t * W, load(o + c * GROUP + t * W) * keep[t]);
      for (size_t c = 0; c < d_tiles; c += 2) {
        sums.resume(o + c * 16 * GROUP, GROUP);
        for (int i = 0; i < keys; i += 32) {
          const uint16_t* v = v_tiles + size_t(key - key_begin + i) * dim + c * TILE_ELEMENTS;
          const uint16_t* pair = p + i * GROUP;
          sums.multiply(v, v + TILE_ELEMENTS, pair, pair + TILE_ELEMENTS);
        }
        sums.finish();
      }
    }
    if (result.partial) leave_partial(g, o, row, rows.count, dim, result);
    else finish(g, o, rows, row, result);
  }
  return true;
}

}  // namespace TT_ISA
}  // namespace tt
