// Entry points of attention: argument checks, the cut into tasks, and the passes that join what tasks leave.
//
// Forward, many queries: keys and values are packed once, then every task takes a block of queries. Forward, few queries
// (generation): every task takes a range of keys, packs it for itself, and the partial results are joined. Backward: a
// task owns a range of keys, so dk and dv need no atomics; what it adds to dq is summed afterwards, in order. The cut does
// not depend on the thread count, so neither do the results.
#include "attention.h"

#include <math.h>
#include <stdlib.h>

#include <atomic>

#include "../gemm/gemm.h"
#include "../runtime/ranges.h"

using namespace tt;

namespace {

struct Call {
  const char* name;
  Attention a;
  const int32_t *offsets_q, *offsets_k;
  int documents, tokens_q, tokens_k;
  Document document(int i) const {
    return {offsets_q[i], offsets_q[i + 1] - offsets_q[i], offsets_k[i], offsets_k[i + 1] - offsets_k[i]};
  }
  size_t total_q() const { return size_t(offsets_q[documents]); }
};

tt_status check_offsets(const char* name, const char* which, const int32_t* offsets, int documents, int tokens) {
  TT_REQUIRE(offsets, "%s: %s is null", name, which);
  TT_REQUIRE(offsets[0] == 0, "%s: %s[0] must be 0, got %d", name, which, offsets[0]);
  for (int i = 0; i < documents; i++)
    TT_REQUIRE(offsets[i + 1] >= offsets[i], "%s: %s must not fall, but [%d] is %d and [%d] is %d", name, which, i, offsets[i], i + 1,
               offsets[i + 1]);
  TT_REQUIRE(offsets[documents] == tokens, "%s: %s ends at %d, there are %d tokens", name, which, offsets[documents], tokens);
  return TT_OK;
}

tt_status check(const Call& c) {
  const Attention& a = c.a;
  TT_REQUIRE(is_compute_dtype(a.dtype), "%s: dtype must be f32 (0) or bf16 (1), got %d", c.name, a.dtype);
  TT_REQUIRE(c.documents >= 0, "%s: documents must not be negative, got %d", c.name, c.documents);
  TT_REQUIRE(a.heads > 0 && a.kv_heads > 0 && a.heads % a.kv_heads == 0, "%s: heads (%d) must be a multiple of kv_heads (%d)", c.name, a.heads,
             a.kv_heads);
  TT_REQUIRE(a.head_dim > 0 && a.head_dim <= 256, "%s: head_dim must be 1..256, got %d", c.name, a.head_dim);
  TT_REQUIRE(isfinite(a.scale), "%s: scale must be finite, got %g", c.name, double(a.scale));
  TT_REQUIRE(a.window >= 0, "%s: window must not be negative, got %d", c.name, a.window);
  TT_REQUIRE(a.softcap >= 0 && isfinite(a.softcap), "%s: softcap must be 0 or positive, got %g", c.name, double(a.softcap));
  TT_REQUIRE(c.tokens_q >= 0 && c.tokens_k >= 0, "%s: tokens must not be negative, got %d and %d", c.name, c.tokens_q, c.tokens_k);
  TT_REQUIRE_HOLD(c.name, size_t(c.tokens_q), size_t(a.heads), size_t(a.head_dim));
  TT_REQUIRE_HOLD(c.name, size_t(c.tokens_k), size_t(a.kv_heads), size_t(a.head_dim));
  if (tt_status bad = check_offsets(c.name, "offsets_q", c.offsets_q, c.documents, c.tokens_q)) return bad;
  return check_offsets(c.name, "offsets_k", c.offsets_k, c.documents, c.tokens_k);
}

/// Tasks of all documents in one numbering: task i belongs to document find(i).
struct TaskTable {
  size_t* first;  // [documents + 1]
  int documents;
  int find(size_t task) const {
    int low = 0, high = documents;
    while (high - low > 1) {
      int middle = (low + high) / 2;
      (first[middle] <= task ? low : high) = middle;
    }
    return low;
  }
  size_t count() const { return first[documents]; }
};

template <class F> bool make_table(TaskTable& table, int slot, int documents, F tasks_of) {
  table.documents = documents;
  table.first = static_cast<size_t*>(shared_scratch(slot, (uint64_t(documents) + 1) * sizeof(size_t)));
  if (!table.first) return false;
  table.first[0] = 0;
  for (int i = 0; i < documents; i++) table.first[i + 1] = table.first[i] + tasks_of(i);
  return true;
}

constexpr int FEW_ROWS = 32;      // rows a key head has in a document, up to which the keys are split instead of the queries
constexpr int SPLIT_KEYS = 256;   // keys of a task then
constexpr int BLOCK_ROWS = 112;   // rows of a block of queries: eight strips
constexpr size_t PACK_KEYS = 256;

#if TT_X64
/// AMX has tiles, and products of pairs are made as if there were some. Not of few rows: without AMX those that are empty cost as much. So
/// probabilities of few rows are f32 there, of more rows bf16.
bool has_tiles(bool few) { return on_amx() || (!few && gemm_in_pairs(TT_BF16)); }
#else
constexpr bool has_tiles(bool) { return false; }
#endif
/// Tiles hold up to 128 rows of a group; the scores' maximum is taken before the scale, so that must not be negative.
bool fits_tiles(const Attention& a) { return a.dtype == TT_BF16 && a.group <= 128 && a.scale > 0; }
bool on_tiles(const Attention& a) { return has_tiles(false) && fits_tiles(a); }

int queries_per_block(const Attention& a) {
  const int rows = on_tiles(a) ? 128 : BLOCK_ROWS;
  return a.group >= rows ? 1 : rows / a.group;
}

tt_status out_of_memory(const char* name) { return fail(TT_OUT_OF_MEMORY, "%s: no memory for packed keys and values", name); }

// ---- forward ----------------------------------------------------------------------------------------------------

tt_status forward_few(const Call& c, void* o, float* lse) {
  const Attention& a = c.a;
  const size_t width = padded_dim(a.head_dim);
  TaskTable tasks, rows_before;
  auto parts_of = [&](int i) { return size_t(c.document(i).nk + SPLIT_KEYS - 1) / SPLIT_KEYS; };
  auto rows_of = [&](int i) { return size_t(c.document(i).nq) * size_t(a.group); };
  bool made = make_table(tasks, 0, c.documents, [&](int i) { return parts_of(i) * size_t(a.kv_heads); }) &&
              make_table(rows_before, 1, c.documents, [&](int i) { return parts_of(i) * size_t(a.kv_heads) * rows_of(i); });
  if (!made) return out_of_memory(c.name);
  auto* partial = static_cast<float*>(shared_scratch(2, uint64_t(rows_before.count()) * (width + 2) * sizeof(float) + 64));
  if (!partial) return out_of_memory(c.name);
  float* stats = partial + rows_before.count() * width;
  std::atomic<bool> failed{false};
  auto split = [&](size_t task, int thread) {
    int i = tasks.find(task);
    Document d = c.document(i);
    size_t within = task - tasks.first[i], parts = parts_of(i), rows = rows_of(i);
    if (rows == 0) return;
    // Key heads of the same tokens follow each other: they share pages.
    int kv_head = int(within % size_t(a.kv_heads)), part = int(within / size_t(a.kv_heads)), begin = part * SPLIT_KEYS;
    int end = begin + SPLIT_KEYS < d.nk ? begin + SPLIT_KEYS : d.nk;
    auto* packed = static_cast<float*>(thread_scratch(thread, 1, SPLIT_KEYS * 2 * width * sizeof(float)));
    if (!packed) return failed.store(true);
    const size_t first_row = rows_before.first[i] + (size_t(kv_head) * parts + size_t(part)) * rows;
    AttentionResult result{o, lse, c.total_q(), partial + first_row * width, stats + first_row * 2};
    bool done;
    if (has_tiles(true) && fits_tiles(a)) {
      auto *k = reinterpret_cast<uint16_t*>(packed), *v = k + SPLIT_KEYS * width;
      const bool in_place = readable_in_place(a, begin, end);
      TT_DISPATCH_TILES(attention_pack, a, d, kv_head, begin, end, in_place ? nullptr : k, v);
      const KeyTiles keys = in_place ? tiles_in_place(a, d, kv_head, begin) : packed_tiles(a, k);
      done = TT_DISPATCH_TILES(attention_forward_block, a, d, kv_head, 0, d.nq, begin, end, keys, v, result, thread);
    } else {
      // These kernels count keys from the document's start.
      const size_t size = size_t(a.head_dim), stride = size_t(a.kv_heads) * size;
      float *k = packed - size_t(begin) * size, *v = packed + SPLIT_KEYS * width - size_t(begin) * tile_width();
      const bool in_place = a.dtype == TT_F32 && size % tile_width() == 0;
      Values values = packed_values(v, SPLIT_KEYS);
      if (in_place) values = {static_cast<const float*>(a.v) + size_t(d.k_begin) * stride + size_t(kv_head) * size, stride, tile_width()};
      TT_DISPATCH(attention_pack, a, d, kv_head, begin, end, k, in_place ? nullptr : v, size_t(SPLIT_KEYS));
      done = TT_DISPATCH(attention_forward_block, a, d, kv_head, 0, d.nq, begin, end, k, values, result, thread);
    }
    if (!done) failed.store(true);
  };
  parallel(tasks.count(), [&](size_t task, int thread) { split(task, thread); });
  if (failed.load()) return out_of_memory(c.name);
  for_ranges(size_t(c.documents) * size_t(a.kv_heads), 16384, [&](size_t begin, size_t end, int) {
    for (size_t task = begin; task < end; task++) {
      int i = int(task / size_t(a.kv_heads)), kv_head = int(task % size_t(a.kv_heads));
      size_t first_row = rows_before.first[i] + size_t(kv_head) * parts_of(i) * rows_of(i);
      AttentionResult result{o, lse, c.total_q(), partial + first_row * width, stats + first_row * 2};
      TT_DISPATCH(attention_join, a, c.document(i), kv_head, parts_of(i), rows_of(i), result);
    }
  });
  return TT_OK;
}

tt_status forward_many(const Call& c, void* o, float* lse) {
  const Attention& a = c.a;
  const bool tiles = on_tiles(a);
  const size_t width = padded_dim(a.head_dim), k_width = tiles ? width : size_t(a.head_dim), bytes = tiles ? 2 : 4;
  TaskTable packs, blocks, keys_before;
  auto padded_keys = [&](int i) { return round_up(size_t(c.document(i).nk), KEY_STEP); };
  const int per_block = queries_per_block(a);
  bool made = make_table(packs, 0, c.documents, [&](int i) { return (padded_keys(i) + PACK_KEYS - 1) / PACK_KEYS * size_t(a.kv_heads); }) &&
              make_table(blocks, 1, c.documents, [&](int i) { return size_t(c.document(i).nq + per_block - 1) / size_t(per_block) * size_t(a.kv_heads); }) &&
              make_table(keys_before, 2, c.documents, padded_keys);
  if (!made) return out_of_memory(c.name);
  const size_t keys = keys_before.count();
  auto* packed_k = static_cast<char*>(shared_scratch(3, uint64_t(keys) * k_width * unsigned(a.kv_heads) * bytes + 64));
  auto* packed_v = static_cast<char*>(shared_scratch(4, uint64_t(keys) * width * unsigned(a.kv_heads) * bytes + 64));
  if (!packed_k || !packed_v) return out_of_memory(c.name);
  auto k_of = [&](int i, int kv_head) { return packed_k + (keys * size_t(kv_head) + keys_before.first[i]) * k_width * bytes; };
  auto v_of = [&](int i, int kv_head) { return packed_v + (keys * size_t(kv_head) + keys_before.first[i]) * width * bytes; };
  auto as_f32 = [](char* p) { return reinterpret_cast<float*>(p); };
  auto as_bf16 = [](char* p) { return reinterpret_cast<uint16_t*>(p); };
  parallel(packs.count(), [&](size_t task, int) {
    int i = packs.find(task);
    Document d = c.document(i);
    size_t within = task - packs.first[i];
    int kv_head = int(within % size_t(a.kv_heads)), begin = int(within / size_t(a.kv_heads) * PACK_KEYS);
    int end = begin + int(PACK_KEYS) < d.nk ? begin + int(PACK_KEYS) : d.nk;
    char *k = k_of(i, kv_head), *v = v_of(i, kv_head);
    const size_t skipped = size_t(begin) * width;
    if (has_tiles(false) && tiles) TT_DISPATCH_TILES(attention_pack, a, d, kv_head, begin, end, as_bf16(k) + skipped, as_bf16(v) + skipped);
    else TT_DISPATCH(attention_pack, a, d, kv_head, begin, end, as_f32(k), as_f32(v), padded_keys(i));
  });
  std::atomic<bool> failed{false};
  AttentionResult result{o, lse, c.total_q(), nullptr, nullptr};
  const size_t count = blocks.count();
  parallel(count, [&](size_t tile, int thread) {
    size_t task = count - 1 - tile;  // the late queries of a causal document see the most keys: they go first
    int i = blocks.find(task);
    Document d = c.document(i);
    size_t within = task - blocks.first[i];
    int kv_head = int(within % size_t(a.kv_heads)), begin = int(within / size_t(a.kv_heads)) * per_block;
    int end = begin + per_block < d.nq ? begin + per_block : d.nq;
    char *k = k_of(i, kv_head), *v = v_of(i, kv_head);
    bool done = has_tiles(false) && tiles ? TT_DISPATCH_TILES(attention_forward_block, a, d, kv_head, begin, end, 0, d.nk, packed_tiles(a, as_bf16(k)),
                                                              as_bf16(v), result, thread)
                                          : TT_DISPATCH(attention_forward_block, a, d, kv_head, begin, end, 0, d.nk, as_f32(k),
                                                        packed_values(as_f32(v), padded_keys(i)), result, thread);
    if (!done) failed.store(true);
  });
  return failed.load() ? out_of_memory(c.name) : TT_OK;
}

// ---- backward ---------------------------------------------------------------------------------------------------

constexpr int MOST_PARTS = 8;

/// Keys of a task: at most MOST_PARTS tasks a document and key head, so that memory stays proportional to the tokens.
int keys_per_part(int nk) {
  int keys = int(round_up(size_t(nk + MOST_PARTS - 1) / MOST_PARTS, KEY_STEP));
  return keys < 256 ? 256 : keys;
}
int parts_of(const Document& d) { return (d.nk + keys_per_part(d.nk) - 1) / keys_per_part(d.nk); }

struct Part {
  int key_begin, key_end, q_begin, q_end;
  size_t work() const { return size_t(key_end - key_begin) * size_t(q_end - q_begin); }
};

struct Work { size_t work, task; };
/// The most work first, so that the threads end together.
int more_work(const void* a, const void* b) {
  const Work &x = *static_cast<const Work*>(a), &y = *static_cast<const Work*>(b);
  return x.work != y.work ? (x.work > y.work ? -1 : 1) : x.task < y.task ? -1 : 1;
}

/// The part's keys and the queries that see one of them; both borders of what a query sees only move forward.
Part part_of(const Attention& a, const Document& d, int index) {
  Part p{index * keys_per_part(d.nk), 0, 0, d.nq};
  p.key_end = p.key_begin + keys_per_part(d.nk) < d.nk ? p.key_begin + keys_per_part(d.nk) : d.nk;
  while (p.q_begin < d.nq && d.last_key(a, p.q_begin) <= p.key_begin) p.q_begin++;
  while (p.q_end > p.q_begin && d.first_key(a, p.q_end - 1) >= p.key_end) p.q_end--;
  return p;
}

}  // namespace

static tt_status backward(const Call& c, const AttentionGradients& given) {
  const Attention& a = c.a;
  const size_t width = padded_dim(a.head_dim), total_q = c.total_q();
  AttentionGradients g = given;
  TaskTable tasks, joins;
  const int per_join = queries_per_block(a);
  bool made = make_table(tasks, 0, c.documents, [&](int i) { return size_t(parts_of(c.document(i))) * size_t(a.kv_heads); }) &&
              make_table(joins, 1, c.documents, [&](int i) { return size_t(c.document(i).nq + per_join - 1) / size_t(per_join) * size_t(a.kv_heads); });
  if (!made) return out_of_memory(c.name);
  auto* first_row = static_cast<size_t*>(shared_scratch(2, (uint64_t(tasks.count()) + 1) * (sizeof(size_t) + sizeof(Work))));
  g.delta = static_cast<float*>(shared_scratch(3, uint64_t(total_q) * unsigned(a.heads) * sizeof(float) + 64));
  if (!first_row || !g.delta) return out_of_memory(c.name);
  auto* order = reinterpret_cast<Work*>(first_row + tasks.count());
  size_t rows = 0;
  for (size_t task = 0; task < tasks.count(); task++) {
    int i = tasks.find(task);
    Document d = c.document(i);
    Part p = part_of(a, d, int((task - tasks.first[i]) % size_t(parts_of(d))));
    first_row[task] = rows;
    order[task] = {p.work(), task};
    rows += size_t(p.q_end - p.q_begin) * size_t(a.group);
  }
  auto* partial = static_cast<float*>(shared_scratch(4, uint64_t(rows) * width * sizeof(float) + 64));
  if (!partial) return out_of_memory(c.name);

  const size_t token_bytes = size_t(a.heads) * size_t(a.head_dim) * 2 * dtype_bytes(a.dtype);
  for_ranges(total_q, token_bytes, [&](size_t begin, size_t end, int) { TT_DISPATCH(attention_delta, a, g, begin, end); });

  std::atomic<bool> failed{false};
  qsort(order, tasks.count(), sizeof(Work), more_work);
  parallel(tasks.count(), [&](size_t turn, int thread) {
    const size_t task = order[turn].task;
    int i = tasks.find(task);
    Document d = c.document(i);
    size_t within = task - tasks.first[i];
    int parts = parts_of(d), kv_head = int(within / size_t(parts));
    Part p = part_of(a, d, int(within % size_t(parts)));
    float* dq = partial + first_row[task] * width;
    bool done = has_tiles(false) && on_tiles(a)
                    ? TT_DISPATCH_TILES(attention_backward_keys, a, d, g, kv_head, p.key_begin, p.key_end, p.q_begin, p.q_end, dq, thread)
                    : TT_DISPATCH(attention_backward_keys, a, d, g, kv_head, p.key_begin, p.key_end, p.q_begin, p.q_end, dq, thread);
    if (!done) failed.store(true);
  });
  if (failed.load()) return out_of_memory(c.name);

  parallel(joins.count(), [&](size_t task, int) {
    int i = joins.find(task);
    Document d = c.document(i);
    size_t within = task - joins.first[i];
    int kv_head = int(within % size_t(a.kv_heads)), begin = int(within / size_t(a.kv_heads)) * per_join;
    int end = begin + per_join < d.nq ? begin + per_join : d.nq;
    PartialQuery shares[MOST_PARTS];
    int parts = parts_of(d);
    for (int part = 0; part < parts; part++) {
      Part p = part_of(a, d, part);
      shares[part] = {p.q_begin, p.q_end, partial + first_row[tasks.first[i] + size_t(kv_head * parts + part)] * width};
    }
    TT_DISPATCH(attention_join_dq, a, d, g, kv_head, begin, end, shares, size_t(parts));
  });
  return TT_OK;
}

extern "C" tt_status tt_attention_forward(void* o, float* lse, const void* q, const void* k, const void* v, const int32_t* offsets_q,
                                          const int32_t* offsets_k, int32_t documents, int32_t tokens_q, int32_t tokens_k, int32_t heads, int32_t kv_heads,
                                          int32_t head_dim, float scale, int32_t causal, int32_t window, float softcap, tt_dtype dtype, tt_stream) {
  Attention a{q, k, v, heads, kv_heads, head_dim, kv_heads > 0 ? heads / kv_heads : 0, scale, causal != 0, window, softcap, dtype};
  Call c{"tt_attention_forward", a, offsets_q, offsets_k, documents, tokens_q, tokens_k};
  if (tt_status bad = check(c)) return bad;
  if (c.total_q() == 0) return TT_OK;
  TT_REQUIRE(o && lse && q, "%s: %s is null", c.name, !o ? "o" : !lse ? "lse" : "q");
  TT_REQUIRE((k && v) || offsets_k[documents] == 0, "%s: %s is null", c.name, !k ? "k" : "v");
  int most_rows = 0;
  for (int i = 0; i < documents; i++)
    if (c.document(i).nq * a.group > most_rows) most_rows = c.document(i).nq * a.group;
  return most_rows <= FEW_ROWS ? forward_few(c, o, lse) : forward_many(c, o, lse);
}

extern "C" tt_status tt_attention_backward(void* dq, void* dk, void* dv, const void* d_o, const void* o, const float* lse, const void* q,
                                           const void* k, const void* v, const int32_t* offsets_q, const int32_t* offsets_k, int32_t documents,
                                           int32_t tokens_q, int32_t tokens_k, int32_t heads, int32_t kv_heads, int32_t head_dim, float scale, int32_t causal, int32_t window,
                                           float softcap, tt_dtype dtype, tt_stream) {
  Attention a{q, k, v, heads, kv_heads, head_dim, kv_heads > 0 ? heads / kv_heads : 0, scale, causal != 0, window, softcap, dtype};
  Call c{"tt_attention_backward", a, offsets_q, offsets_k, documents, tokens_q, tokens_k};
  if (tt_status bad = check(c)) return bad;
  const bool queries = c.total_q() > 0, keys = offsets_k[documents] > 0;
  TT_REQUIRE(!queries || (dq && d_o && o && lse && q), "%s: %s is null", c.name,
             !dq ? "dq" : !d_o ? "d_o" : !o ? "o" : !lse ? "lse" : "q");
  TT_REQUIRE(!keys || (dk && dv && k && v), "%s: %s is null", c.name, !dk ? "dk" : !dv ? "dv" : !k ? "k" : "v");
  return backward(c, {dq, dk, dv, d_o, o, lse, nullptr, c.total_q()});
}
