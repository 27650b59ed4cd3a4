// Entry points of the ternary hypervectors on bit planes.
#include "vsa.h"

using namespace tt;

static tt_status check_vsa(const char* name, int32_t rows, int32_t dims) {
  TT_REQUIRE(rows >= 0, "%s: rows must not be negative, got %d", name, rows);
  TT_REQUIRE(dims > 0, "%s: dims must be positive, got %d", name, dims);
  TT_REQUIRE_HOLD(name, size_t(rows), size_t(dims));
  return TT_OK;
}
static size_t words_of(int32_t dims) { return (size_t(dims) + 31) / 32; }

extern "C" tt_status tt_vsa_pack(uint32_t* y, const int8_t* x, int32_t rows, int32_t dims, tt_stream) {
  if (tt_status bad = check_vsa("tt_vsa_pack", rows, dims)) return bad;
  TT_REQUIRE(rows == 0 || (y && x), "tt_vsa_pack: %s is null", !y ? "y" : "x");
  const size_t planes = 2 * words_of(dims), n = size_t(dims);
  for_ranges(size_t(rows), n + planes * 4, [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; row++) TT_DISPATCH(vsa_pack_row, y + row * planes, x + row * n, n);
  });
  return TT_OK;
}

extern "C" tt_status tt_vsa_unpack(int8_t* y, const uint32_t* x, int32_t rows, int32_t dims, tt_stream) {
  if (tt_status bad = check_vsa("tt_vsa_unpack", rows, dims)) return bad;
  TT_REQUIRE(rows == 0 || (y && x), "tt_vsa_unpack: %s is null", !y ? "y" : "x");
  const size_t planes = 2 * words_of(dims), n = size_t(dims);
  for_ranges(size_t(rows), n + planes * 4, [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; row++) TT_DISPATCH(vsa_unpack_row, y + row * n, x + row * planes, n);
  });
  return TT_OK;
}

extern "C" tt_status tt_vsa_bind(uint32_t* y, const uint32_t* a, const uint32_t* b, int32_t rows, int32_t b_rows, int32_t dims, tt_stream) {
  if (tt_status bad = check_vsa("tt_vsa_bind", rows, dims)) return bad;
  TT_REQUIRE(b_rows == rows || b_rows == 1, "tt_vsa_bind: b_rows must be 1 or rows (%d), got %d", rows, b_rows);
  TT_REQUIRE(rows == 0 || (y && a && b), "tt_vsa_bind: %s is null", !y ? "y" : !a ? "a" : "b");
  const size_t words = words_of(dims), step = b_rows == 1 ? 0 : 2 * words;
  for_ranges(size_t(rows), 24 * words, [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; row++) TT_DISPATCH(vsa_bind_row, y + row * 2 * words, a + row * 2 * words, b + row * step, words);
  });
  return TT_OK;
}

extern "C" tt_status tt_vsa_bundle(uint32_t* y, const uint32_t* x, int32_t groups, int32_t count, int32_t dims, tt_stream) {
  if (tt_status bad = check_vsa("tt_vsa_bundle", groups, dims)) return bad;
  TT_REQUIRE(count >= 1 && count <= 255, "tt_vsa_bundle: count must be in 1..255, got %d", count);
  TT_REQUIRE_HOLD("tt_vsa_bundle", size_t(groups), size_t(count), size_t(dims));
  TT_REQUIRE(groups == 0 || (y && x), "tt_vsa_bundle: %s is null", !y ? "y" : "x");
  const size_t planes = 2 * words_of(dims), n = size_t(count);
  for_ranges(size_t(groups), (n + 1) * planes * 4, [&](size_t begin, size_t end, int) {
    for (size_t group = begin; group < end; group++) TT_DISPATCH(vsa_bundle_row, y + group * planes, x + group * n * planes, n, planes / 2);
  });
  return TT_OK;
}

extern "C" tt_status tt_vsa_similarity(int32_t* out, const uint32_t* a, const uint32_t* b, int32_t a_rows, int32_t b_rows, int32_t dims, tt_stream) {
  if (tt_status bad = check_vsa("tt_vsa_similarity", a_rows, dims)) return bad;
  TT_REQUIRE_SIZE("tt_vsa_similarity", b_rows);
  TT_REQUIRE_HOLD("tt_vsa_similarity", size_t(b_rows), size_t(dims));
  TT_REQUIRE_HOLD("tt_vsa_similarity", size_t(a_rows), size_t(b_rows));
  if (a_rows == 0 || b_rows == 0) return TT_OK;
  TT_REQUIRE(out && a && b, "tt_vsa_similarity: %s is null", !out ? "out" : !a ? "a" : "b");
  const size_t words = words_of(dims), cols = size_t(b_rows);
  for_ranges(size_t(a_rows) * cols, 16 * words, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; i++) out[i] = TT_DISPATCH(vsa_dot, a + i / cols * 2 * words, b + i % cols * 2 * words, words);
  });
  return TT_OK;
}

extern "C" tt_status tt_vsa_permute(uint32_t* y, const uint32_t* x, int32_t rows, int32_t dims, int32_t shift, tt_stream) {
  if (tt_status bad = check_vsa("tt_vsa_permute", rows, dims)) return bad;
  TT_REQUIRE(rows == 0 || (y && x), "tt_vsa_permute: %s is null", !y ? "y" : "x");
  const size_t planes = 2 * words_of(dims);
  const int32_t rest = shift % dims;
  const size_t turn = size_t(rest < 0 ? rest + dims : rest);
  for_ranges(size_t(rows), 8 * planes, [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; row++) TT_DISPATCH(vsa_permute_row, y + row * planes, x + row * planes, size_t(dims), turn);
  });
  return TT_OK;
}
