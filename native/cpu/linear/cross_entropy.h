// Kernel of cross_entropy.cpp.
#pragma once
#include "../gemm/gemm.h"

namespace tt {

struct CrossEntropyRow {
  float* logits;       // (vocab), overwritten
  int vocab, target;
  float scale, softcap;
  bool gradient;       // then the row becomes scale·d nll/d logits, as dtype (bf16 in the first half of the row's memory)
  tt_dtype dtype;
};
/// The nll of the row.
TT_KERNEL(float, cross_entropy_row, const CrossEntropyRow& row)
/// dst (f32 or bf16) = src
TT_KERNEL(void, narrow_row, void* dst, const float* src, int n, tt_dtype dtype)

}  // namespace tt
