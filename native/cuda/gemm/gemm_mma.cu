// The tensor-core product for results that are large both ways.
#include "gemm_mma.h"

namespace tt {

tt_status gemm_mma(const char* op, const Gpu&, const GemmTask& task, GemmTile tile, cudaStream_t stream) {
  switch (tile) {
    case TILE_256: return launch_mma<MmaTile<128, 256, MMA_DEPTH_256, 3, 64, 64, 1>>(op, task, stream);  // 144 KB: sm_80, 90, 100
    case TILE_128: return launch_mma<MmaTile<128, 128, MMA_DEPTH_128, 3, 64, 64, 2>>(op, task, stream);  // 48 KB: two blocks at a time
    default: return launch_mma<MmaTile<64, 64, MMA_DEPTH_64, 3, 32, 32, 4>>(op, task, stream);           // 48 KB: small results
  }
}

}  // namespace tt
