// What all attention kernels share on the device: which tile of which document a block has, and what a query sees.
#pragma once
#include "attention.h"

namespace tt {
namespace attention {

/// A block's tile: rows `row` … of a document whose tokens are q0 … q0+nq−1 and k0 … k0+nk−1.
struct Tile {
  int q0, nq, k0, nk, row;
};

enum TiledAxis { TILED_QUERIES, TILED_KEYS };

/// Tile `index` of all documents, each cut into tiles of `rows` queries or keys; within a document from the last when `last_first`.
/// False when there is no such tile, or when an offset is wrong, which is reported. Whatever the offsets hold, a tile lies within
/// the tokens: every offset up to its own was checked. Called by whole warps; each warp searches for itself, which needs no barrier.
TT_GPU bool find_tile(Tile& tile, const Attention& a, TiledAxis axis, int rows, int index, bool last_first) {
  const int lane = int(threadIdx.x) & 31;
  int before = 0;
  for (int first = 0; first < a.documents; first += 32) {
    const int d = first + lane;
    const bool real = d < a.documents;
    const int q0 = real ? a.offsets_q[d] : 0, q1 = real ? a.offsets_q[d + 1] : 0;
    const int k0 = real ? a.offsets_k[d] : 0, k1 = real ? a.offsets_k[d + 1] : 0;
    const bool is_last = d == a.documents - 1;
    const bool bad_q = real && (q1 < q0 || q1 > a.tokens_q || (d == 0 && q0 != 0) || (is_last && q1 != a.tokens_q));
    const bool bad_k = real && (k1 < k0 || k1 > a.tokens_k || (d == 0 && k0 != 0) || (is_last && k1 != a.tokens_k));
    if (__any_sync(0xffffffffu, bad_q || bad_k)) {
      if (bad_q) report_fault(a.fault, FAULT_OFFSETS, d == 0 && q0 != 0 ? q0 : q1, int64_t(a.tokens_q) + 1);
      else if (bad_k) report_fault(a.fault, FAULT_OFFSETS, d == 0 && k0 != 0 ? k0 : k1, int64_t(a.tokens_k) + 1);
      return false;
    }
    const int own = ((axis == TILED_QUERIES ? q1 - q0 : k1 - k0) + rows - 1) / rows;
    int through = own;  // tiles of this lane's document and those before it in the warp
    TT_UNROLL
    for (int o = 1; o < 32; o *= 2) {
      const int left = __shfl_up_sync(0xffffffffu, through, o);
      if (lane >= o) through += left;
    }
    const uint32_t reached = __ballot_sync(0xffffffffu, before + through > index);
    if (reached) {
      const int owner = __ffs(int(reached)) - 1;
      const int place = index - before - __shfl_sync(0xffffffffu, through - own, owner), tiles = __shfl_sync(0xffffffffu, own, owner);
      tile.q0 = __shfl_sync(0xffffffffu, q0, owner);
      tile.nq = __shfl_sync(0xffffffffu, q1, owner) - tile.q0;
      tile.k0 = __shfl_sync(0xffffffffu, k0, owner);
      tile.nk = __shfl_sync(0xffffffffu, k1, owner) - tile.k0;
      tile.row = (last_first ? tiles - 1 - place : place) * rows;
      return true;
    }
    before += __shfl_sync(0xffffffffu, through, 31);
  }
  return false;
}

TT_GPU int smaller(int a, int b) { return a < b ? a : b; }
TT_GPU int larger(int a, int b) { return a > b ? a : b; }

/// What the queries of a document see: query i the keys end(i) − window … end(i) − 1 of those that there are.
struct View {
  int nq, nk, shift, window, causal;
  TT_GPU View(const Attention& a, const Tile& t) : nq(t.nq), nk(t.nk), shift(t.nk - t.nq + 1), window(a.window), causal(a.causal) {}
  TT_GPU int end(int query) const { return causal ? query + shift : nk; }
  TT_GPU bool sees(int query, int key) const {
    const int e = end(query);
    return key < e && key >= e - window;
  }
  /// Every query from `query` to `last` sees every key from `key` to `key` + keys − 1.
  TT_GPU bool sees_all(int query, int last, int key, int keys) const { return key + keys <= end(query) && key >= end(last) - window; }
  /// Blocks of `keys` keys that some query from `query` to `last` sees: low … high, none when high < low.
  TT_GPU void key_blocks(int query, int last, int keys, int& low, int& high) const {
    low = larger(0, end(query) - window) / keys;
    const int top = end(last);
    high = top > 0 ? (top - 1) / keys : -1;
  }
  /// Blocks of `queries` queries that see some key from `key` to `last`.
  TT_GPU void query_blocks(int key, int last, int queries, int& low, int& high) const {
    int first = 0, final_one = nq - 1;
    if (causal) {
      first = larger(0, key + 1 - shift);
      final_one = smaller(nq - 1, last - shift + window);
    } else if (last < nk - window) {
      final_one = -1;
    }
    low = first / queries;
    high = final_one >= first ? final_one / queries : low - 1;
  }
};

/// Part `split` of `splits` of the blocks low … high.
TT_GPU void take_share(int split, int splits, int& low, int& high) {
  const int share = larger(0, (high - low + splits) / splits);  // rounded up
  low += split * share;
  high = smaller(high, low + share - 1);
}

constexpr float LOG2_E = 1.4426950408889634f, LN_2 = 0.6931471805599453f;

/// Softmax runs in base 2: p = 2^(s·slope − m·slope), s a raw score; with a softcap s := tanh(s·inner) first.
struct Scores {
  float inner, slope;
  TT_GPU explicit Scores(const Attention& a) : inner(a.softcap > 0 ? a.scale / a.softcap : 0.f), slope((a.softcap > 0 ? a.softcap : a.scale) * LOG2_E) {}
};

}  // namespace attention
}  // namespace tt
