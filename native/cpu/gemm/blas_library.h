// The BLAS that is open, and the options that say what it is for. blas.h decides which products it gets.
#pragma once
#include "../runtime/internal.h"

namespace tt {

// cblas.h, for integers of 32 bits.
enum CblasOrder { CBLAS_ROW_MAJOR = 101 };
enum CblasTranspose { CBLAS_PLAIN = 111, CBLAS_TRANSPOSED = 112 };
using CblasSgemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
                            float beta, float* c, int ldc);

/// What the option `gemm` says.
enum class GemmBy { AUTO, OWN, BLAS };
GemmBy gemm_by();
/// Whether `auto` may give products away: the system's BLAS has instructions that nobody else is given, and opens.
bool auto_has_blas();
/// Of the library that is open, which has as many threads as the pool now; NULL when there is none.
CblasSgemm open_sgemm();
/// One product more was given away.
void count_blas_product();

}  // namespace tt
