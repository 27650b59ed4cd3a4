// A BLAS of somebody else for plain f32 products: opened by its name when it is wanted, never needed. On Apple silicon it is the only way
// to the matrix unit.
//
// Which products it gets depends on the options and on their form and size alone, never on a clock: the same run gives the same bits.
//
// A LoRA pair, which our kernels multiply along with the weight, becomes two thin products of our own behind it. They are bound by memory, and cost
// about a hundredth of the weight's product more than in it: a BLAS that is faster at all is faster in sum. (`bun run bench blas`)
#pragma once
#include "gemm.h"

namespace tt {

/// Whether this product goes to a BLAS: the options want it, nothing is fused into its main part, it is f32 and 32 bits count it. Does not
/// look at the pointers.
bool blas_takes(const Gemm& g);

/// The whole product, of one that blas_takes(): the main part by the BLAS, then the second one by our own kernels.
tt_status gemm_by_blas(const Gemm& g);

}  // namespace tt
