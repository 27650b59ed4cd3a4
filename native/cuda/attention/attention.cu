// Entry points of attention: argument checks and the choice of kernels. The offsets are on the device: what they hold is checked there.
#include "attention.h"

#include <math.h>

namespace tt {
namespace {

tt_status check(const char* name, const Attention& a, int window, tt_dtype dtype) {
  TT_REQUIRE(is_compute_dtype(dtype), "%s: dtype must be f32 (0) or bf16 (1), got %d", name, dtype);
  TT_REQUIRE(a.documents >= 0, "%s: documents must not be negative, got %d", name, a.documents);
  TT_REQUIRE(a.tokens_q >= 0 && a.tokens_k >= 0, "%s: %s must not be negative, got %d", name, a.tokens_q < 0 ? "tokens_q" : "tokens_k",
             a.tokens_q < 0 ? a.tokens_q : a.tokens_k);
  TT_REQUIRE(a.heads > 0 && a.kv_heads > 0 && a.heads % a.kv_heads == 0, "%s: heads (%d) must be a multiple of kv_heads (%d)", name, a.heads, a.kv_heads);
  TT_REQUIRE(a.size > 0 && a.size <= 256, "%s: head_dim must be 1..256, got %d", name, a.size);
  TT_REQUIRE_HOLD(name, size_t(a.tokens_q), size_t(a.heads), size_t(a.size));
  TT_REQUIRE_HOLD(name, size_t(a.tokens_k), size_t(a.kv_heads), size_t(a.size));
  TT_REQUIRE(isfinite(a.scale), "%s: scale must be finite, got %g", name, double(a.scale));
  TT_REQUIRE(window >= 0, "%s: window must not be negative, got %d", name, window);
  TT_REQUIRE(a.softcap >= 0 && isfinite(a.softcap), "%s: softcap must be 0 or positive, got %g", name, double(a.softcap));
  TT_REQUIRE(a.offsets_q && a.offsets_k, "%s: %s is null", name, a.offsets_q ? "offsets_k" : "offsets_q");
  // Without documents nobody on the device would look.
  TT_REQUIRE(a.documents > 0 || a.tokens_q == 0, "%s: offsets_q ends at 0, there are %d tokens", name, a.tokens_q);
  TT_REQUIRE(a.documents > 0 || a.tokens_k == 0, "%s: offsets_k ends at 0, there are %d tokens", name, a.tokens_k);
  // Limits of 32-bit arithmetic and of the grid, far above what fits a GPU.
  constexpr int MOST = 1 << 30, MOST_HEADS = 32768;
  TT_REQUIRE(a.tokens_q <= MOST && a.tokens_k <= MOST && a.documents <= MOST, "%s: at most %d tokens and documents, got %d, %d and %d", name, MOST, a.tokens_q,
             a.tokens_k, a.documents);
  if (a.heads > MOST_HEADS) return fail(TT_UNSUPPORTED, "%s: at most %d heads on a GPU, got %d", name, MOST_HEADS, a.heads);
  return TT_OK;
}

Attention describe(const Gpu& gpu, const void* q, const void* k, const void* v, const int32_t* offsets_q, const int32_t* offsets_k, int documents, int tokens_q,
                   int tokens_k, int heads, int kv_heads, int head_dim, float scale, int causal, int window, float softcap, tt_dtype dtype) {
  Attention a = {};
  a.q = q, a.k = k, a.v = v;
  a.offsets_q = offsets_q, a.offsets_k = offsets_k;
  a.documents = documents, a.tokens_q = tokens_q, a.tokens_k = tokens_k;
  a.heads = heads, a.kv_heads = kv_heads, a.group = kv_heads > 0 ? heads / kv_heads : 0, a.size = head_dim;
  a.scale = scale, a.softcap = softcap, a.causal = causal != 0;
  a.window = window == 0 || window > tokens_k ? (tokens_k > 0 ? tokens_k : 1) : window;
  a.is_bf16 = dtype == TT_BF16;
  a.fault = gpu.fault;
  a.splits = 1;
  return a;
}

/// 16-byte rows; and softmax takes its maximum before the scale, which must keep the order.
bool on_tensor_cores(const Attention& a) {
  bool aligned = a.size % 8 == 0;
  const void* const tensors[] = {a.q, a.k, a.v, a.o, a.d_o, a.dq, a.dk, a.dv};
  for (const void* p : tensors) aligned = aligned && aligned16(p);
  return a.is_bf16 && aligned && a.scale > 0;
}

/// Generation: on average so few rows a key head and document that they fill one tile of the tensor cores.
bool has_few_queries(const Attention& a) { return int64_t(a.tokens_q) * a.group <= int64_t(16) * a.documents; }

/// Parts that the keys of a document are cut into when there are few queries: one block a head would leave most of the device idle.
/// A function of the shapes alone, as the host does not know the offsets.
int splits_for(const Gpu& gpu, const Attention& a, int heads_in_grid) {
  constexpr int LEAST_KEYS = 128, MOST_SPLITS = 64;
  const int64_t average = a.tokens_k / a.documents, most = (a.window < average ? a.window : average) / LEAST_KEYS;
  const int64_t blocks = int64_t(a.documents) * heads_in_grid, wanted = (2 * int64_t(gpu.multiprocessors) + blocks - 1) / blocks;
  const int64_t splits = wanted < most ? wanted : most;
  return splits < 1 ? 1 : splits < MOST_SPLITS ? int(splits) : MOST_SPLITS;
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_attention_forward(void* o, float* lse, const void* q, const void* k, const void* v, const int32_t* offsets_q, const int32_t* offsets_k,
                                          int32_t documents, int32_t tokens_q, int32_t tokens_k, int32_t heads, int32_t kv_heads, int32_t head_dim, float scale,
                                          int32_t causal, int32_t window, float softcap, tt_dtype dtype, tt_stream stream) {
  const char* const name = "tt_attention_forward";
  TT_READY(name);
  Attention a = describe(gpu, q, k, v, offsets_q, offsets_k, documents, tokens_q, tokens_k, heads, kv_heads, head_dim, scale, causal, window, softcap, dtype);
  a.o = o, a.lse = lse;
  if (tt_status bad = check(name, a, window, dtype)) return bad;
  if (tokens_q == 0) return TT_OK;
  TT_REQUIRE(o && lse && q, "%s: %s is null", name, !o ? "o" : !lse ? "lse" : "q");
  TT_REQUIRE((k && v) || tokens_k == 0, "%s: %s is null", name, !k ? "k" : "v");
  const cudaStream_t s = stream_of(gpu, stream);
  const bool tensor_cores = on_tensor_cores(a), few = has_few_queries(a);
  if (few) a.splits = splits_for(gpu, a, tensor_cores ? kv_heads : heads);
  Scratch scratch(s);
  if (a.splits > 1) {
    const size_t lines = size_t(a.splits) * size_t(tokens_q) * size_t(heads), bytes = lines * size_t(head_dim + 2) * sizeof(float);
    if (!scratch.reserve(bytes)) return no_memory(name, bytes);
    a.partial = scratch.as<float>(), a.stats = a.partial + lines * size_t(head_dim);
  }
  const auto forward = !tensor_cores ? attention_forward_simt : few ? attention_decode_mma : attention_forward_mma;
  if (tt_status bad = forward(name, gpu, a, s)) return bad;
  if (a.splits > 1)
    if (tt_status bad = attention_join(name, gpu, a, s)) return bad;
  return launched(name, s);
}

extern "C" tt_status tt_attention_backward(void* dq, void* dk, void* dv, const void* d_o, const void* o, const float* lse, const void* q, const void* k,
                                           const void* v, const int32_t* offsets_q, const int32_t* offsets_k, int32_t documents, int32_t tokens_q,
                                           int32_t tokens_k, int32_t heads, int32_t kv_heads, int32_t head_dim, float scale, int32_t causal, int32_t window,
                                           float softcap, tt_dtype dtype, tt_stream stream) {
  const char* const name = "tt_attention_backward";
  TT_READY(name);
  Attention a = describe(gpu, q, k, v, offsets_q, offsets_k, documents, tokens_q, tokens_k, heads, kv_heads, head_dim, scale, causal, window, softcap, dtype);
  a.o = const_cast<void*>(o), a.lse = const_cast<float*>(lse), a.d_o = d_o;
  a.dq = dq, a.dk = dk, a.dv = dv;
  if (tt_status bad = check(name, a, window, dtype)) return bad;
  const bool queries = tokens_q > 0, keys = tokens_k > 0;
  TT_REQUIRE(!queries || (dq && d_o && o && lse && q), "%s: %s is null", name, !dq ? "dq" : !d_o ? "d_o" : !o ? "o" : !lse ? "lse" : "q");
  TT_REQUIRE(!keys || (dk && dv && k && v), "%s: %s is null", name, !dk ? "dk" : !dv ? "dv" : !k ? "k" : "v");
  if (!queries && !keys) return TT_OK;

  const cudaStream_t s = stream_of(gpu, stream);
  const bool tensor_cores = on_tensor_cores(a), atomic = tensor_cores && keys && queries && options().atomic_dq && attention_has_atomic_dq(head_dim);
  const size_t lines = size_t(tokens_q) * size_t(heads), sums = atomic ? lines * size_t(head_dim) : 0;
  Scratch scratch(s);
  if (queries) {
    const size_t bytes = (lines + sums) * sizeof(float);
    if (!scratch.reserve(bytes)) return no_memory(name, bytes);
    a.delta = scratch.as<float>();
    if (tt_status bad = attention_delta(name, gpu, a, s)) return bad;
  }
  if (!tensor_cores) {
    if (tt_status bad = attention_backward_simt(name, gpu, a, s)) return bad;
    return launched(name, s);
  }
  if (atomic) {
    a.dq_sum = a.delta + lines;
    TT_CUDA(name, cudaMemsetAsync(a.dq_sum, 0, sums * sizeof(float), s));
  }
  if (keys)
    if (tt_status bad = attention_backward_keys(name, gpu, a, s)) return bad;
  if (queries)
    if (tt_status bad = atomic ? attention_round_dq(name, gpu, a, s) : attention_backward_queries(name, gpu, a, s)) return bad;
  return launched(name, s);
}
