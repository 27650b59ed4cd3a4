// A BLAS of somebody else for plain f32 products: opened by its name when it is wanted, never needed. On Apple silicon it is the only way
// to the matrix unit.
//
// Which products it gets depends on the options and on their form and size alone, never on a clock: the same run gives the same bits.
#pragma once
#include "gemm.h"

namespace tt {

/// Whether this product goes to a BLAS: the options want it, nothing is fused into its main part, it is f32 and 32 bits count it. Does not
/// look at the pointers.
bool blas_takes(const Gemm& g);

/// The whole product, of one that blas_takes(): the main part by the BLAS; a second product by our own kernels, added to it.
tt_status gemm_by_blas(const Gemm& g);

}  // namespace tt
