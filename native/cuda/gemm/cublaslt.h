// cuBLASLt as an engine of gemm(). NVIDIA's library is half a gigabyte and not bundled: it is used where it is installed.
#pragma once
#include "gemm.h"

namespace tt {

/// Why it cannot be used, or null. Looks for the library at the first call.
const char* cublaslt_unavailable(const Gpu& gpu);
bool cublaslt_supports(const Gpu& gpu, const Gemm& g);
tt_status gemm_cublaslt(const char* op, const Gpu& gpu, const Gemm& g, cudaStream_t stream);
/// JSON: {"path" (or null), "version" (130101 = 13.1.1; or null), "problem" (or null)}.
const char* cublaslt_report();

}  // namespace tt
