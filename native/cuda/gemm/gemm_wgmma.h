// The Hopper product as an engine of gemm(); see gemm_wgmma.cu.
#pragma once
#include "gemm.h"

namespace tt {

/// Why this device cannot run it, or null.
const char* wgmma_unavailable(const Gpu& gpu);
bool wgmma_supports(const Gpu& gpu, const Gemm& g);
tt_status gemm_wgmma(const char* op, const Gpu& gpu, const Gemm& g, cudaStream_t stream);

}  // namespace tt
