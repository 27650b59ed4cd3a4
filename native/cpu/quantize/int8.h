// Products of rows of int8 with rows of an int8 weight, for few rows of x.
#pragma once
#include "quantize.h"

namespace tt {

/// sums[m·ld + i] = x[m]·w[i], whole numbers.
struct Int8Product {
  float* sums;
  size_t ld;
  const int8_t* x;  // (rows, stride), 0 from `in` to a multiple of 64
  size_t stride;
  int rows;
  const int32_t* x_sums;  // Σ x of each row
  const int8_t* w;        // (count, in)
  size_t in;
  int count;
};
TT_KERNEL_BYTES(void, int8_products, const Int8Product& t)

}  // namespace tt
