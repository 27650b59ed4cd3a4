// tt_linear_cross_entropy: the last linear layer, softmax cross-entropy and both gradients, some rows at a time.
//
// The logits of a chunk of rows are made in scratch, of the activations' dtype, turned into their gradient in place and
// multiplied on, so that logits (rows, vocabulary) never exist as a whole. Nothing waits for the device: which rows are
// trained is known there only, so rows that are not trained are multiplied as zeros.
#include "../gemm/gemm.h"
#include "../norm/rows.h"

namespace tt {
namespace {

constexpr int MOST_THREADS = 512;
constexpr float LOG2E = 1.4426950408889634f;
constexpr size_t LOGITS_LIMIT = size_t(512) << 20;

/// Σ exp(z − top) over the elements a thread has seen.
struct Softmax {
  float top, total;
};

TT_GPU void include(Softmax& s, float top, float total) {
  const float best = fmaxf(s.top, top), origin = best == -INFINITY ? 0.f : best;
  // An empty side is left out, so that −inf − (−inf) is never asked for; a NaN total stays.
  const float a = s.total == 0 ? 0.f : s.total * exp2_fast((s.top - origin) * LOG2E), b = total == 0 ? 0.f : total * exp2_fast((top - origin) * LOG2E);
  s = {best, a + b};
}

/// One block a row of logits (stride `ld`, 16-byte aligned): its nll, and in place the gradient scale·d nll/d logits.
template <class T, bool CAPPED> __global__ void __launch_bounds__(MOST_THREADS)
cross_entropy_rows(float* nll, T* logits, const int32_t* targets, int vocab, int ld, float scale, float cap, bool gradient, Fault* fault) {
  constexpr int N = Pack<T>::size;
  __shared__ Softmax shared[MOST_THREADS / 32];
  T* row = logits + blockIdx.x * size_t(ld);
  const int target = targets[blockIdx.x], threads = int(blockDim.x);
  if (target < 0 || target >= vocab) {
    if (threadIdx.x == 0) {
      nll[blockIdx.x] = 0;
      if (target >= vocab) report_fault(fault, FAULT_TARGET, target, vocab);
    }
    if (!gradient) return;
    const float zeros[N] = {};
    for (int c = int(threadIdx.x) * N; c < ld; c += threads * N) write<N>(row + c, zeros);
    return;
  }
  const float inverse_cap = CAPPED ? 1 / cap : 0.f, raw = to_float(row[target]);
  const float ratio = CAPPED ? tanhf(raw * inverse_cap) : 0.f, z_target = CAPPED ? cap * ratio : raw;
  Softmax mine = {-INFINITY, 0};
  for (int c = int(threadIdx.x) * N; c < vocab; c += threads * N) {
    float z[N], top = mine.top;
    read<N>(z, row + c);
    TT_UNROLL
    for (int e = 0; e < N; e++) {
      if (CAPPED) z[e] = cap * tanhf(z[e] * inverse_cap);
      if (c + e >= vocab) z[e] = -INFINITY;  // the padding of the row
      top = fmaxf(top, z[e]);
    }
    const float origin = top == -INFINITY ? 0.f : top;
    float total = mine.total * exp2_fast((mine.top - origin) * LOG2E);
    TT_UNROLL
    for (int e = 0; e < N; e++) total += exp2_fast((z[e] - origin) * LOG2E);
    mine = {top, total};
  }
  TT_UNROLL
  for (int o = 16; o; o >>= 1) include(mine, __shfl_xor_sync(0xffffffffu, mine.top, o), __shfl_xor_sync(0xffffffffu, mine.total, o));
  if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = mine;
  __syncthreads();  // also: everyone has read the target's logit before anyone overwrites it
  Softmax all = shared[0];
  for (int w = 1; w < threads / 32; w++) include(all, shared[w].top, shared[w].total);
  if (threadIdx.x == 0) nll[blockIdx.x] = logf(all.total) + (all.top - z_target);
  if (!gradient) return;
  const float factor = scale / all.total;
  // The target's p − 1 in f32: rounding p first would lose what is left when p is close to 1.
  const float at_target = scale * (exp2_fast((z_target - all.top) * LOG2E) / all.total - 1) * (1 - ratio * ratio);
  for (int c = int(threadIdx.x) * N; c < ld; c += threads * N) {
    float g[N];
    read<N>(g, row + c);
    TT_UNROLL
    for (int e = 0; e < N; e++) {
      const float r = CAPPED ? tanhf(g[e] * inverse_cap) : 0.f, z = CAPPED ? cap * r : g[e];
      g[e] = c + e == target ? at_target : c + e < vocab ? exp2_fast((z - all.top) * LOG2E) * (1 - r * r) * factor : 0.f;
    }
    write<N>(row + c, g);
  }
}

/// loss = scale·Σ nll, in f64 and always in the same order.
__global__ void __launch_bounds__(MOST_THREADS) sum_losses(float* loss, const float* nll, int rows, float scale) {
  __shared__ double shared[MOST_THREADS / 32];
  double total = 0;
  for (int row = int(threadIdx.x); row < rows; row += MOST_THREADS) total += double(nll[row]);
  total = block_sum(total, shared, MOST_THREADS);
  if (threadIdx.x == 0) *loss = float(double(scale) * total);
}

// ---- host ---------------------------------------------------------------------------------------------------------------

struct CrossEntropy {
  void* dh;
  float* dw;
  const char *h, *w;
  const int32_t* targets;
  int cols, vocab;
  float scale, softcap;
  tt_dtype dtype;
  size_t ld() const { return (size_t(vocab) + 7) / 8 * 8; }  // rows of logits start at multiples of 16 bytes
  size_t row_bytes() const { return size_t(cols) * dtype_bytes(dtype); }
};

/// About as many rows as make the logits as large as h (Liger's rule), but enough that the products fill the device, and
/// no more than fit into LOGITS_LIMIT bytes. Then evened out.
int chunk_rows(const Gpu& gpu, const CrossEntropy& ce, int rows) {
  const size_t ratio = (size_t(ce.vocab) + size_t(ce.cols) - 1) / size_t(ce.cols), least = size_t(gpu.multiprocessors) * 8;
  size_t chunk = 1;
  while (chunk * ratio < size_t(rows)) chunk *= 2;
  if (chunk < least) chunk = least;
  const size_t most = LOGITS_LIMIT / (ce.ld() * dtype_bytes(ce.dtype));
  if (chunk > most) chunk = most < 128 ? 128 : most;
  if (chunk > size_t(rows)) return rows;
  const size_t chunks = (size_t(rows) + chunk - 1) / chunk, even = (size_t(rows) + chunks - 1) / chunks;
  const size_t aligned = (even + 7) / 8 * 8;
  return int(aligned < size_t(rows) ? aligned : size_t(rows));
}

template <class T> void launch_rows(const Gpu& gpu, const CrossEntropy& ce, float* nll, void* logits, int first, int rows, cudaStream_t stream) {
  const int packs = int(ce.ld()) / Pack<T>::size, wanted = (packs + 127) / 128 * 32;  // four packs a thread, if the row has them
  const unsigned threads = unsigned(wanted < MOST_THREADS ? wanted : MOST_THREADS);
  auto plain = cross_entropy_rows<T, false>;
  auto capped = cross_entropy_rows<T, true>;
  auto kernel = ce.softcap > 0 ? capped : plain;
  TT_LAUNCH(kernel, dim3(unsigned(rows)), dim3(threads), 0, stream, nll + first, static_cast<T*>(logits), ce.targets + first, ce.vocab, int(ce.ld()), ce.scale,
            ce.softcap, ce.dh || ce.dw, gpu.fault);
}

tt_status run_chunk(const char* op, const Gpu& gpu, const CrossEntropy& ce, float* nll, void* logits, int first, int rows, cudaStream_t stream) {
  const char* h = ce.h + size_t(first) * ce.row_bytes();
  Gemm product;  // logits = h·wᵀ
  product.m = rows;
  product.n = ce.vocab;
  product.k = ce.cols;
  product.a = h;
  product.b = ce.w;
  product.c = logits;
  product.lda = product.ldb = size_t(ce.cols);
  product.ldc = ce.ld();
  product.trans_b = true;
  product.dtype = product.c_dtype = ce.dtype;
  if (tt_status bad = gemm(op, gpu, product, stream)) return bad;
  with_type(ce.dtype, [&](auto type) { launch_rows<decltype(type)>(gpu, ce, nll, logits, first, rows, stream); });
  TT_CUDA(op, cudaGetLastError());
  if (ce.dh) {  // dh = dlogits·w
    Gemm g;
    g.m = rows;
    g.n = ce.cols;
    g.k = ce.vocab / 8 * 8;
    g.a = logits;
    g.b = ce.w;
    g.c = static_cast<char*>(ce.dh) + size_t(first) * ce.row_bytes();
    g.lda = ce.ld();
    g.ldb = g.ldc = size_t(ce.cols);
    g.dtype = g.c_dtype = ce.dtype;
    if (g.k)
      if (tt_status bad = gemm(op, gpu, g, stream)) return bad;
    if (g.k < ce.vocab) {  // the tensor cores want a depth that is a multiple of 8
      const size_t done = size_t(g.k) * dtype_bytes(ce.dtype);
      g.beta = g.k ? 1.f : 0.f;
      g.k = ce.vocab - g.k;
      g.a = static_cast<const char*>(logits) + done;
      g.b = ce.w + done * size_t(ce.cols);
      if (tt_status bad = gemm(op, gpu, g, stream)) return bad;
    }
  }
  if (!ce.dw) return TT_OK;
  Gemm g;  // dw += dlogitsᵀ·h
  g.m = ce.vocab;
  g.n = ce.cols;
  g.k = rows;
  g.a = logits;
  g.b = h;
  g.c = ce.dw;
  g.lda = ce.ld();
  g.ldb = g.ldc = size_t(ce.cols);
  g.trans_a = true;
  g.dtype = ce.dtype;
  g.c_dtype = TT_F32;
  g.beta = 1;
  return gemm(op, gpu, g, stream);
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_linear_cross_entropy(float* loss, float* nll, void* dh, float* dw, const void* h, const void* w, const int32_t* targets, int32_t rows,
                                             int32_t cols, int32_t vocab, float scale, float softcap, tt_dtype dtype, tt_stream to) {
  static const char* const op = "tt_linear_cross_entropy";
  TT_REQUIRE(is_compute_dtype(dtype), "%s: dtype must be f32 or bf16, got %d", op, dtype);
  TT_REQUIRE(rows >= 0 && cols > 0 && vocab > 0, "%s: bad size (rows %d, cols %d, vocab %d)", op, rows, cols, vocab);
  TT_REQUIRE_HOLD(op, size_t(rows), size_t(cols));
  TT_REQUIRE_HOLD(op, size_t(vocab), size_t(cols));
  TT_REQUIRE(softcap >= 0, "%s: softcap must be 0 or positive, got %g", op, double(softcap));
  TT_REQUIRE(loss && (rows == 0 || (h && w && targets)), "%s: NULL pointer", op);
  TT_READY(op);
  cudaStream_t stream = stream_of(gpu, to);
  const CrossEntropy ce = {dh, dw, static_cast<const char*>(h), static_cast<const char*>(w), targets, cols, vocab, scale, softcap, dtype};
  const int chunk = rows ? chunk_rows(gpu, ce, rows) : 0;
  const size_t logits_bytes = size_t(chunk) * ce.ld() * dtype_bytes(dtype), nll_bytes = nll ? 0 : size_t(rows) * sizeof(float);
  Scratch logits(stream), losses(stream);
  if (!logits.reserve(logits_bytes)) return no_memory(op, logits_bytes);
  if (nll_bytes) {
    if (!losses.reserve(nll_bytes)) return no_memory(op, nll_bytes);
    nll = losses.as<float>();
  }
  for (int first = 0; first < rows; first += chunk) {
    const int count = rows - first < chunk ? rows - first : chunk;
    if (tt_status bad = run_chunk(op, gpu, ce, nll, logits.as<void>(), first, count, stream)) return bad;
  }
  TT_LAUNCH(sum_losses, dim3(1), dim3(MOST_THREADS), 0, stream, loss, static_cast<const float*>(nll), rows, scale);
  return launched(op, stream);
}
