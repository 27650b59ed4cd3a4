// Strided lines, transposed blocks and the scattered addition of rows.
#include "movement.h"
#include "../vectors/vectors.h"

namespace tt::TT_ISA {

template <class U> static void copy_elements(U* y, const U* x, size_t n, Line s) {
  if (s.y_step == 1 && s.x_step == 1) memmove(y, x, n * sizeof(U));
  else if (s.y_step == 1 && s.x_step == 0) for (size_t i = 0; i < n; i++) y[i] = *x;
  else if (s.y_step == 1) for (size_t i = 0; i < n; i++) y[i] = x[int64_t(i) * s.x_step];
  else for (size_t i = 0; i < n; i++) y[int64_t(i) * s.y_step] = x[int64_t(i) * s.x_step];
}

template <class T> static void add_elements(T* y, const T* x, size_t n, Line s) {
  if (s.y_step == 1 && s.x_step == 1) return map(y, y, x, n, [](vf a, vf b) { return a + b; });
  for (size_t i = 0; i < n; i++) put(y + int64_t(i) * s.y_step, get(y + int64_t(i) * s.y_step) + get(x + int64_t(i) * s.x_step));
}

void copy_line(void* y, const void* x, size_t n, Line steps, bool accumulate, tt_dtype dtype) {
  if (accumulate) {
    TT_BY_DTYPE(dtype, T, add_elements(static_cast<T*>(y), static_cast<const T*>(x), n, steps));
    return;
  }
  switch (dtype_bytes(dtype)) {
    case 4: return copy_elements(static_cast<uint32_t*>(y), static_cast<const uint32_t*>(x), n, steps);
    case 2: return copy_elements(static_cast<uint16_t*>(y), static_cast<const uint16_t*>(x), n, steps);
    default: return copy_elements(static_cast<uint8_t*>(y), static_cast<const uint8_t*>(x), n, steps);
  }
}

// Elements as 32-bit lanes, for the transpose in registers.
static inline vf lanes_of(const uint32_t* p) { return load_bits<vf>(p); }
static inline vf lanes_of(const uint16_t* p) { return vf(widen_bits(load_bits<vh>(p))); }
static inline vf lanes_of(const uint8_t* p) {
  typedef uint8_t vb __attribute__((vector_size(W)));
  return vf(__builtin_convertvector(load_bits<vb>(p), vu));
}
static inline void put_lanes(uint32_t* p, vf v) { store_bits(p, v); }
static inline void put_lanes(uint16_t* p, vf v) { store_bits(p, __builtin_convertvector(vu(v), vh)); }
static inline void put_lanes(uint8_t* p, vf v) {
  typedef uint8_t vb __attribute__((vector_size(W)));
  store_bits(p, __builtin_convertvector(vu(v), vb));
}

template <class U> static void transpose(U* y, const U* x, size_t rows, size_t cols, int64_t y_step, int64_t x_step) {
  for (size_t r = 0; r < rows; r += W) {
    for (size_t c = 0; c < cols; c += W) {
      U* to = y + int64_t(c) + int64_t(r) * y_step;
      const U* from = x + int64_t(r) + int64_t(c) * x_step;
      if (rows - r >= size_t(W) && cols - c >= size_t(W)) {
        vf square[W];
        for (int64_t j = 0; j < W; j++) square[j] = lanes_of(from + j * x_step);
        transpose_square(square);
        for (int64_t i = 0; i < W; i++) put_lanes(to + i * y_step, square[i]);
        continue;
      }
      size_t height = rows - r < size_t(W) ? rows - r : size_t(W), width = cols - c < size_t(W) ? cols - c : size_t(W);
      for (size_t i = 0; i < height; i++)
        for (size_t j = 0; j < width; j++) to[int64_t(j) + int64_t(i) * y_step] = from[int64_t(i) + int64_t(j) * x_step];
    }
  }
}

void transpose_block(void* y, const void* x, size_t rows, size_t cols, int64_t y_step, int64_t x_step, size_t element_bytes) {
  switch (element_bytes) {
    case 4: return transpose(static_cast<uint32_t*>(y), static_cast<const uint32_t*>(x), rows, cols, y_step, x_step);
    case 2: return transpose(static_cast<uint16_t*>(y), static_cast<const uint16_t*>(x), rows, cols, y_step, x_step);
    default: return transpose(static_cast<uint8_t*>(y), static_cast<const uint8_t*>(x), rows, cols, y_step, x_step);
  }
}

void scatter_columns(float* table, const void* dy, const int32_t* index, size_t rows, size_t cols, size_t stride, tt_dtype dtype) {
  TT_BY_DTYPE(dtype, T, {
    for (size_t i = 0; i < rows; i++) {
      float* to = table + size_t(index[i]) * stride;
      map(to, to, static_cast<const T*>(dy) + i * stride, cols, [](vf a, vf b) { return a + b; });
    }
  });
}

}  // namespace tt::TT_ISA
