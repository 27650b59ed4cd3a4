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

extern "C" tt_status tt_vsa_combine(uint32_t* y, const uint32_t* a, const uint32_t* b, int32_t rows, int32_t b_rows, int32_t dims, int32_t how, tt_stream) {
  if (tt_status bad = check_vsa("tt_vsa_combine", rows, dims)) return bad;
  TT_REQUIRE(b_rows == rows || b_rows == 1, "tt_vsa_combine: b_rows must be 1 or rows (%d), got %d", rows, b_rows);
  TT_REQUIRE(how >= TT_VSA_PRODUCT && how <= TT_VSA_UNBIND, "tt_vsa_combine: how must be product (0), bind (1) or unbind (2), got %d", how);
  TT_REQUIRE(rows == 0 || (y && a && b), "tt_vsa_combine: %s is null", !y ? "y" : !a ? "a" : "b");
  const size_t words = words_of(dims), step = b_rows == 1 ? 0 : 2 * words;
  for_ranges(size_t(rows), 24 * words, [&](size_t begin, size_t end, int) {
    for (size_t row = begin; row < end; row++) TT_DISPATCH(vsa_combine_row, y + row * 2 * words, a + row * 2 * words, b + row * step, words, how);
  });
  return TT_OK;
}

extern "C" tt_status tt_vsa_bundle(uint32_t* y, const uint32_t* x, const float* weights, int32_t groups, int32_t count, int32_t dims, tt_stream) {
  if (tt_status bad = check_vsa("tt_vsa_bundle", groups, dims)) return bad;
  TT_REQUIRE(count >= 1 && count <= 65535, "tt_vsa_bundle: count must be in 1..65535, got %d", count);
  TT_REQUIRE_HOLD("tt_vsa_bundle", size_t(groups), size_t(count), size_t(dims));
  TT_REQUIRE(groups == 0 || (y && x), "tt_vsa_bundle: %s is null", !y ? "y" : "x");
  const size_t planes = 2 * words_of(dims), n = size_t(count);
  for_ranges(size_t(groups), (n + 1) * planes * 4, [&](size_t begin, size_t end, int) {
    for (size_t group = begin; group < end; group++) {
      uint32_t* to = y + group * planes;
      const uint32_t* from = x + group * n * planes;
      if (weights) TT_DISPATCH(vsa_bundle_weighted_row, to, from, weights + group * n, n, planes / 2);
      else TT_DISPATCH(vsa_bundle_row, to, from, n, planes / 2);
    }
  });
  return TT_OK;
}

/// Rows of a and of b whose pairs one thread makes at a time: a few of the one and so many of the other that their planes stay in L2.
static size_t rows_within(size_t bytes, size_t words, size_t least) {
  const size_t rows = bytes / (8 * words);
  return rows > least ? rows : least;
}

extern "C" tt_status tt_vsa_similarity(int32_t* out, const uint32_t* a, const uint32_t* b, int32_t a_rows, int32_t b_rows, int32_t dims, int32_t metric,
                                       tt_stream) {
  if (tt_status bad = check_vsa("tt_vsa_similarity", a_rows, dims)) return bad;
  TT_REQUIRE_SIZE("tt_vsa_similarity", b_rows);
  TT_REQUIRE_HOLD("tt_vsa_similarity", size_t(b_rows), size_t(dims));
  TT_REQUIRE_HOLD("tt_vsa_similarity", size_t(a_rows), size_t(b_rows));
  TT_REQUIRE(metric == TT_VSA_DOT || metric == TT_VSA_HAMMING, "tt_vsa_similarity: metric must be dot (0) or hamming (1), got %d", metric);
  if (a_rows == 0 || b_rows == 0) return TT_OK;
  TT_REQUIRE(out && a && b, "tt_vsa_similarity: %s is null", !out ? "out" : !a ? "a" : "b");
  const size_t words = words_of(dims), rows = size_t(a_rows), columns = size_t(b_rows);
  const size_t down = rows_within(size_t(64) << 10, words, 4), across = rows_within(size_t(256) << 10, words, 8);
  const size_t wide = (columns + across - 1) / across;
  parallel((rows + down - 1) / down * wide, [&](size_t tile, int) {
    const size_t i = tile / wide * down, j = tile % wide * across;
    const size_t some = rows - i < down ? rows - i : down, many = columns - j < across ? columns - j : across;
    TT_DISPATCH_BYTES(vsa_pairs, {out + i * columns + j, columns, a + i * 2 * words, b + j * 2 * words, some, many, words, metric});
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
