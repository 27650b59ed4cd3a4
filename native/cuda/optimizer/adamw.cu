// tt_adamw, tt_adamw_list: one pass over weights, moments and gradients of many parameters.
#include "adamw.h"

namespace tt {
namespace {

struct Parameter {
  void* w;
  float *master, *m, *v;
  const float* grad;
  uint64_t n;
  unsigned end_block;  // of the launch
  uint8_t is_bf16, decays, aligned;
};
using Batch = AdamWBatch<Parameter, 60>;
static_assert(sizeof(Batch) + sizeof(AdamWStep) <= 4096, "what a launch can take");

constexpr size_t PER_BLOCK = 4096;

/// Four numbers of a bf16 or f32 array; 8 or 16 bytes.
TT_GPU Floats<4> load_four(const void* p, uint64_t i, bool is_bf16) {
  if (!is_bf16) return load_floats<4>(static_cast<const float*>(p) + i);
  const uint2 words = *reinterpret_cast<const uint2*>(static_cast<const bf16*>(p) + i);
  return {{low_bf16(words.x), high_bf16(words.x), low_bf16(words.y), high_bf16(words.y)}};
}
TT_GPU void store_four(void* p, uint64_t i, bool is_bf16, const Floats<4>& f) {
  if (!is_bf16) return store_floats<4>(static_cast<float*>(p) + i, f);
  uint2 words;
  words.x = pack_bf16(f.at[0], f.at[1]);
  words.y = pack_bf16(f.at[2], f.at[3]);
  *reinterpret_cast<uint2*>(static_cast<bf16*>(p) + i) = words;
}

TT_GPU void step_one(const Parameter& a, const AdamWStep& step, uint64_t i) {
  float p = a.master ? a.master[i] : a.is_bf16 ? to_float(static_cast<bf16*>(a.w)[i]) : static_cast<float*>(a.w)[i];
  float first = a.m[i], second = a.v[i];
  step(p, first, second, a.grad[i], a.decays);
  if (a.master) a.master[i] = p;
  if (a.is_bf16) static_cast<bf16*>(a.w)[i] = from_float<bf16>(p);
  else static_cast<float*>(a.w)[i] = p;
  a.m[i] = first;
  a.v[i] = second;
}

__global__ void __launch_bounds__(FLAT_THREADS) adamw_kernel(const __grid_constant__ Batch batch, AdamWStep step) {
  unsigned block;
  const Parameter& a = batch.parameters[batch.find(blockIdx.x, &block)];
  const uint64_t begin = block * uint64_t(PER_BLOCK), end = a.n - begin < PER_BLOCK ? a.n : begin + PER_BLOCK;
  uint64_t i = begin + threadIdx.x * 4;
  if (a.aligned) {
    constexpr int ROUND = 2;
    const bool from_bf16 = a.is_bf16 && !a.master;
    const void* from = a.master ? a.master : a.w;
    for (; i + 4 <= end; i += FLAT_THREADS * 4 * ROUND) {
      Floats<4> p[ROUND], g[ROUND], first[ROUND], second[ROUND];
      TT_UNROLL
      for (int r = 0; r < ROUND; r++) {
        const uint64_t at = i + r * FLAT_THREADS * 4;
        if (at + 4 > end) continue;
        p[r] = load_four(from, at, from_bf16);
        g[r] = load_floats<4>(a.grad + at);
        first[r] = load_floats<4>(a.m + at);
        second[r] = load_floats<4>(a.v + at);
      }
      TT_UNROLL
      for (int r = 0; r < ROUND; r++) {
        const uint64_t at = i + r * FLAT_THREADS * 4;
        if (at + 4 > end) continue;
        TT_UNROLL
        for (int v = 0; v < 4; v++) step(p[r].at[v], first[r].at[v], second[r].at[v], g[r].at[v], a.decays);
        if (a.master) store_floats<4>(a.master + at, p[r]);
        store_four(a.w, at, a.is_bf16, p[r]);
        store_floats<4>(a.m + at, first[r]);
        store_floats<4>(a.v + at, second[r]);
      }
    }
    i = begin + ((end - begin) & ~uint64_t(3)) + threadIdx.x;
    if (i < end) step_one(a, step, i);
  } else {
    for (i = begin + threadIdx.x; i < end; i += FLAT_THREADS) step_one(a, step, i);
  }
}

Parameter parameter_of(const AdamWEntry& e) {
  Parameter p = {e.at<void>(0), e.at<float>(1), e.at<float>(2), e.at<float>(3), e.at<const float>(4), e.n(), 0, e.is_bf16(), e.decays(), 0};
  p.aligned = aligned16(p.master) && aligned16(p.m) && aligned16(p.v) && aligned16(p.grad) &&
              reinterpret_cast<uintptr_t>(p.w) % (p.is_bf16 ? 8 : 16) == 0;
  return p;
}

tt_status run(const char* name, const int64_t* table, int32_t count, const AdamWArguments& arguments, tt_stream stream) {
  TT_READY(name);
  cudaStream_t s = stream_of(gpu, stream);
  const AdamWStep step = adamw_step(arguments);
  for_batches<Batch>(table, count, 5, PER_BLOCK, parameter_of, [&](const Batch& batch) {
    auto kernel = adamw_kernel;
    TT_LAUNCH(kernel, dim3(batch.blocks), dim3(FLAT_THREADS), 0, s, batch, step);
  });
  return launched(name, s);
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_adamw(void* w, float* master, float* m, float* v, const float* grad, size_t n, float lr, float beta1, float beta2,
                              float eps, float weight_decay, float bias1, float bias2, float grad_scale, tt_dtype w_dtype, tt_stream stream) {
  TT_REQUIRE(is_compute_dtype(w_dtype), "tt_adamw: w_dtype must be f32 (0) or bf16 (1), got %d", w_dtype);
  const AdamWArguments arguments = {lr, beta1, beta2, eps, weight_decay, bias1, bias2, grad_scale};
  if (tt_status bad = check_adamw("tt_adamw", arguments)) return bad;
  TT_REQUIRE_HOLD("tt_adamw", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_adamw", w);
  TT_REQUIRE_POINTER("tt_adamw", m);
  TT_REQUIRE_POINTER("tt_adamw", v);
  TT_REQUIRE_POINTER("tt_adamw", grad);
  auto address = [](const void* p) { return int64_t(reinterpret_cast<intptr_t>(p)); };
  const int64_t row[8] = {address(w), address(master), address(m), address(v), address(grad), int64_t(n), w_dtype, 1};
  return run("tt_adamw", row, 1, arguments, stream);
}

extern "C" tt_status tt_adamw_list(const int64_t* table, int32_t count, float lr, float beta1, float beta2, float eps, float weight_decay,
                                   float bias1, float bias2, float grad_scale, tt_stream stream) {
  constexpr const char* COLUMNS[] = {"w", "master", "m", "v", "grad"};
  const AdamWArguments arguments = {lr, beta1, beta2, eps, weight_decay, bias1, bias2, grad_scale};
  if (tt_status bad = check_adamw("tt_adamw_list", arguments)) return bad;
  TT_REQUIRE_SIZE("tt_adamw_list", count);
  if (count == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_adamw_list", table);
  for (int32_t i = 0; i < count; i++)
    if (tt_status bad = check_entry("tt_adamw_list", i, {table + size_t(i) * 8, 5}, COLUMNS)) return bad;
  return run("tt_adamw_list", table, count, arguments, stream);
}
