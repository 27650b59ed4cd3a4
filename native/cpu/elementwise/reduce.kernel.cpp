// Sums, maxima, sums of squares, and the search for NaN and Inf.
#include "reduce.h"
#include "../vectors/vectors.h"

namespace tt::TT_ISA {

typedef double vd __attribute__((vector_size(W * 8)));  // as many doubles as a vector has floats

template <class T> static double sum_squares(const T* x, size_t n) {
  vd a{}, b{};
  size_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    vd p = __builtin_convertvector(load(x + i), vd), q = __builtin_convertvector(load(x + i + W), vd);
    a += p * p;
    b += q * q;
  }
  a += b;
  double total = 0;
  for (int lane = 0; lane < W; lane++) total += a[lane];
  for (; i < n; i++) total += double(get(x + i)) * double(get(x + i));
  return total;
}

double sum_squares_block(const void* x, size_t n, tt_dtype dtype) {
  return dtype == TT_BF16 ? sum_squares(static_cast<const bf16*>(x), n) : sum_squares(static_cast<const float*>(x), n);
}

// In integers: NaN and Inf are the numbers whose exponent bits are all set, whatever the compiler assumes about floats.
static bool nonfinite(float x) { return (__builtin_bit_cast(uint32_t, x) & 0x7f800000u) == 0x7f800000u; }
static bool nonfinite(bf16 x) { return (x.bits & 0x7f80u) == 0x7f80u; }

template <class T> static size_t find_nonfinite(const T* x, size_t n) {
  constexpr size_t STEP = 256;
  size_t i = 0;
  for (; i + STEP <= n; i += STEP) {
    int found = 0;
    for (size_t j = 0; j < STEP; j++) found |= nonfinite(x[i + j]);
    if (found) break;
  }
  for (; i < n; i++)
    if (nonfinite(x[i])) return i;
  return n;
}

size_t find_nonfinite_block(const void* x, size_t n, tt_dtype dtype) {
  return dtype == TT_BF16 ? find_nonfinite(static_cast<const bf16*>(x), n) : find_nonfinite(static_cast<const float*>(x), n);
}

template <class T> static float contiguous(const T* x, size_t n, int op) {
  const bool largest = op == TT_AMAX;
  vf a = set1(largest ? -__builtin_inff() : 0), b = a;
  const vf rest = a;
  size_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    vf p = load(x + i), q = load(x + i + W);
    a = largest ? max_nan(p, a) : a + p;
    b = largest ? max_nan(q, b) : b + q;
  }
  for (; i < n; i += W) {
    vf p = n - i < size_t(W) ? load_n(x + i, n - i, rest[0]) : load(x + i);
    a = largest ? max_nan(p, a) : a + p;
  }
  return largest ? max_lanes(max_nan(a, b)) : sum_lanes(a + b);
}

float reduce_contiguous(const void* x, size_t n, int op, tt_dtype dtype) {
  return dtype == TT_BF16 ? contiguous(static_cast<const bf16*>(x), n, op) : contiguous(static_cast<const float*>(x), n, op);
}

template <class T> static void columns(float* out, const T* x, size_t n, size_t stride, size_t width, int op) {
  for (size_t j = 0; j < width; j++) out[j] = op == TT_AMAX ? -__builtin_inff() : 0;
  for (size_t i = 0; i < n; i++) {
    if (op == TT_AMAX) map(out, out, x + i * stride, width, [](vf a, vf b) { return max_nan(b, a); });
    else map(out, out, x + i * stride, width, [](vf a, vf b) { return a + b; });
  }
}

void reduce_columns(float* out, const void* x, size_t n, size_t stride, size_t width, int op, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, columns(out, static_cast<const T*>(x), n, stride, width, op));
}

}  // namespace tt::TT_ISA
