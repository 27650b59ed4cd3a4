// The part of cuBLASLt that gemm() calls, declared here because the library is opened at run time and its headers are not
// needed to build. Handles are opaque and made by the library's own *Create functions: their size differs between versions.
// Values: https://docs.nvidia.com/cuda/cublas/#using-the-cublaslt-api
#pragma once
#include "../runtime/device.h"

namespace tt::lt {

enum { R_32F = 0, R_16BF = 14 };       // cudaDataType
enum { COMPUTE_32F = 68 };             // cublasComputeType: f32 products are f32, not tf32
enum { OP_N = 0, OP_T = 1 };
enum { DESC_TRANSA = 3, DESC_TRANSB = 4, DESC_EPILOGUE = 7, DESC_BIAS_POINTER = 8, DESC_BIAS_DATA_TYPE = 26 };
enum { EPILOGUE_DEFAULT = 1, EPILOGUE_BIAS = 4 };
enum { LAYOUT_BATCH_COUNT = 5, LAYOUT_STRIDED_BATCH_OFFSET = 6 };
enum { PREFERENCE_MAX_WORKSPACE = 1, PREFERENCE_REDUCTION_MASK = 3, PREFERENCE_ALIGNMENT_A = 5, PREFERENCE_ALIGNMENT_B = 6, PREFERENCE_ALIGNMENT_C = 7, PREFERENCE_ALIGNMENT_D = 8 };
/// Sums of a split depth meet in the workspace, in f32: the same bits every time. (In place and in the output type are the others.)
enum { REDUCTION_COMPUTE_TYPE = 2 };

using Handle = struct Opaque*;
struct Algorithm { uint64_t data[8]; };
struct Heuristic {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Algorithm) == 64 && sizeof(Heuristic) == 96, "cublasLtMatmulHeuristicResult_t");

/// Status 0 is success; see status_name().
struct Functions {
  size_t (*version)();
  int (*create)(Handle*);
  int (*operation_create)(Handle*, int compute, int scale);
  int (*operation_set)(Handle, int attribute, const void* value, size_t bytes);
  int (*operation_destroy)(Handle);
  int (*layout_create)(Handle*, int type, uint64_t rows, uint64_t cols, int64_t ld);
  int (*layout_set)(Handle, int attribute, const void* value, size_t bytes);
  int (*layout_destroy)(Handle);
  int (*preference_create)(Handle*);
  int (*preference_set)(Handle, int attribute, const void* value, size_t bytes);
  int (*preference_destroy)(Handle);
  int (*heuristic)(Handle library, Handle operation, Handle a, Handle b, Handle c, Handle d, Handle preference, int wanted, Heuristic* out, int* found);
  int (*matmul)(Handle library, Handle operation, const void* alpha, const void* a, Handle layout_a, const void* b, Handle layout_b, const void* beta,
                const void* c, Handle layout_c, void* d, Handle layout_d, const Algorithm*, void* workspace, size_t workspace_bytes, cudaStream_t);
};

inline const char* status_name(int status) {
  switch (status) {
    default: return "unknown status";
    case 1: return "not initialized";
    case 3: return "allocation failed";
    case 7: return "invalid value";
    case 8: return "the GPU is not supported";
    case 13: return "execution failed";
    case 14: return "internal error";
    case 15: return "not supported";
  }
}

/// The functions, found and opened at the first call; null when there are none: see problem().
const Functions* open();
/// Why open() gives null.
const char* problem();

}  // namespace tt::lt
