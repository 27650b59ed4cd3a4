// The LoRA pair around a linear layer's product: see linear.h.
#include "linear.h"

namespace tt {
namespace {

constexpr int THREADS = 256;

// ---- factors: f32 to the dtype, scaled, padded with zeros ----------------------------------------------------------------

struct FactorCopy {
  void* to;  // (padded_rows, padded_columns)
  const float* from;
  int rows, columns, padded_rows, padded_columns;
  float scale;
};
constexpr int MOST_COPIES = 3;
struct FactorCopies { FactorCopy at[MOST_COPIES]; };

/// One copy a row of blocks.
template <class T> __global__ void __launch_bounds__(THREADS) copy_factors_kernel(const __grid_constant__ FactorCopies copies) {
  const FactorCopy& c = copies.at[blockIdx.y];
  const size_t n = size_t(c.padded_rows) * c.padded_columns;
  for (size_t i = blockIdx.x * size_t(THREADS) + threadIdx.x; i < n; i += size_t(gridDim.x) * THREADS) {
    const int row = int(i / size_t(c.padded_columns)), column = int(i % size_t(c.padded_columns));
    const bool inside = row < c.rows && column < c.columns;
    static_cast<T*>(c.to)[i] = from_float<T>(inside ? c.scale * c.from[size_t(row) * c.columns + column] : 0.f);
  }
}

class FactorList {
 public:
  void add(const FactorCopy& copy) { list_.at[count_++] = copy; }
  void run(const Gpu& gpu, tt_dtype dtype, cudaStream_t stream) const {
    size_t most = 0;
    for (int i = 0; i < count_; i++) {
      const size_t n = size_t(list_.at[i].padded_rows) * list_.at[i].padded_columns;
      most = n > most ? n : most;
    }
    if (count_ == 0) return;
    const dim3 grid(grid_for(gpu, most, THREADS), unsigned(count_));
    if (dtype == TT_F32) {
      auto kernel = copy_factors_kernel<float>;
      TT_LAUNCH(kernel, grid, dim3(THREADS), 0, stream, list_);
    } else {
      auto kernel = copy_factors_kernel<bf16>;
      TT_LAUNCH(kernel, grid, dim3(THREADS), 0, stream, list_);
    }
  }

 private:
  FactorCopies list_ = {};
  int count_ = 0;
};

// ---- masked input ----------------------------------------------------------------------------------------------------------

/// y = x where the mask keeps the element, else 0; not scaled. Four elements a thread: one block of the generator. aligned: four
/// elements of x and y can be moved at once.
template <class T> __global__ void __launch_bounds__(THREADS) mask_kernel(T* y, const T* x, size_t n, Rng rng, uint32_t drop_below, bool aligned) {
  struct alignas(4 * sizeof(T)) Four { T at[4]; };
  const size_t runs = (n + 3) / 4;
  for (size_t run = blockIdx.x * size_t(THREADS) + threadIdx.x; run < runs; run += size_t(gridDim.x) * THREADS) {
    uint32_t words[4];
    philox_words(words, rng, run * 4);
    if (aligned && run * 4 + 4 <= n) {
      Four four = *reinterpret_cast<const Four*>(x + run * 4);
      TT_UNROLL
      for (int i = 0; i < 4; i++) four.at[i] = words[i] < drop_below ? T{} : four.at[i];
      *reinterpret_cast<Four*>(y + run * 4) = four;
      continue;
    }
    TT_UNROLL
    for (int i = 0; i < 4; i++)
      if (run * 4 + i < n) y[run * 4 + i] = words[i] < drop_below ? T{} : x[run * 4 + i];
  }
}

/// drop(x) / keep_scale into `masked`.
void mask_input(const Gpu& gpu, const LinearShape& l, void* masked, const void* x, cudaStream_t stream) {
  const size_t n = size_t(l.rows) * l.in;
  with_type(l.dtype, [&](auto zero) {
    using T = decltype(zero);
    auto kernel = mask_kernel<T>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, (n + 3) / 4, THREADS)), dim3(THREADS), 0, stream, static_cast<T*>(masked), static_cast<const T*>(x), n,
              rng_from(l.rng), dropout_threshold(l.p), aligned16(masked) && aligned16(x));
  });
}

// ---- one block of scratch in parts ------------------------------------------------------------------------------------------

/// Adds up what is needed, then deals it out, every part on 256 bytes.
class Parts {
 public:
  size_t want(bool wanted, size_t bytes) {
    const size_t at = total_;
    if (wanted) total_ += (bytes + 255) / 256 * 256;
    return at;
  }
  size_t total() const { return total_; }

 private:
  size_t total_ = 0;
};

}  // namespace

tt_status check_linear(const char* name, const LinearShape& l, const void* lora_a, const void* lora_b) {
  TT_REQUIRE(is_compute_dtype(l.dtype), "%s: dtype must be f32 or bf16, got %d", name, l.dtype);
  TT_REQUIRE(l.rows >= 0 && l.in > 0 && l.out > 0 && l.rank >= 0, "%s: bad size (rows %d, in %d, out %d, rank %d)", name, l.rows, l.in, l.out, l.rank);
  TT_REQUIRE_HOLD(name, size_t(l.rows), size_t(l.in));
  TT_REQUIRE_HOLD(name, size_t(l.rows), size_t(l.out));
  TT_REQUIRE_HOLD(name, size_t(l.in), size_t(l.out));
  TT_REQUIRE_HOLD(name, size_t(l.rank), size_t(l.rows));
  TT_REQUIRE_HOLD(name, size_t(l.rank), size_t(l.in));
  TT_REQUIRE_HOLD(name, size_t(l.rank), size_t(l.out));
  TT_REQUIRE(l.rank == 0 || (lora_a && lora_b), "%s: rank %d without lora_a or lora_b", name, l.rank);
  TT_REQUIRE(l.p >= 0 && l.p < 1, "%s: dropout_p must be in [0, 1), got %g", name, double(l.p));
  TT_REQUIRE(!l.dropout() || l.rng, "%s: dropout needs rng", name);
  return TT_OK;
}

tt_status lora_forward(const char* op, const Gpu& gpu, const LinearShape& l, float* xa, const void* x, const float* lora_a, const float* lora_b,
                       Scratch& memory, LoraTerm* term, cudaStream_t stream) {
  const bool half = l.dtype == TT_BF16;
  const int rank = l.padded_rank();
  const size_t bytes = dtype_bytes(l.dtype);
  Parts parts;
  const size_t b_at = parts.want(true, size_t(l.out) * rank * bytes), a_at = parts.want(half, size_t(l.rank) * l.in * bytes),
               u_at = parts.want(half, size_t(l.rows) * rank * bytes), masked_at = parts.want(l.dropout(), size_t(l.rows) * l.in * bytes);
  if (!memory.reserve(parts.total())) return no_memory(op, parts.total());
  char* base = memory.as<char>();

  FactorList factors;
  factors.add({base + b_at, lora_b, l.out, l.rank, l.out, rank, l.scale});
  if (half) factors.add({base + a_at, lora_a, l.rank, l.in, l.rank, l.in, 1});
  factors.run(gpu, l.dtype, stream);
  if (l.dropout()) mask_input(gpu, l, base + masked_at, x, stream);

  Gemm down;
  down.m = l.rows;
  down.n = l.rank;
  down.k = l.in;
  down.a = l.dropout() ? base + masked_at : x;
  down.b = half ? static_cast<const void*>(base + a_at) : lora_a;
  down.c = xa;
  down.lda = down.ldb = size_t(l.in);
  down.ldc = size_t(l.rank);
  down.trans_b = true;
  down.dtype = l.dtype;
  down.alpha = l.keep_scale();
  if (half && rank == l.rank) {
    down.copy = base + u_at;
    down.ld_copy = size_t(rank);
  }
  if (tt_status bad = gemm(op, gpu, down, stream)) return bad;
  if (half && rank != l.rank) {  // the padding has to be zeros
    FactorList padded;
    padded.add({base + u_at, xa, l.rows, l.rank, l.rows, rank, 1});
    padded.run(gpu, l.dtype, stream);
  }
  *term = {half ? static_cast<const void*>(base + u_at) : xa, base + b_at, rank};
  return TT_OK;
}

tt_status lora_backward(const char* op, const Gpu& gpu, const LinearShape& l, const LoraBackward& b, Scratch& memory, LoraTerm* term, cudaStream_t stream) {
  const bool half = l.dtype == TT_BF16, need_t = b.dx || b.dlora_a;
  const int rank = l.padded_rank();
  const size_t bytes = dtype_bytes(l.dtype);
  Parts parts;
  const size_t t_at = parts.want(need_t, size_t(l.rows) * rank * bytes), b_at = parts.want(half && need_t, size_t(l.out) * rank * bytes),
               a_at = parts.want(half && b.dx, size_t(rank) * l.in * bytes), xa_at = parts.want(half && b.dlora_b, size_t(l.rows) * rank * bytes),
               masked_at = parts.want(l.dropout() && b.dlora_a, size_t(l.rows) * l.in * bytes);
  if (parts.total() && !memory.reserve(parts.total())) return no_memory(op, parts.total());
  char* base = memory.as<char>();
  void* const t = base + t_at;

  FactorList factors;
  if (half && need_t) factors.add({base + b_at, b.lora_b, l.out, l.rank, l.out, rank, 1});
  if (half && b.dx) factors.add({base + a_at, b.lora_a, l.rank, l.in, rank, l.in, 1});
  if (half && b.dlora_b) factors.add({base + xa_at, b.xa, l.rows, l.rank, l.rows, rank, 1});
  factors.run(gpu, l.dtype, stream);

  if (need_t) {  // t = scale·keep_scale·dy·B
    Gemm g;
    g.m = l.rows;
    g.n = rank;
    g.k = l.out;
    g.a = b.dy;
    g.b = half ? static_cast<const void*>(base + b_at) : b.lora_b;
    g.c = t;
    g.lda = size_t(l.out);
    g.ldb = g.ldc = size_t(rank);
    g.dtype = g.c_dtype = l.dtype;
    g.alpha = l.scale * l.keep_scale();
    if (tt_status bad = gemm(op, gpu, g, stream)) return bad;
    *term = {t, half ? static_cast<const void*>(base + a_at) : b.lora_a, rank};
  }
  if (b.dlora_a) {  // += tᵀ·drop(x)
    if (l.dropout()) mask_input(gpu, l, base + masked_at, b.x, stream);
    Gemm g;
    g.m = l.rank;
    g.n = l.in;
    g.k = l.rows;
    g.a = t;
    g.b = l.dropout() ? base + masked_at : b.x;
    g.c = b.dlora_a;
    g.lda = size_t(rank);
    g.ldb = g.ldc = size_t(l.in);
    g.trans_a = true;
    g.dtype = l.dtype;
    g.beta = 1;
    if (tt_status bad = gemm(op, gpu, g, stream)) return bad;
  }
  if (b.dlora_b) {  // += scale·dyᵀ·xa
    Gemm g;
    g.m = l.out;
    g.n = l.rank;
    g.k = l.rows;
    g.a = b.dy;
    g.b = half ? static_cast<const void*>(base + xa_at) : b.xa;
    g.c = b.dlora_b;
    g.lda = size_t(l.out);
    g.ldb = size_t(half ? rank : l.rank);
    g.ldc = size_t(l.rank);
    g.trans_a = true;
    g.dtype = l.dtype;
    g.alpha = l.scale;
    g.beta = 1;
    if (tt_status bad = gemm(op, gpu, g, stream)) return bad;
  }
  return TT_OK;
}

tt_status linear_dx(const char* op, const Gpu& gpu, const LinearShape& l, void* dx, const void* dy, const void* w, const LoraTerm& term, bool accumulate,
                    cudaStream_t stream) {
  Gemm g;
  g.m = l.rows;
  g.n = l.in;
  g.k = l.out;
  g.a = dy;
  g.b = w;
  g.c = dx;
  g.lda = size_t(l.out);
  g.ldb = g.ldc = size_t(l.in);
  g.dtype = g.c_dtype = l.dtype;
  g.beta = accumulate ? 1 : 0;
  if (!l.dropout()) term.put(g);
  if (tt_status bad = gemm(op, gpu, g, stream)) return bad;
  if (!l.dropout()) return TT_OK;
  // The mask is for the LoRA part alone: a product of depth `rank` that is masked as it is added.
  g.a = term.u;
  g.b = term.l;
  g.k = term.rank;
  g.lda = size_t(term.rank);
  g.beta = 1;
  g.drop_below = dropout_threshold(l.p);
  g.rng = rng_from(l.rng);
  return gemm(op, gpu, g, stream);
}

}  // namespace tt
