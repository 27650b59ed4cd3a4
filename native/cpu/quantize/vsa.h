// Kernels of vsa.cpp, one row of bit planes each: `words` words of +1, then `words` words of −1.
#pragma once
#include "../runtime/ranges.h"

namespace tt {

TT_KERNEL(void, vsa_pack_row, uint32_t* y, const int8_t* x, size_t dims)
TT_KERNEL(void, vsa_unpack_row, int8_t* y, const uint32_t* x, size_t dims)
/// how: TT_VSA_PRODUCT … of the ABI. y may be a.
TT_KERNEL(void, vsa_combine_row, uint32_t* y, const uint32_t* a, const uint32_t* b, size_t words, int how)
/// `count` ≤ 65535 rows of x.
TT_KERNEL(void, vsa_bundle_row, uint32_t* y, const uint32_t* x, size_t count, size_t words)
TT_KERNEL(void, vsa_bundle_weighted_row, uint32_t* y, const uint32_t* x, const float* weights, size_t count, size_t words)
/// 0 ≤ shift < dims
TT_KERNEL(void, vsa_permute_row, uint32_t* y, const uint32_t* x, size_t dims, size_t shift)

/// out[i·ld + j] of rows i of a and j of b; metric: TT_VSA_DOT … of the ABI.
struct VsaPairs {
  int32_t* out;
  size_t ld;
  const uint32_t *a, *b;
  size_t a_rows, b_rows, words;
  int metric;
};
TT_KERNEL_BYTES(void, vsa_pairs, const VsaPairs& pairs)

}  // namespace tt
