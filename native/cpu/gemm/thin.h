// Products that are thin and deep: the gradients of LoRA factors, rank × n summed over all rows.
//
// Through the packed product they would cost as much as packing x does. Here every thread goes over its rows of x once
// and makes a partial sum; the partial sums are added in a fixed order.
#pragma once
#include "../runtime/internal.h"

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
  float* partial;  // (rank rounded up to 16) × (n rounded up to 32), written in the kernel's layout
  void* scratch;   // THIN_SCRATCH bytes for each row
};
constexpr int THIN_SCRATCH = 64;

/// Where a kernel puts element (i, j) of a partial sum: (j / 16)·block + i·row + j % 16.
struct ThinLayout { size_t block, row; };
inline int thin_ranks(int rank) { return (rank + 15) / 16 * 16; }
inline int thin_columns(int n) { return (n + 31) / 32 * 32; }

TT_KERNEL(void, thin_partial, const ThinPart& part)
namespace amx { void thin_partial(const ThinPart& part); }
struct ThinReduce {
  float* dw;  // (rank, n) or its transpose, += factor·Σ of the partial sums
  bool transposed;
  const float* partial;
  size_t stride;  // floats between partial sums
  int parts, rank, n;
  ThinLayout layout;
  float factor;
};
/// Columns [first, last), first a multiple of 16.
TT_KERNEL(void, thin_reduce, const ThinReduce& r, int first, int last)

}  // namespace tt
