// Products of few rows with an nf4 or fp4 weight as it lies packed.
#pragma once
#include "quantize.h"

namespace tt {

/// sums[m·ld + i] = x[m]·w[first + i]
struct BlockwiseProduct {
  float* sums;
  size_t ld;
  const float* x;  // (rows, stride), each run of pairs that a vector of codes holds split: first its even columns, then its odd ones
  size_t stride;
  int rows;
  const PackedWeight* weight;
  int first, count;
};
TT_KERNEL(void, blockwise_products, const BlockwiseProduct& t)
/// One row of x as blockwise_products takes it.
TT_KERNEL(void, split_pairs, float* to, const float* from, size_t n)
/// Whether blockwise_products takes the weight: blocks do not go on in the next row.
TT_KERNEL(bool, multiplies_blocks, const PackedWeight& w)

}  // namespace tt
