// What linear layers of whole and of quantized weights share: the LoRA pair around a product, and column sums.
//
// Neither w + lora_b·lora_a nor any other out×in matrix is made. Forward: u = drop(x)·Aᵀ, then y = [x|u]·[w|s·B]ᵀ in one product.
// Backward: t = s·dy·B, dx = [dy|t]·[w;A], dA += tᵀ·drop(x), dB += s·dyᵀ·xa. With bf16 the factors, u, t and xa are rounded to bf16
// for the tensor cores.
#pragma once
#include "../gemm/gemm.h"

namespace tt {

struct LinearShape {
  int rows, in, out, rank;
  float scale;
  tt_dtype dtype;
  const uint32_t* rng;
  float p;
  bool dropout() const { return rank > 0 && p > 0; }
  float keep_scale() const { return dropout() ? dropout_keep_scale(p) : 1; }
  /// Rank with zeros up to what the tensor cores read at once.
  int padded_rank() const { return dtype == TT_BF16 ? (rank + 7) / 8 * 8 : rank; }
};

tt_status check_linear(const char* name, const LinearShape& l, const void* lora_a, const void* lora_b);

/// The second product of a Gemm: u (rows, rank) and l, padded.
struct LoraTerm {
  const void* u = nullptr;
  const void* l = nullptr;
  int rank = 0;
  void put(Gemm& g) const { g.u = u, g.l = l, g.rank = rank; }
};

/// xa = drop(x)·lora_aᵀ, and the term that the product with the weight is to add. `memory` holds the term.
tt_status lora_forward(const char* op, const Gpu& gpu, const LinearShape& l, float* xa, const void* x, const float* lora_a, const float* lora_b,
                       Scratch& memory, LoraTerm* term, cudaStream_t stream);

/// What the backward pass wants of the LoRA pair, and what for.
struct LoraBackward {
  float *dlora_a, *dlora_b;  // or null
  bool dx;                   // whether lora_dx() will be called
  const void *dy, *x;
  const float *xa, *lora_a, *lora_b;
};
/// dlora_a, dlora_b, and the term t·A of dx. `memory` holds the term.
tt_status lora_backward(const char* op, const Gpu& gpu, const LinearShape& l, const LoraBackward& b, Scratch& memory, LoraTerm* term, cudaStream_t stream);

/// dx (rows,in) = dy·w (+ dx) + the term, masked where there is dropout. w (out,in) of the dtype.
tt_status linear_dx(const char* op, const Gpu& gpu, const LinearShape& l, void* dx, const void* dy, const void* w, const LoraTerm& term, bool accumulate,
                    cudaStream_t stream);

/// out[j] += Σ over rows of x[:, j], in a fixed order; x (rows, cols).
tt_status add_column_sums(const char* op, const Gpu& gpu, float* out, const void* x, int rows, int cols, tt_dtype dtype, cudaStream_t stream);

}  // namespace tt
