// The matrix product that every op of libtritune_cuda uses. Row-major throughout.
#pragma once
#include "../runtime/internal.h"
#include "../runtime/philox.h"

namespace tt {

/// c = alpha·(op(a)·op(b) + u·op(l)) + bias + beta·c, `batch` times.
struct Gemm {
  int m = 0, n = 0, k = 0;
  const void* a = nullptr;  // (m,k), or (k,m) when trans_a; `dtype`
  const void* b = nullptr;  // (k,n), or (n,k) when trans_b; `dtype`
  void* c = nullptr;        // (m,n) of c_dtype
  size_t lda = 0, ldb = 0, ldc = 0;  // elements from row to row as stored
  bool trans_a = false, trans_b = false;
  tt_dtype dtype = TT_F32, c_dtype = TT_F32;
  float alpha = 1, beta = 0;
  const void* bias = nullptr;  // (n) of dtype, or null
  // A second product of depth `rank`, the LoRA term: u (m,rank), l (rank,n), or (n,rank) when trans_b. Both of `dtype`, contiguous, not with trans_a.
  const void* u = nullptr;
  const void* l = nullptr;
  int rank = 0;
  int batch = 1;
  size_t stride_a = 0, stride_b = 0, stride_c = 0;  // elements; 0: the same matrix for every batch
  /// The result once more, rounded to `dtype`, or null; batch 1 only.
  void* copy = nullptr;
  size_t ld_copy = 0;
  /// Not 0: alpha·a·b is dropped (0) at row·n + column where the word of `rng` is below this; batch 1, no u·l, no bias.
  uint32_t drop_below = 0;
  Rng rng = {};
};

/// Queues the product. Takes cuBLASLt, the wgmma, the mma.sync or the plain kernels: what the options, the device, shapes and
/// alignment allow. The tensor cores want bases on 16 bytes, leading dimensions and strides that are multiples of 8, and a depth
/// (and rank) that is a multiple of 8 wherever an operand is contiguous along it; the same call gives the same bits.
tt_status gemm(const char* op, const Gpu& gpu, const Gemm& g, cudaStream_t stream);

/// A product of another engine: what gemm() asks before it takes its own kernels.
struct GemmEngine {
  const char* name;
  GemmChoice choice;
  /// Why neither this build nor this device can run it at all; null when it can.
  const char* (*unavailable)(const Gpu& gpu);
  /// Whether it takes this product; own kernels do those that it does not.
  bool (*supports)(const Gpu& gpu, const Gemm& g);
  tt_status (*run)(const char* op, const Gpu& gpu, const Gemm& g, cudaStream_t stream);
};

}  // namespace tt
