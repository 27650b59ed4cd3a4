// Softmax over the rows of a matrix, and its gradient.
#include "norm.h"
#include "../vectors/vector-math.h"

namespace tt::TT_ISA {

template <class T> static void forward(T* y, const T* x, size_t cols) {
  const size_t whole = cols - cols % W, rest = cols - whole;
  vf top = set1(-INFINITY);
  for (size_t i = 0; i < whole; i += W) top = max_nan(load(x + i), top);
  if (rest) top = max_nan(load_n(x + whole, rest, -INFINITY), top);
  const float highest = max_lanes(top);
  vf total{};
  if constexpr (sizeof(T) == 4) {
    for (size_t i = 0; i < whole; i += W) {
      vf e = exp_v(load(x + i) - highest);
      store(y + i, e);
      total += e;
    }
    if (rest) {
      vf e = exp_v(load_n(x + whole, rest, -INFINITY) - highest);
      store_n(y + whole, e, rest);
      total += e;
    }
    const float scale = 1.0f / sum_lanes(total);
    map(y, y, cols, [=](vf v) { return v * scale; });
  } else {
    // The exponential is computed again rather than kept: reading it back from bf16 would round twice.
    for (size_t i = 0; i < whole; i += W) total += exp_v(load(x + i) - highest);
    if (rest) total += exp_v(load_n(x + whole, rest, -INFINITY) - highest);
    const float scale = 1.0f / sum_lanes(total);
    map(y, x, cols, [=](vf v) { return exp_v(v - highest) * scale; });
  }
}

template <class T> static void backward(T* dx, const T* dy, const T* y, size_t cols) {
  const size_t whole = cols - cols % W, rest = cols - whole;
  vf total{};
  for (size_t i = 0; i < whole; i += W) total += load(dy + i) * load(y + i);
  if (rest) total += load_n(dy + whole, rest) * load_n(y + whole, rest);
  const float dot = sum_lanes(total);
  map(dx, dy, y, cols, [=](vf d, vf p) { return p * (d - dot); });
}

void softmax_forward_rows(void* y, const void* x, size_t rows, size_t cols, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    for (size_t row = 0; row < rows; row++) forward(static_cast<T*>(y) + row * cols, static_cast<const T*>(x) + row * cols, cols);
  });
}

void softmax_backward_rows(void* dx, const void* dy, const void* y, size_t rows, size_t cols, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    for (size_t row = 0; row < rows; row++)
      backward(static_cast<T*>(dx) + row * cols, static_cast<const T*>(dy) + row * cols, static_cast<const T*>(y) + row * cols, cols);
  });
}

}  // namespace tt::TT_ISA
