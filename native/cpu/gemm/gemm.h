// Matrix products for the rest of the library: c = alpha·(op(a)·op(b) + op(a2)·op(b2)) + beta·c + bias.
//
// f32 accumulation always. The operands are packed into panels, tile by tile for a and once per call for b; packing
// transposes, widens or narrows, so every mix of layouts and of f32 and bf16 operands costs the same. The second
// product is for LoRA: its depth k2 is small and it rides along in the same pass.
#pragma once
#include "../runtime/internal.h"
#include "dropout_mask.h"

namespace tt {

/// A matrix of `lanes` × k, where lanes are the rows of op(a) or the columns of op(b).
struct Operand {
  const void* data = nullptr;
  tt_dtype dtype = TT_F32;
  /// false: element (lane, p) is data[lane·ld + p]; true: data[p·ld + lane].
  bool k_major = false;
  size_t ld = 0;
  /// Multiplies the elements while packing (before they are rounded to bf16).
  float scale = 1;
  /// Not on AMX, and only of operands that are not k_major: element (lane, p) is also multiplied by
  /// lane_scales[lane·lane_scales_ld + (p + first) / GEMM_PIECE]; NULL = by nothing. `first` is a multiple of 32.
  const float* lane_scales = nullptr;
  size_t lane_scales_ld = 0;
  int first = 0;
};

/// Columns of a piece that a GemmTaker gets; they start at multiples of it.
constexpr int GEMM_PIECE = 256;
/// A finished part of a product, in the cache of the thread that made it.
struct GemmPiece { float* values; size_t ld; int row, rows, column, columns; };
/// Takes the pieces of a product instead of c.
struct GemmTaker {
  void (*take)(const void* context, const GemmPiece& piece);
  const void* context;
};

struct Gemm {
  int m = 0, n = 0, k = 0, k2 = 0;
  Operand a, b, a2, b2;
  void* c = nullptr;
  tt_dtype c_dtype = TT_F32;
  size_t ldc = 0;
  float alpha = 1, beta = 0;
  /// (n), added to every row; NULL = none.
  const void* bias = nullptr;
  tt_dtype bias_dtype = TT_F32;
  /// Not NULL: op(a2) is first made here, (m,k2) f32 = down_scale·op(a)·op(down), from the packed a while it is in the
  /// cache; a2 is then ignored. `down` has k2 lanes of depth k.
  float* a2_out = nullptr;
  Operand down;
  float down_scale = 1;
  /// Not on AMX. Not NULL: op(a2) is made of the elements of op(a) (m,k) that the mask keeps; needs a2_out and an `a` that
  /// is neither k_major nor scaled.
  const DropoutMask* mask_a = nullptr;
  /// Not on AMX. Not NULL: the second product counts only where the mask keeps the element of c (m,n), all of whose
  /// columns are here: ldc = n. beta is 0 or 1.
  const DropoutMask* mask_c = nullptr;
  /// Not NULL: nothing is written to c, every piece of the product as f32 is handed over once, by any thread.
  const GemmTaker* taker = nullptr;
};

/// All threads work on the product, or a BLAS does (blas.h). Sizes of 0 are allowed (k = 0 gives beta·c + bias).
/// On AMX, and where pairs of bf16 are multiplied faster than floats, the product runs in bf16 when a or b is bf16, else in f32.
tt_status gemm(const Gemm& g);
/// Whether products with an operand of this dtype run on AMX.
bool gemm_on_amx(tt_dtype dtype);
/// Whether they run on dot products of pairs of bf16.
bool gemm_in_pairs(tt_dtype dtype);
/// Rows are computed in multiples of this.
int gemm_row_step(tt_dtype dtype);

/// One thread of the pool does it all (for many small products, called inside `parallel`).
tt_status gemm_on_thread(const Gemm& g, int thread);

// Scratch slots of the matrix products, linear layers and cross-entropy; the other kernels use the lower ones.
enum ThreadSlot { SLOT_PACKED_A = 7, SLOT_TILE = 6, SLOT_PACKED_B_OWN = 5, SLOT_GEMM_SPARE = 4, SLOT_DOWN_OWN = 3 };
enum SharedSlot { SLOT_PACKED_B = 7, SLOT_BIAS = 6, SLOT_LINEAR = 5, SLOT_LINEAR_2 = 4, SLOT_LOGITS = 3, SLOT_ROWS = 2, SLOT_DOWN = 1 };

// ---- between the driver (gemm.cpp) and the kernels ------------------------------------------------------------------

/// Sizes of a kernel and its functions. Packed: panels of mr (nr) lanes, each over the whole padded depth.
struct GemmKernel {
  int mr, nr;
  int k_align;          // depth of each product is padded with zeros to a multiple of this
  int k_slice;          // depth after which the micro-kernel goes to the next panel: what fits L1
  int m_block, n_block; // largest tile, multiples of mr and nr
  size_t element;       // bytes of a packed element
  /// Packs lanes [lane, lane + lanes) and all of the depth [0, k), padded, into panels `panel_bytes` apart.
  void (*pack_a)(void* panels, size_t panel_bytes, const Operand& x, int lane, int lanes, int k);
  void (*pack_b)(void* panels, size_t panel_bytes, const Operand& x, int lane, int lanes, int k);
  void (*tile)(const struct GemmTile& t);
};

struct GemmTile {
  const void* a;  // panels of the tile's rows
  const void* b;  // panels of the tile's columns
  int m, n;       // valid rows and columns
  int depth;      // padded depth to multiply over
  int a_depth, b_depth;  // padded depth of the panels as they lie in memory, ≥ depth
  void* c;
  tt_dtype c_dtype;
  size_t ldc;
  float alpha, beta;
  const float* bias;  // of the tile's first column, or NULL
  float* scratch;     // m_block × n_block f32
  bool stream;        // c is large: it may be written past the caches
};

TT_KERNEL(const GemmKernel*, gemm_kernel_f32, void)
namespace amx { const GemmKernel* gemm_kernel_bf16(); }
namespace avx512_bf16 { const GemmKernel* gemm_kernel_pairs(); }
namespace neon_bf16 { const GemmKernel* gemm_kernel_pairs(); }
/// The kernel of a product of operands of these dtypes.
const GemmKernel* gemm_kernel(tt_dtype a, tt_dtype b);

/// y (m,n) = alpha·x·wᵀ… for few rows: reads the weights once, at the speed of memory. x is f32.
struct SmallGemm {
  int m, n, k, k2;
  const float* x;   // (m, ldx): k values, then k2 values of the second product
  size_t ldx;
  Operand w, w2;    // not k_major
  void* c;
  tt_dtype c_dtype;
  size_t ldc;
  float alpha, beta;
  const float* bias;
};
/// Columns [first, last).
TT_KERNEL(void, gemm_small_rows, const SmallGemm& g, int first, int last)
/// dst[i] = scale·src[i] as f32.
TT_KERNEL(void, widen_row, float* dst, const void* src, tt_dtype dtype, int n, float scale)

}  // namespace tt
