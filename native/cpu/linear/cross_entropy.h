// Kernels of cross_entropy.cpp.
#pragma once
#include "../gemm/gemm.h"

namespace tt {

/// What is known of a piece of a row: its exponentials are relative to `shift`, and `sum` is their sum.
struct PieceSum { float shift, sum; };

/// Where the rows of a chunk leave what their pieces of logits give.
struct Exponentials {
  void* data;            // (rows, vocab) exp(z − shift), times the slope of the softcap, 0 at the target; or NULL
  tt_dtype dtype;
  int vocab;
  PieceSum* sums;        // (rows, pieces)
  int pieces;
  float* target_logit;   // (rows), after the softcap
  const int32_t* list;   // (rows) numbers of the rows
  const int32_t* targets;
  float softcap;
};
/// Softcap and exponentials of a piece of logits, which are changed.
TT_KERNEL(void, cross_entropy_piece, const Exponentials& to, const GemmPiece& piece)

struct RowResult { float nll, target_gradient; };
/// A row whose pieces are all there: its nll, scale·d nll/d logit of the target, and what its exponentials have to be
/// multiplied by, piece by piece, to be scale·d nll/d logits elsewhere.
TT_KERNEL(RowResult, cross_entropy_row, float* factors, const Exponentials& of, int row, float scale)
/// Row `row` of the f32 exponentials becomes the gradient, as dtype (bf16 in the first half of the row's memory).
TT_KERNEL(void, cross_entropy_gradient, const Exponentials& of, int row, const float* factors, float target_gradient, tt_dtype dtype)

/// dst (f32 or bf16) = src + factor·w; w of dtype, NULL = 0.
TT_KERNEL(void, narrow_row, void* dst, const float* src, const void* w, float factor, int n, tt_dtype dtype)

}  // namespace tt
