// Numbers to codes: 8-bit blocks of the dynamic maps, int8 rows, ternary weights. Those of 4 bits are in quantize_4bit.kernel.cpp.
//
// Codes are compared byte by byte with other devices and with bitsandbytes, so no product may be fused with a sum here.
// build-flags: -ffp-contract=off
#include "quantize.h"

#include "codes.h"

namespace tt::TT_ISA {

// ---- 8 bits -------------------------------------------------------------------------------------------------------

template <bool SIGNED> static void quantize_8bit(uint8_t* codes, float* absmax, const float* x, size_t n, size_t block, size_t first, size_t last) {
  for (size_t b = first; b < last; b++) {
    const size_t begin = b * block, count = n - begin < block ? n - begin : block;
    absmax[b] = largest(x + begin, count);
    const vf most = set1(absmax[b]);
    for (size_t i = 0; i < count; i += W) {
      const size_t lanes = count - i < W ? count - i : W;
      vf v = (lanes == W ? load(x + begin + i) : load_n(x + begin + i, lanes)) / most;
      store_codes(codes + begin + i, nearest<SIGNED>(v), lanes);
    }
  }
}

void quantize_8bit_blocks(uint8_t* codes, float* absmax, const float* x, size_t n, size_t block, size_t first, size_t last, bool is_signed) {
  if (is_signed) quantize_8bit<true>(codes, absmax, x, n, block, first, last);
  else quantize_8bit<false>(codes, absmax, x, n, block, first, last);
}

void dequantize_8bit_range(float* y, const uint8_t* codes, const float* absmax, size_t begin, size_t end, size_t block, bool is_signed) {
  const DynamicMap& map = is_signed ? SIGNED_MAP : UNSIGNED_MAP;
  for (size_t i = begin; i < end;) {
    const size_t b = i / block, next = (b + 1) * block, stop = next < end ? next : end;
    const float scale = absmax[b];
    for (; i < stop; i++) y[i] = map.value[codes[i]] * scale;
  }
}

// ---- rows of int8 -------------------------------------------------------------------------------------------------

static inline vf unskipped(vf x, const uint8_t* skip, size_t count) {
  if (!skip) return x;
  int32_t flags[W] = {};
  for (size_t j = 0; j < count; j++) flags[j] = skip[j];
  return load_bits<vi>(flags) != 0 ? vf{} : x;
}

template <class T, class F> static void each(const T* x, const uint8_t* skip, size_t n, F f) {
  for (size_t i = 0; i < n; i += W) {
    const size_t count = n - i < W ? n - i : W;
    vf v = count == W ? load(x + i) : load_n(x + i, count);
    f(i, count, unskipped(v, skip ? skip + i : nullptr, count));
  }
}

template <class T> static float row_codes(void* q, tt_dtype q_dtype, const T* x, const uint8_t* skip, size_t n) {
  vf most{}, second{};
  size_t whole = 0;
  if (!skip)
    for (; whole + 2 * W <= n; whole += 2 * W) {
      most = max_nan(abs_v(load(x + whole)), most);
      second = max_nan(abs_v(load(x + whole + W)), second);
    }
  most = max_nan(most, second);
  each(x + whole, skip, n - whole, [&](size_t, size_t, vf v) { most = max_nan(abs_v(v), most); });
  const float absmax = max_lanes(most);
  const vi usable = vi{} - int(absmax - absmax == 0);
  // Two roundings, as bitsandbytes' 127.0 / absmax has on tensors.
  const float scale = 127.0f * (1.0f / absmax);
  const vf factor = set1(scale);
  size_t done = 0;
  // Of finite numbers and a finite factor no product is NaN, and none rounds to more than 127.
  if (!skip && q_dtype == TT_I8 && absmax - absmax == 0 && scale - scale == 0)
    for (; done + W <= n; done += W) store_codes(static_cast<uint8_t*>(q) + done, to_int(round_even(load(x + done) * factor)));
  each(x + done, skip, n - done, [&](size_t rest, size_t count, vf v) {
    const size_t i = done + rest;
    vf code = round_even(v * factor);
    // 0·Inf: the factor is Inf in rows of zeros and of the smallest denormals.
    code = (usable & (code == code)) ? code : vf{};
    code = min_or_second(max_or_second(code, set1(-127)), set1(127));
    if (q_dtype == TT_I8) {
      store_codes(static_cast<uint8_t*>(q) + i, to_int(code), count);
    } else if (q_dtype == TT_BF16) {
      store_n(static_cast<bf16*>(q) + i, code, count);
    } else {
      store_n(static_cast<float*>(q) + i, code, count);
    }
  });
  return absmax;
}

float quantize_row(void* q, tt_dtype q_dtype, const void* x, const uint8_t* skip, size_t n, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, return row_codes(q, q_dtype, static_cast<const T*>(x), skip, n));
}

void mark_outliers(uint8_t* flags, const void* x, size_t rows, size_t stride, size_t cols, float threshold, tt_dtype dtype) {
  for (size_t i = 0; i < cols; i += W) {
    const size_t count = cols - i < W ? cols - i : W;
    vi over{};
    for (size_t row = 0; row < rows; row++)
      TT_BY_DTYPE(dtype, T, over |= abs_v(load_n(static_cast<const T*>(x) + row * stride + i, count)) >= threshold);
    store_codes(flags + i, over & 1, count);
  }
}

void take_columns(void* to, const void* from, const int32_t* index, size_t n, tt_dtype dtype) {
  for (size_t i = 0; i < n; i++) TT_BY_DTYPE(dtype, T, static_cast<T*>(to)[i] = static_cast<const T*>(from)[index[i]]);
}

void take_int8_columns(void* to, const int8_t* from, const int32_t* index, size_t n, float scale, tt_dtype dtype) {
  for (size_t i = 0; i < n; i++) TT_BY_DTYPE(dtype, T, put(static_cast<T*>(to) + i, float(from[index[i]]) * scale));
}

// ---- ternary ------------------------------------------------------------------------------------------------------

TT_INLINE vf magnitude(const float* x) { return abs_v(load(x)); }
/// Of bf16 four numbers are added first: f32 holds that sum to far more bits than they have.
TT_INLINE vf magnitude(const bf16* x) { return (abs_v(load(x)) + abs_v(load(x + W))) + (abs_v(load(x + 2 * W)) + abs_v(load(x + 3 * W))); }

// Doubles, so that the mean is right to its last bit whatever the order.
template <class T> static double magnitudes(const T* x, size_t n) {
  constexpr size_t STEP = sizeof(T) == sizeof(float) ? W : 4 * W;
  typedef float half __attribute__((vector_size(W * 2)));
  typedef double wide __attribute__((vector_size(W * 4)));
  wide sums[4] = {};
  const auto add = [&](int pair, vf v) {
    half parts[2];
    memcpy(parts, &v, sizeof v);
    sums[2 * pair] += __builtin_convertvector(parts[0], wide);
    sums[2 * pair + 1] += __builtin_convertvector(parts[1], wide);
  };
  size_t i = 0;
  for (; i + 2 * STEP <= n; i += 2 * STEP) {
    add(0, magnitude(x + i));
    add(1, magnitude(x + i + STEP));
  }
  for (; i < n; i += W) add(0, abs_v(load_n(x + i, n - i < W ? n - i : W)));
  const wide all = sums[0] + sums[1] + (sums[2] + sums[3]);
  double total = 0;
  for (int j = 0; j < W / 2; j++) total += all[j];
  return total;
}
double sum_magnitudes(const void* x, size_t n, tt_dtype dtype) { TT_BY_DTYPE(dtype, T, return magnitudes(static_cast<const T*>(x), n)); }

/// w/scale, rounded, is above 0.5 just when w is above scale/2, which is exact: the next float is further away than the rounding reaches.
template <class T> static void trits(uint8_t* packed, const T* const* w, const float* scale, size_t n) {
  vf above[4], below[4];
  for (int p = 0; p < 4; p++) {
    above[p] = set1(0.5f * scale[p]);
    below[p] = -above[p];
  }
  for (size_t i = 0; i < n; i += W) {
    const size_t count = n - i < W ? n - i : W;
    vu byte = vu{} + 0x55u;  // 1 is no weight
    TT_UNROLL for (int p = 0; p < 4; p++) {
      const vf v = count == W ? load(w[p] + i) : load_n(w[p] + i, count);
      const vu one = vu{} + (1u << (2 * p));
      byte = v > above[p] ? byte + one : byte;
      byte = v < below[p] ? byte - one : byte;
    }
    store_codes(packed + i, vi(byte), count);
  }
}
void pack_trits(uint8_t* packed, const void* const* w, const float* scale, size_t n, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    const T* from[4];
    for (int p = 0; p < 4; p++) from[p] = static_cast<const T*>(w[p]);
    trits(packed, from, scale, n);
  });
}

// ---- sums of codes ------------------------------------------------------------------------------------------------

void scale_sums(void* y, const float* sums, const float* column_scale, const void* bias, float row_scale, size_t n, tt_dtype y_dtype, tt_dtype bias_dtype) {
  for (size_t i = 0; i < n; i += W) {
    const size_t count = n - i < W ? n - i : W;
    vf v = load_n(sums + i, count) * row_scale;
    if (column_scale) v *= load_n(column_scale + i, count);
    if (bias) TT_BY_DTYPE(bias_dtype, T, v += load_n(static_cast<const T*>(bias) + i, count));
    TT_BY_DTYPE(y_dtype, T, store_n(static_cast<T*>(y) + i, v, count));
  }
}

}  // namespace tt::TT_ISA
