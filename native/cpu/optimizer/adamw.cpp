// Entry points of AdamW: one parameter, many, and many with 8-bit moments.
#include "adamw.h"

using namespace tt;

namespace {

/// What an element counts when the work is cut: less than the 28 bytes that it moves, because runs of the four arrays that
/// are long keep the prefetchers going.
constexpr size_t ELEMENT_BYTES = 4;

tt_status check_settings(const char* name, const AdamW& s) {
  TT_REQUIRE(s.beta1 >= 0 && s.beta1 < 1, "%s: beta1 must be in 0..1, got %g", name, double(s.beta1));
  TT_REQUIRE(s.beta2 >= 0 && s.beta2 < 1, "%s: beta2 must be in 0..1, got %g", name, double(s.beta2));
  TT_REQUIRE(s.bias1 > 0 && s.bias1 <= 1, "%s: bias1 must be in 0..1, got %g", name, double(s.bias1));
  TT_REQUIRE(s.bias2 > 0 && s.bias2 <= 1, "%s: bias2 must be in 0..1, got %g", name, double(s.bias2));
  return TT_OK;
}

/// One row of `table`; the columns before n are pointers, of which only master (the second) may be null.
struct Entry {
  const int64_t* field;
  int pointers;
  size_t n() const { return size_t(field[pointers]); }
  tt_dtype w_dtype() const { return tt_dtype(field[pointers + 1]); }
  AdamW settings(AdamW s) const {
    if (field[pointers + 2] == 0) s.weight_decay = 0;
    return s;
  }
  template <class T> T* at(int column) const { return reinterpret_cast<T*>(field[column]); }
};

tt_status check_entry(const char* name, int32_t index, const Entry& e, const char* const* columns) {
  TT_REQUIRE(e.field[e.pointers] >= 0, "%s: n of entry %d must not be negative, got %lld", name, index, static_cast<long long>(e.field[e.pointers]));
  TT_REQUIRE_HOLD(name, e.n());
  TT_REQUIRE(e.field[e.pointers + 1] == e.w_dtype() && is_compute_dtype(e.w_dtype()), "%s: w_dtype of entry %d must be f32 (0) or bf16 (1), got %d", name, index, e.w_dtype());
  for (int column = 0; column < e.pointers && e.n() > 0; column++)
    TT_REQUIRE(column == 1 || e.field[column], "%s: %s of entry %d is null", name, columns[column], index);
  return TT_OK;
}

/// body(entry, begin, end) over the units of all entries, in the pieces that each entry alone would be cut into.
template <class F>
tt_status for_entries(const char* name, const int64_t* table, int32_t count, int pointers, size_t unit, size_t bytes_per_unit, const F& body) {
  const int columns = pointers + 3;
  const size_t piece = piece_size(bytes_per_unit);
  size_t* last = static_cast<size_t*>(shared_scratch(0, size_t(count) * sizeof(size_t)));
  if (!last) return fail(TT_OUT_OF_MEMORY, "%s: no memory for a list of %d parameters", name, count);
  size_t tiles = 0;
  for (int32_t i = 0; i < count; i++) {
    const Entry e = {table + size_t(i) * columns, pointers};
    tiles += ((e.n() + unit - 1) / unit + piece - 1) / piece;
    last[i] = tiles;
  }
  auto run = [&](size_t tile, int) {
    int32_t low = 0, high = count - 1;  // the first entry that ends after the tile
    while (low < high) {
      const int32_t middle = (low + high) / 2;
      if (last[middle] > tile) high = middle;
      else low = middle + 1;
    }
    const Entry e = {table + size_t(low) * columns, pointers};
    const size_t units = (e.n() + unit - 1) / unit, begin = (tile - (low ? last[low - 1] : 0)) * piece;
    body(e, begin, begin + piece < units ? begin + piece : units);
  };
  if (tiles <= 1) {
    if (tiles) run(0, 0);
  } else {
    parallel(tiles, run);
  }
  return TT_OK;
}

}  // namespace

extern "C" tt_status tt_adamw(void* w, float* master, float* m, float* v, const float* grad, size_t n, float lr, float beta1, float beta2,
                              float eps, float weight_decay, float bias1, float bias2, float grad_scale, tt_dtype w_dtype, tt_stream) {
  TT_REQUIRE(is_compute_dtype(w_dtype), "tt_adamw: w_dtype must be f32 (0) or bf16 (1), got %d", w_dtype);
  const AdamW settings = {lr, beta1, beta2, eps, weight_decay, bias1, bias2, grad_scale};
  if (tt_status bad = check_settings("tt_adamw", settings)) return bad;
  TT_REQUIRE_HOLD("tt_adamw", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_adamw", w);
  TT_REQUIRE_POINTER("tt_adamw", m);
  TT_REQUIRE_POINTER("tt_adamw", v);
  TT_REQUIRE_POINTER("tt_adamw", grad);
  for_ranges(n, ELEMENT_BYTES, [&](size_t begin, size_t end, int) {
    TT_DISPATCH(adamw_range, at(w, begin, w_dtype), master ? master + begin : nullptr, m + begin, v + begin, grad + begin, end - begin,
                settings, w_dtype);
  });
  return TT_OK;
}

extern "C" tt_status tt_adamw_list(const int64_t* table, int32_t count, float lr, float beta1, float beta2, float eps, float weight_decay,
                                   float bias1, float bias2, float grad_scale, tt_stream) {
  constexpr const char* COLUMNS[] = {"w", "master", "m", "v", "grad"};
  const AdamW settings = {lr, beta1, beta2, eps, weight_decay, bias1, bias2, grad_scale};
  if (tt_status bad = check_settings("tt_adamw_list", settings)) return bad;
  TT_REQUIRE_SIZE("tt_adamw_list", count);
  if (count == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_adamw_list", table);
  for (int32_t i = 0; i < count; i++)
    if (tt_status bad = check_entry("tt_adamw_list", i, {table + size_t(i) * 8, 5}, COLUMNS)) return bad;
  return for_entries("tt_adamw_list", table, count, 5, 1, ELEMENT_BYTES, [&](const Entry& e, size_t begin, size_t end) {
    float* master = e.at<float>(1);
    TT_DISPATCH(adamw_range, at(e.at<void>(0), begin, e.w_dtype()), master ? master + begin : nullptr, e.at<float>(2) + begin, e.at<float>(3) + begin,
                e.at<const float>(4) + begin, end - begin, e.settings(settings), e.w_dtype());
  });
}

extern "C" tt_status tt_adamw_8bit(const int64_t* table, int32_t count, float lr, float beta1, float beta2, float eps, float weight_decay,
                                   float bias1, float bias2, float grad_scale, tt_stream) {
  constexpr const char* COLUMNS[] = {"w", "master", "m8", "v8", "m_absmax", "v_absmax", "grad"};
  const AdamW settings = {lr, beta1, beta2, eps, weight_decay, bias1, bias2, grad_scale};
  if (tt_status bad = check_settings("tt_adamw_8bit", settings)) return bad;
  TT_REQUIRE_SIZE("tt_adamw_8bit", count);
  if (count == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_adamw_8bit", table);
  for (int32_t i = 0; i < count; i++)
    if (tt_status bad = check_entry("tt_adamw_8bit", i, {table + size_t(i) * 10, 7}, COLUMNS)) return bad;
  return for_entries("tt_adamw_8bit", table, count, 7, ADAMW_BLOCK, 16 * ADAMW_BLOCK, [&](const Entry& e, size_t begin, size_t end) {
    const size_t first = begin * ADAMW_BLOCK, stop = end * ADAMW_BLOCK < e.n() ? end * ADAMW_BLOCK : e.n();
    float* master = e.at<float>(1);
    const AdamW8bit io = {at(e.at<void>(0), first, e.w_dtype()),
                          master ? master + first : nullptr,
                          e.at<uint8_t>(2) + first,
                          e.at<uint8_t>(3) + first,
                          e.at<float>(4) + begin,
                          e.at<float>(5) + begin,
                          e.at<const float>(6) + first,
                          stop - first,
                          e.w_dtype()};
    TT_DISPATCH(adamw_8bit_blocks, io, e.settings(settings));
  });
}
