// Kernels of vsa.cpp, one row of bit planes each: `words` words of +1, then `words` words of −1.
#pragma once
#include "../runtime/ranges.h"

namespace tt {

TT_KERNEL(void, vsa_pack_row, uint32_t* y, const int8_t* x, size_t dims)
TT_KERNEL(void, vsa_unpack_row, int8_t* y, const uint32_t* x, size_t dims)
TT_KERNEL(void, vsa_bind_row, uint32_t* y, const uint32_t* a, const uint32_t* b, size_t words)
TT_KERNEL(void, vsa_bundle_row, uint32_t* y, const uint32_t* x, size_t count, size_t words)
TT_KERNEL(int32_t, vsa_dot, const uint32_t* a, const uint32_t* b, size_t words)
/// 0 ≤ shift < dims
TT_KERNEL(void, vsa_permute_row, uint32_t* y, const uint32_t* x, size_t dims, size_t shift)

}  // namespace tt
