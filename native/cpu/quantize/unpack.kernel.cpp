// Packed weights to numbers: one f32 product and one rounding for each, as bitsandbytes dequantizes.
// build-flags: -ffp-contract=off
#include "quantize.h"

#include "codes.h"

namespace tt::TT_ISA {

static inline vf load(const int8_t* p) { return to_float(load_codes(p)); }
template <class T> static inline void place(T* to, vf v, bool past_caches) { past_caches ? stream(to, v) : store(to, v); }

#if TT_HALF_TABLES
/// Whole vectors of n elements from an even one on: the 16 products of a block are made and rounded once. How many were done.
static size_t unpack_halves(bf16* to, const uint8_t* data, size_t n, vh products, bool past_caches) {
  const half_table table = make_half_table(products);
  size_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    const auto values = look_up_halves(table, data + i / 2);
    past_caches ? stream_halves(to + i, values) : store_halves(to + i, values);
  }
  return i;
}
static size_t unpack_halves(float*, const uint8_t*, size_t, vh, bool) { return 0; }

/// The same of int8, for a finite scale.
static size_t unpack_bytes(bf16* to, const int8_t* from, size_t n, float scale, bool past_caches) {
  size_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    const auto values = narrow_finite(load(from + i) * scale, load(from + i + W) * scale);
    past_caches ? stream_halves(to + i, values) : store_halves(to + i, values);
  }
  return i;
}
static size_t unpack_bytes(float*, const int8_t*, size_t, float, bool) { return 0; }
#endif

/// Elements [begin, end) of the flat weight.
template <class T> static void unpack_4bit(T* to, const PackedWeight& w, size_t begin, size_t end, bool past_caches) {
  const float* values = w.kind == TT_NF4 ? NF4_VALUES : FP4_VALUES;
  auto one = [&](size_t i, float scale) {
    const uint8_t byte = w.data[i / 2];
    put(to++, values[i % 2 ? byte & 15 : byte >> 4] * scale);
  };
  for (size_t i = begin, b = begin / w.block; i < end; b++) {
    const size_t next = (b + 1) * w.block, stop = next < end ? next : end;
    const float scale = block_scale(w, b);
    if (i % 2) one(i++, scale);
#if TT_HALF_TABLES
    if (sizeof(T) == sizeof(bf16)) {
      const size_t done = unpack_halves(to, w.data + i / 2, stop - i, narrow(load(values) * scale), past_caches && uintptr_t(to) % 64 == 0);
      i += done;
      to += done;
    }
#endif
    const bool past = past_caches && streamable(to);
    for (; i + W <= stop; i += W, to += W) place(to, look_up16(values, load_nibbles(w.data + i / 2)) * scale, past);
    while (i < stop) one(i++, scale);
  }
}

template <class T> static void unpack_int8(T* to, const int8_t* from, size_t n, float scale, bool past_caches) {
  const bool past = past_caches && streamable(to);
  size_t i = 0;
#if TT_HALF_TABLES
  if (scale - scale == 0) i = unpack_bytes(to, from, n, scale, past_caches && uintptr_t(to) % 64 == 0);
#endif
  for (; i + W <= n; i += W) place(to + i, load(from + i) * scale, past);
  for (; i < n; i++) put(to + i, float(from[i]) * scale);
}

template <class T> static void unpack_ternary(T* to, const uint8_t* from, size_t n, int shift, float scale) {
  size_t i = 0;
  for (; i + W <= n; i += W) store(to + i, to_float((load_codes(from + i) >> shift & 3) - 1) * scale);
  for (; i < n; i++) put(to + i, float((from[i] >> shift & 3) - 1) * scale);
}

template <class T> static void unpack(const PackedWeight& w, const Unpacked& part) {
  const size_t cols = size_t(w.cols), n = size_t(part.cols), quarter = size_t(w.rows) / 4;
  for (int r = 0; r < part.rows; r++) {
    const size_t row = size_t(part.row + r), first = row * cols + size_t(part.col);
    T* to = static_cast<T*>(part.to) + size_t(r) * part.ld;
    if (w.blockwise()) unpack_4bit(to, w, first, first + n, part.past_caches);
    else if (w.kind == TT_INT8) {
      const float scale = part.scaled ? static_cast<const float*>(w.scale)[row] / 127.0f : 1.0f;
      unpack_int8(to, reinterpret_cast<const int8_t*>(w.data) + first, n, scale, part.past_caches);
    } else {
      // A run of columns that share a scale at a time.
      const float* scales = static_cast<const float*>(w.scale) + row * w.row_scales();
      const size_t run = part.scaled && w.block ? w.block : cols, last = size_t(part.col) + n;
      for (size_t col = size_t(part.col); col < last;) {
        const size_t stop = (col / run + 1) * run < last ? (col / run + 1) * run : last;
        unpack_ternary(to + (col - size_t(part.col)), w.data + row % quarter * cols + col, stop - col, int(2 * (row / quarter)), part.scaled ? scales[col / run] : 1.0f);
        col = stop;
      }
    }
  }
  if (part.past_caches) stream_fence();
}

void unpack_weight(const PackedWeight& w, const Unpacked& part) { TT_BY_DTYPE(part.dtype, T, unpack<T>(w, part)); }

}  // namespace tt::TT_ISA
