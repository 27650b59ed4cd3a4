// The micro-kernel of int8 products: some rows of x by four rows of the weight, which are read once for all rows of x. Sums are int32, so they are exact.
// Included by int8_products.kernel.cpp, .vnni.cpp and .neon.cpp.
#include "int8.h"

#include "../vectors/dots.h"

namespace tt::TT_ISA {
namespace {

constexpr int ROWS = 4;  // of the weight
/// Rows of x that meet them at once: their sums must fit the registers.
#if TT_AVX512
constexpr int MOST_ROWS = 4;
#else
constexpr int MOST_ROWS = 2;
#endif

/// How far ahead the first rows of x ask memory for the weight: with few rows there is less work than waiting.
constexpr size_t AHEAD = 8192;

TT_INLINE vbytes first_bytes(const int8_t* p, size_t n) {
  int8_t buffer[BYTES] = {};
  memcpy(buffer, p, n);
  return load_bytes(buffer);
}

template <int M, bool FIRST> void block(const Int8Product& t, int row, int i) {
  vi sums[M][ROWS] = {};
  const int8_t* x = t.x + size_t(row) * t.stride;
  const int8_t* w[ROWS];  // beyond the end the last row is multiplied again and thrown away
  for (int j = 0; j < ROWS; j++) w[j] = t.w + size_t(i + j < t.count ? i + j : t.count - 1) * t.in;
  const auto step = [&](size_t k, auto load) {
    vbytes bytes[ROWS];
    TT_UNROLL for (int j = 0; j < ROWS; j++) {
      bytes[j] = load(w[j] + k);
      if constexpr (FIRST) prefetch<Cache::FAR>(w[j] + k + AHEAD);
    }
    TT_UNROLL for (int m = 0; m < M; m++) {
      const vbytes codes = load_bytes(x + size_t(m) * t.stride + k);
      TT_UNROLL for (int j = 0; j < ROWS; j++) sums[m][j] = dot_signed(sums[m][j], bytes[j], codes);
    }
  };
  size_t k = 0;
  for (; k + BYTES <= t.in; k += BYTES) step(k, [](const int8_t* p) { return load_bytes(p); });
  if (const size_t n = t.in - k) step(k, [n](const int8_t* p) { return first_bytes(p, n); });
  for (int m = 0; m < M; m++) {
    int32_t four[4];
    sum_lanes4(four, sums[m][0], sums[m][1], sums[m][2], sums[m][3]);
    for (int j = 0; j < ROWS && i + j < t.count; j++)
      t.sums[size_t(row + m) * t.ld + size_t(i + j)] = float(int32_t(uint32_t(four[j]) - uint32_t(SIGNED_OFFSET) * uint32_t(t.x_sums[row + m])));
  }
}

}  // namespace

template <int M> static int rows_of(const Int8Product& t, int row, int i) {
  row == 0 ? block<M, true>(t, row, i) : block<M, false>(t, row, i);
  return row + M;
}

void int8_products(const Int8Product& t) {
  for (int i = 0; i < t.count; i += ROWS) {
    int row = 0;
    while (row + MOST_ROWS <= t.rows) row = rows_of<MOST_ROWS>(t, row, i);
#if TT_AVX512
    if (t.rows - row >= 2) row = rows_of<2>(t, row, i);
#endif
    if (row < t.rows) rows_of<1>(t, row, i);
  }
}

}  // namespace tt::TT_ISA
