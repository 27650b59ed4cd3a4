// The tensor-core product for results with at most 64 columns (or, operands exchanged, rows): LoRA's x·Aᵀ and the gradients of its
// factors, a few rows of tokens. Bound by the memory that the wide operand is read from.
#include "gemm_mma.h"

namespace tt {

tt_status gemm_thin(const char* op, const Gpu&, const GemmTask& task, cudaStream_t stream) {
  if (task.g.n <= 16) return launch_mma<MmaTile<THIN_ROWS, 16, MMA_DEPTH_64, 4, 32, 16, 4>>(op, task, stream);
  if (task.g.n <= 32) return launch_mma<MmaTile<THIN_ROWS, 32, MMA_DEPTH_64, 4, 32, 32, 3>>(op, task, stream);
  return launch_mma<MmaTile<THIN_ROWS, THIN_MOST_COLUMNS, MMA_DEPTH_64, 3, 32, 64, 2>>(op, task, stream);
}

}  // namespace tt
