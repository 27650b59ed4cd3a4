// Numbers to codes of 4 bits, block by block. The other codes are in quantize.kernel.cpp.
//
// Codes are compared byte by byte with other devices and with bitsandbytes, so no product may be fused with a sum here.
// build-flags: -ffp-contract=off
#include "quantize.h"

#include "cells.h"
#include "codes.h"

namespace tt::TT_ISA {

// ---- any block ----------------------------------------------------------------------------------------------------

/// How many of the 15 thresholds, which rise, are below x, by halving.
static inline vi nf4_codes(vf x) {
  const vf eighth = set1(NF4_THRESHOLDS[7]), fourth = set1(NF4_THRESHOLDS[3]), twelfth = set1(NF4_THRESHOLDS[11]);
  vi code = x > eighth ? vi{} + 8 : vi{};
  code = x > (x > eighth ? twelfth : fourth) ? code + 4 : code;
  code = x > look_up16(NF4_STEPS + 1, code) ? code + 2 : code;
  return x > look_up16(NF4_STEPS, code) ? code + 1 : code;
}
static inline vi fp4_codes(vf x) {
  const vf magnitude = abs_v(x), fourth = set1(FP4_THRESHOLDS[3]), second = set1(FP4_THRESHOLDS[1]), sixth = set1(FP4_THRESHOLDS[5]);
  // The bits of the place among the thresholds, from the highest on; FP4_ORDER: 0, 1, 6, 7, 4, 5, 2, 3.
  const vi high = magnitude > fourth;
  const vi middle = magnitude > (high ? sixth : second);
  const vf low = high ? (middle ? set1(FP4_THRESHOLDS[6]) : set1(FP4_THRESHOLDS[4])) : (middle ? set1(FP4_THRESHOLDS[2]) : set1(FP4_THRESHOLDS[0]));
  vi code = high ? (middle ? vi{} + 2 : vi{} + 4) : (middle ? vi{} + 6 : vi{});
  code = magnitude > low ? code + 1 : code;
  return x < 0 ? code | 8 : code;
}

template <class T> static void quantize_block(uint8_t* packed, float* absmax, const T* x, size_t n, int kind) {
  *absmax = largest(x, n);
  // A block of zeros: 1/0 is Inf and 0·Inf is NaN, which is above no threshold.
  const float inverse = 1.0f / *absmax;
  for (size_t i = 0; i < n; i += W) {
    const size_t count = n - i < W ? n - i : W;
    const vf v = (count == W ? load(x + i) : load_n(x + i, count)) * inverse;
    const vi codes = kind == TT_NF4 ? nf4_codes(v) : fp4_codes(v);
    if (count == W) {
      store_nibbles(packed + i / 2, codes);
      continue;
    }
    uint8_t last[W / 2];
    store_nibbles(last, lanes() < int32_t(count) ? codes : vi{});
    memcpy(packed + i / 2, last, (count + 1) / 2);
  }
}

// ---- whole blocks of moderate numbers -----------------------------------------------------------------------------

#if TT_TABLES_OF_32
/// Blocks of a multiple of 2·W numbers. Returns the first that it leaves to quantize_block: one of zeros or denormals, or with NaN
/// or Inf in it; else `last`.
template <class T> static size_t quantize_by_cells(uint8_t* packed, float* absmax, const T* x, size_t block, size_t first, size_t last, const Cells& cells) {
  const table32 thresholds = load_table32(cells.threshold), odd_codes = load_table32(cells.codes);
  const table32 even_codes = {odd_codes.low << 4, odd_codes.high << 4};
  const vf scale = set1(CELL_SCALE);
  auto codes = [&](vf v, const table32& table) {
    const vi cell = low_bits_of_floor(v, scale), both = look_up32(table, cell);
    return v > vf(look_up32(thresholds, cell)) ? both >> 8 : both;
  };
  for (size_t b = first; b < last; b++) {
    const T* from = x + b * block;
    uint8_t* to = packed + b * block / 2;
    const uint32_t most = largest_magnitude_bits(from, block);
    if (most < 0x00800000u || most >= 0x7f800000u) return b;
    absmax[b] = __builtin_bit_cast(float, most);
    const vf inverse = set1(1.0f / absmax[b]);
    for (size_t i = 0; i < block; i += 2 * W) {
      const Pairs pairs = load_pairs(from + i);
      store_codes(to + i / 2, codes(pairs.even * inverse, even_codes) | codes(pairs.odd * inverse, odd_codes));
    }
  }
  return last;
}
#else
template <class T> static size_t quantize_by_cells(uint8_t*, float*, const T*, size_t, size_t first, size_t, const Cells&) { return first; }
#endif

void quantize_4bit_blocks(uint8_t* packed, float* absmax, const void* x, size_t n, size_t block, size_t first, size_t last, int kind, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    const auto* from = static_cast<const T*>(x);
    const size_t whole = n / block < last ? n / block : last;
    for (size_t b = first; b < last; b++) {
      if (b < whole) b = quantize_by_cells(packed, absmax, from, block, b, whole, kind == TT_NF4 ? NF4_CELLS : FP4_CELLS);
      if (b == last) break;
      const size_t begin = b * block, count = n - begin < block ? n - begin : block;
      quantize_block(packed + begin / 2, absmax + b, from + begin, count, kind);
    }
  });
}

}  // namespace tt::TT_ISA
