// The micro-kernel of ternary products: some rows of x by one packed row, which holds four rows of the weight, with its codes taken out of the bytes once for
// all rows of x. Codes are the trits plus one, so the sum of x is taken off again. Included by trit_products.kernel.cpp, .vnni.cpp and .neon.cpp.
#include "ternary.h"

#include "../vectors/dots.h"

namespace tt::TT_ISA {
namespace {

/// Rows of x, and rows of packed weights beside few of them.
#if TT_AVX512
constexpr int MOST_ROWS = 6, MOST_ROWS_BY_RUN = 2;
#elif TT_AVX2
constexpr int MOST_ROWS = 3, MOST_ROWS_BY_RUN = 1;
#else
constexpr int MOST_ROWS = 4, MOST_ROWS_BY_RUN = 2;
#endif

/// How far ahead one row of x asks memory for packed bytes: there is less work than waiting, and the prefetchers of CPUs end at pages.
constexpr size_t AHEAD = 32768;

/// The last bytes of a packed row: what follows belongs to another.
TT_INLINE vbytes first_bytes(const uint8_t* p, size_t n) {
  uint8_t buffer[BYTES] = {};
  memcpy(buffer, p, n);
  return load_bytes(buffer);
}

/// sums[M][P][4] += the products of columns [first, last) of M rows of x and P packed rows.
template <int M, int P> TT_INLINE void add_columns(vi (&sums)[M][P][4], const TritProduct& t, const int8_t* x, const uint8_t* packed, size_t first, size_t last) {
  size_t k = first;
  while (k < last) {
    vdot dots[M][P][4] = {};
    const size_t stop = last - k > size_t(DOT_STEPS) * BYTES ? k + size_t(DOT_STEPS) * BYTES : last;
    const auto step = [&](auto load) {
      TT_UNROLL for (int i = 0; i < P; i++) {
        const vbytes bytes = load(packed + size_t(i) * t.in + k);
        if constexpr (M == 1) prefetch<Cache::FAR>(packed + size_t(i) * t.in + k + AHEAD);
        TT_UNROLL for (int p = 0; p < 4; p++) {
          const vbytes codes = codes_of(bytes, p);
          TT_UNROLL for (int m = 0; m < M; m++) dots[m][i][p] = dot_step(dots[m][i][p], codes, load_bytes(x + size_t(m) * t.stride + k));
        }
      }
    };
    for (; k + BYTES <= stop; k += BYTES) step([](const uint8_t* p) { return load_bytes(p); });
    if (const size_t n = stop - k) {
      step([n](const uint8_t* p) { return first_bytes(p, n); });
      k = stop;
    }
    TT_UNROLL for (int m = 0; m < M; m++)
      TT_UNROLL for (int i = 0; i < P; i++)
        TT_UNROLL for (int p = 0; p < 4; p++) sums[m][i][p] += widen_dots(dots[m][i][p]) >> CODE_SHIFT(p);
  }
}

template <int M, int P> void one_scale(const TritProduct& t, int row, int i) {
  vi sums[M][P][4] = {};
  add_columns<M, P>(sums, t, t.x + size_t(row) * t.stride, t.packed + size_t(i) * t.in, 0, t.in);
  for (int m = 0; m < M; m++)
    for (int j = 0; j < P; j++) {
      int32_t four[4];
      sum_lanes4(four, sums[m][j][0], sums[m][j][1], sums[m][j][2], sums[m][j][3]);
      for (int p = 0; p < 4; p++) t.sums[(size_t(row + m) * 4 + size_t(p)) * TRIT_ROWS + size_t(i + j)] = float(four[p] - t.code_sums[row + m]);
    }
}

template <int M> void by_runs(const TritProduct& t, int row, int i) {
  const size_t runs = t.in / t.run;
  vf sums[M][4] = {};
  for (size_t r = 0; r < runs; r++) {
    vi counts[M][1][4] = {};
    add_columns<M, 1>(counts, t, t.x + size_t(row) * t.stride, t.packed + size_t(i) * t.in, r * t.run, (r + 1) * t.run);
    TT_UNROLL for (int p = 0; p < 4; p++) {
      const vf scale = set1(t.scales[(size_t(i) + size_t(p) * t.quarter) * runs + r]);
      TT_UNROLL for (int m = 0; m < M; m++) {
        const vi codes = load_bits<vi>(t.code_sums + ((size_t(row + m)) * runs + r) * W);
        sums[m][p] = fma_v(to_float(counts[m][0][p] - codes), scale, sums[m][p]);
      }
    }
  }
  for (int m = 0; m < M; m++)
    for (int p = 0; p < 4; p++) t.sums[(size_t(row + m) * 4 + size_t(p)) * TRIT_ROWS + size_t(i)] = sum_lanes(sums[m][p]);
}

template <int M> void rows_one_scale(const TritProduct& t, int row) {
  constexpr int P = M == 1 ? 2 : 1;
  int i = 0;
  for (; i + P <= t.count; i += P) one_scale<M, P>(t, row, i);
  for (; i < t.count; i++) one_scale<M, 1>(t, row, i);
}
template <int M> void rows_by_runs(const TritProduct& t, int row) {
  for (int i = 0; i < t.count; i++) by_runs<M>(t, row, i);
}

/// The last `left` < M rows.
template <int M> void rest_one_scale(const TritProduct& t, int row, int left) {
  if (left == M) return rows_one_scale<M>(t, row);
  if constexpr (M > 1) rest_one_scale<M - 1>(t, row, left);
}

}  // namespace

static void write(const TritProduct& t) {
  const size_t bytes = dtype_bytes(t.y_dtype), runs = t.in / t.run;
  for (int m = 0; m < t.rows; m++) {
    const vf factor = set1(float(double(t.absmax[m]) * t.common));
    for (size_t p = 0; p < 4; p++)
      for (int i = 0; i < t.count; i += W) {
        const size_t n = t.count - i < W ? size_t(t.count - i) : W, column = p * t.quarter + size_t(i);
        vf v = load(t.sums + (size_t(m) * 4 + p) * TRIT_ROWS + i) * factor;
        if (t.scales && runs == 1) v *= load_n(t.scales + column, n);
        if (t.bias) TT_BY_DTYPE(t.bias_dtype, T, v += load_n(static_cast<const T*>(t.bias) + column, n));
        TT_BY_DTYPE(t.y_dtype, T, store_n(reinterpret_cast<T*>(static_cast<char*>(t.y) + (size_t(m) * t.ldy + column) * bytes), v, n));
      }
  }
}

void trit_products(const TritProduct& t) {
  int row = 0;
  if (t.run >= t.in) {
    for (; row + MOST_ROWS <= t.rows; row += MOST_ROWS) rows_one_scale<MOST_ROWS>(t, row);
    if (row < t.rows) rest_one_scale<MOST_ROWS - 1>(t, row, t.rows - row);
  } else {
    for (; row + MOST_ROWS_BY_RUN <= t.rows; row += MOST_ROWS_BY_RUN) rows_by_runs<MOST_ROWS_BY_RUN>(t, row);
    for (; row < t.rows; row++) rows_by_runs<1>(t, row);
  }
  write(t);
}

size_t code_sums_of(size_t bytes, size_t run) { return run < bytes ? bytes / run * W : 1; }

void sum_codes(int32_t* sums, const int8_t* x, size_t bytes, size_t run) {
  const bool by_run = run < bytes;
  const size_t step = by_run ? run : bytes;
  vi all{};
  for (size_t first = 0; first < bytes; first += step) {
    vi sum{};
    for (size_t k = first; k < first + step; k += BYTES) sum += widen_dots(dot_step(vdot{}, each_byte(1), load_bytes(x + k)));
    if (by_run) store_bits(sums + first / step * W, sum);
    all += sum;
  }
  if (by_run) return;
  int32_t four[4];
  sum_lanes4(four, all, vi{}, vi{}, vi{});
  sums[0] = four[0];
}

double dot_loop(int64_t rounds) {
#if TT_WASM
  return 0;
#else
  constexpr int CHAINS = 8;
  vdot sums[CHAINS] = {};
  vbytes codes{}, x{};
  for (int64_t i = 0; i < rounds; i++)
    TT_UNROLL for (int j = 0; j < CHAINS; j++) {
#if TT_NEON
      __asm__("" : "+m"(x));
#else
      __asm__("" : "+v"(x));  // so that no product is made of those before
#endif
      sums[j] = dot_step(sums[j], codes, x);
    }
  for (int j = 0; j < CHAINS; j++) __asm__ volatile("" : : "m"(sums[j]));
  return double(rounds) * CHAINS * BYTES * 2;
#endif
}

}  // namespace tt::TT_ISA
