// Attention: what the entry points (attention.cpp) and the kernels share. See tt_attention_forward in tritune.h.
//
// The heads of one group share a key head, so their queries are rows of one matrix: row r of a block is query r / group,
// head r % group. Rows are ordered by query, so neighbours see nearly the same keys, and masked tiles can be skipped.
#pragma once
#include "../runtime/internal.h"

namespace tt {

struct Attention {
  const void *q, *k, *v;
  int heads, kv_heads, head_dim, group;
  float scale;
  bool causal;
  int window;  // 0: none
  float softcap;
  tt_dtype dtype;
};

/// One document: its rows in q and k, and the keys query j sees.
struct Document {
  int q_begin, nq, k_begin, nk;
  int last_key(const Attention& a, int j) const {  // one past it
    int end = a.causal ? j + nk - nq + 1 : nk;
    return end < 0 ? 0 : end > nk ? nk : end;
  }
  int first_key(const Attention& a, int j) const {
    int end = last_key(a, j);
    return a.window > 0 && end > a.window ? end - a.window : 0;
  }
};

inline size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

/// Keys are packed and cut in multiples of this; every kernel's tile width divides it.
constexpr size_t KEY_STEP = 32;
/// Channels a row of packed keys and values takes: head_dim rounded up to whole tiles.
inline size_t padded_dim(int head_dim) { return round_up(size_t(head_dim), 32); }

/// Packs keys [begin, end) of a document for one key head: kt as panels (key / tile)[head_dim][tile], v as panels
/// (channel / tile)[v_rows][tile]. Both start at key 0 of the document; begin is a multiple of KEY_STEP; the keys up to
/// the next multiple are filled with zeros. v may be NULL.
TT_KERNEL(void, attention_pack, const Attention& a, const Document& d, int kv_head, int begin, int end, float* kt, float* v, size_t v_rows)

/// The f32 kernels take powers of 2 of differences of scores. The scores themselves stay as they are: of huge ones a factor
/// would lose more than the differences are.
constexpr float LOG2_OF_E = 1.44269504088896341f;
/// Columns of one tile of the f32 kernels.
inline size_t tile_width() {
#if TT_X64
  return isa() >= ISA_AVX512 ? 32 : 16;
#elif defined(__wasm__)
  return 8;
#else
  return 16;
#endif
}
/// Key j's channel c at data[j·row + (c / tile)·panel + c % tile]: packed, or an f32 tensor as it is.
struct Values { const float* data; size_t row, panel; };
inline Values packed_values(const float* v, size_t v_rows) { return {v, tile_width(), v_rows * tile_width()}; }

/// Where a block of queries leaves its result: the output itself, or (partial != NULL) unnormalised sums for rows
/// [row][padded_dim] with their maximum and sum of exponentials in stats[row][2].
struct AttentionResult { void* o; float* lse; size_t total_q; float *partial, *stats; };

/// Queries [q_begin, q_end) of one key head against keys [key_begin, key_end). false: out of memory.
TT_KERNEL(bool, attention_forward_block, const Attention& a, const Document& d, int kv_head, int q_begin, int q_end, int key_begin, int key_end,
          const float* kt, const Values& v, const AttentionResult& result, int thread)
/// Joins the partial results of `parts` key ranges (stride: rows) into the output.
TT_KERNEL(void, attention_join, const Attention& a, const Document& d, int kv_head, size_t parts, size_t rows, const AttentionResult& result)

// Packed and computed in bf16 on tiles: of AMX, or by products of pairs. Tiles of k and v have round_up(keys, KEY_STEP)·padded_dim elements each, the
// first for key `begin` (key_begin when they are read), a multiple of KEY_STEP.
#if TT_X64
#define TT_KERNEL_TILES(result, name, ...)     \
  namespace amx { result name(__VA_ARGS__); } \
  namespace avx512_bf16 { result name(__VA_ARGS__); }
#define TT_DISPATCH_TILES(name, ...) (tt::on_amx() ? tt::amx::name(__VA_ARGS__) : tt::avx512_bf16::name(__VA_ARGS__))
#else
// Declared, so that calls compile that are never reached.
#define TT_KERNEL_TILES(result, name, ...) namespace amx { result name(__VA_ARGS__); }
#define TT_DISPATCH_TILES(name, ...) tt::amx::name(__VA_ARGS__)
#endif

constexpr size_t TILE_ELEMENTS = 512;
/// Left tiles of 16 keys × 32 channels, which may also lie in the tensor itself. Distances in elements.
struct KeyTiles { const uint16_t* data; size_t per_key_tile, per_channel_tile, row; };
/// Whether keys [begin, end) can be read where they are.
inline bool readable_in_place(const Attention& a, int begin, int end) { return a.head_dim % 32 == 0 && (end - begin) % int(KEY_STEP) == 0; }
inline KeyTiles tiles_in_place(const Attention& a, const Document& d, int kv_head, int begin) {
  const size_t size = size_t(a.head_dim), stride = size_t(a.kv_heads) * size;
  auto* first = static_cast<const uint16_t*>(a.k) + size_t(d.k_begin + begin) * stride + size_t(kv_head) * size;
  return {first, 16 * stride, 32, stride};
}
inline KeyTiles packed_tiles(const Attention& a, const uint16_t* k_tiles) { return {k_tiles, 16 * padded_dim(a.head_dim), TILE_ELEMENTS, 32}; }
/// k_tiles may be NULL: then only v is packed.
TT_KERNEL_TILES(void, attention_pack, const Attention& a, const Document& d, int kv_head, int begin, int end, uint16_t* k_tiles, uint16_t* v_tiles)
TT_KERNEL_TILES(bool, attention_forward_block, const Attention& a, const Document& d, int kv_head, int q_begin, int q_end, int key_begin, int key_end,
                const KeyTiles& keys, const uint16_t* v_tiles, const AttentionResult& result, int thread)

struct AttentionGradients { void *dq, *dk, *dv; const void *d_o, *o; const float* lse; float* delta; size_t total_q; };
/// delta[h·total_q + t] = Σ do∘o for tokens [begin, end).
TT_KERNEL(void, attention_delta, const Attention& a, const AttentionGradients& g, size_t begin, size_t end)
/// dk and dv of keys [key_begin, key_end), and what they add to dq: partial_dq[(j − q_begin)·group + h][padded_dim] for
/// queries [q_begin, q_end), which are all that see one of the keys. false: out of memory.
TT_KERNEL(bool, attention_backward_keys, const Attention& a, const Document& d, const AttentionGradients& g, int kv_head, int key_begin,
          int key_end, int q_begin, int q_end, float* partial_dq, int thread)
TT_KERNEL_TILES(bool, attention_backward_keys, const Attention& a, const Document& d, const AttentionGradients& g, int kv_head, int key_begin,
                int key_end, int q_begin, int q_end, float* partial_dq, int thread)
/// One task's share of dq.
struct PartialQuery { int q_begin, q_end; const float* rows; };
/// dq of queries [q_begin, q_end) = scale·Σ parts, in order.
TT_KERNEL(void, attention_join_dq, const Attention& a, const Document& d, const AttentionGradients& g, int kv_head, int q_begin, int q_end,
          const PartialQuery* parts, size_t count)

}  // namespace tt
