// Products that are thin and deep: the gradients of LoRA factors, rank × n summed over all rows.
//
// Through the packed product they would cost as much as packing x does. Here every thread goes over its rows of x once
// and makes a partial sum; the partial sums are added in a fixed order.
#pragma once
#include "../runtime/internal.h"
#include "dropout_mask.h"

namespace tt {

/// dw += factor·tᵀ·x, with t (rows, rank) f32 and x (rows, n) of dtype; dw is (rank, n), or (n, rank) when `transposed`.
/// In bf16 on AMX when x is bf16. Ranks up to thin_limit(). mask, not on AMX: NULL, or which elements of x count.
tt_status add_thin_gradient(float* dw, bool transposed, const float* t, int rank, const void* x, tt_dtype dtype, int n, int rows, float factor,
                            const DropoutMask* mask = nullptr);
int thin_limit(tt_dtype dtype);

// ---- kernels ----------------------------------------------------------------------------------------------------------

struct ThinPart {
  const float* t;  // first row
  int rank;
  const void* x;   // first row
  tt_dtype dtype;
  int n, rows;
  float* partial;  // (rank rounded up to 16) × (n rounded up to 32), written in the kernel's layout
  void* scratch;   // THIN_SCRATCH bytes for each row; with a mask thin_masked_rows(n) rows of x
  const DropoutMask* mask;
  size_t first;    // index in the mask of the first element of x
};
constexpr int THIN_SCRATCH = 64;
/// As many masked rows of n elements as stay in L2 beside the sums.
inline int thin_masked_rows(int n) { return n <= 1024 ? 64 : n <= 8192 ? 65536 / n : 8; }

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
