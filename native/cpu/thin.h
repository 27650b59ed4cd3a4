// Products that are thin and deep: the gradients of LoRA factors, rank × n summed over all rows.
//
// Through the packed product they would cost as much as packing x does. Here every thread goes over its rows of x once
// and makes a partial sum; the partial sums are added in a fixed order.
#pragma once
#include "internal.h"

namespace tt {

/// dw += factor·tᵀ·x, with t (rows, rank) f32 and x (rows, n) of dtype; dw is (rank, n), or (n, rank) when `transposed`.
/// In bf16 on AMX when x is bf16. Ranks up to thin_limit().
tt_status add_thin_gradient(float* dw, bool transposed, const float* t, int rank, const void* x, tt_dtype dtype, int n, int rows, float factor);
int thin_limit(tt_dtype dtype);

// ---- kernels ----------------------------------------------------------------------------------------------------------

struct ThinPart {
  const float* t;  // first row
  int rank;
  const void* x;   // first row
  tt_dtype dtype;
  int n, rows;
  float* partial;  // (rank rounded up to 16, ld), written
  int ld;          // n rounded up to 32
  void* scratch;   // THIN_SCRATCH bytes for each row
};
constexpr int THIN_SCRATCH = 64;

TT_KERNEL(void, thin_partial, const ThinPart& part)
namespace amx { void thin_partial(const ThinPart& part); }
/// dw (rank, n) or its transpose += factor·Σ of `parts` partial sums that lie `stride` floats apart; columns [first, last).
TT_KERNEL(void, thin_reduce, float* dw, bool transposed, const float* partial, size_t stride, int parts, int rank, int n, int ld, int first, int last, float factor)

}  // namespace tt
