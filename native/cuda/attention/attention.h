// What the files of attention share on the host: the call, the kernels' launchers, and which of them takes a call.
// Not part of the ABI. The mathematics and the masks are those of tritune.h; native/cpu/attention/attention.cpp is the twin.
#pragma once
#include "../runtime/internal.h"

namespace tt {

/// One call, as the kernels take it. Forward: o and lse are written; backward: they are read.
struct Attention {
  const void *q, *k, *v;  // (tokens_q, heads, size), (tokens_k, kv_heads, size) twice
  const int32_t *offsets_q, *offsets_k;  // on the device
  int documents, tokens_q, tokens_k, heads, kv_heads, group, size;
  float scale, softcap;  // softcap 0: none
  int causal, window;    // window: at least 1; tokens_k when there is none
  int is_bf16;
  Fault* fault;
  void* o;
  float* lse;  // (heads, tokens_q), natural logarithm
  // Backward.
  const void* d_o;
  void *dq, *dk, *dv;
  float* delta;   // (heads, tokens_q): Σ do∘o
  float* dq_sum;  // (tokens_q, heads, size) or null: dq by atomic additions
  // Forward, keys cut into `splits` parts a document.
  int splits;
  float* partial;  // (splits, tokens_q, heads, size), not yet divided by the sum
  float* stats;    // (splits, tokens_q, heads, 2): maximum (natural), sum
};

/// Tiles of `rows` tokens that any offsets can make: what a grid must hold, as the host does not know the offsets.
inline unsigned most_tiles(int tokens, int documents, int rows) { return unsigned((tokens + rows - 1) / rows + documents); }

// Each queues its kernels and does not call launched(): the entry point does.
tt_status attention_forward_mma(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream);
tt_status attention_forward_simt(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream);
/// For few queries and many keys. With a.splits > 1 this and the plain kernel leave partial results that attention_join joins.
tt_status attention_decode_mma(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream);
tt_status attention_join(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream);
tt_status attention_delta(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream);
/// dk and dv; and dq_sum when there is one.
tt_status attention_backward_keys(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream);
tt_status attention_backward_queries(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream);
/// dq = dq_sum
tt_status attention_round_dq(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream);
tt_status attention_backward_simt(const char* op, const Gpu& gpu, const Attention& a, cudaStream_t stream);
/// The fused pass with atomic dq has an instance for this head size.
bool attention_has_atomic_dq(int size);

}  // namespace tt
