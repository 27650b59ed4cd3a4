// Products by cuBLASLt. It is column-major: a row-major (r,c) matrix is a column-major (c,r) one with the same leading dimension,
// so it is asked for cᵀ = op(b)ᵀ·op(a)ᵀ, with our b as its A and our a as its B; our bias per column is its bias per row.
//
// What the library decides for a shape ("plan") is asked once and kept: the question costs tens of microseconds on the host.
#include "cublaslt.h"

#include <stdio.h>
#include <string.h>

#include "cublaslt_api.h"

namespace tt {
namespace {

constexpr uint64_t MOST_WORKSPACE = uint64_t(32) << 20;

/// All that the answer depends on. Compared as bytes: zeroed before it is filled.
struct PlanKey {
  int64_t lda, ldb, ldc, stride_a, stride_b, stride_c;
  int32_t m, n, k, batch;
  int32_t align_a, align_b, align_c;
  uint8_t trans_a, trans_b, dtype, c_dtype, has_bias, adds;
  uint8_t unused[6];
};
struct Plan {
  bool used, possible;
  PlanKey key;
  lt::Handle operation, a, b, c;
  lt::Heuristic best;
};
constexpr int PLANS = 1024, PROBES = 8;
Plan plans[PLANS];
unsigned replaced = 0;
lt::Handle library_handle = nullptr;
char start_problem[128];

int alignment_of(const void* pointer, size_t stride_bytes) {
  const uintptr_t bits = reinterpret_cast<uintptr_t>(pointer) | stride_bytes | 256;
  return int(bits & (~bits + 1));
}

PlanKey key_of(const Gemm& g) {
  PlanKey key;
  memset(&key, 0, sizeof key);
  const size_t size = dtype_bytes(g.dtype), c_size = dtype_bytes(g.c_dtype);
  key.lda = int64_t(g.lda);
  key.ldb = int64_t(g.ldb);
  key.ldc = int64_t(g.ldc);
  key.m = g.m;
  key.n = g.n;
  key.k = g.k;
  key.batch = g.batch;
  if (g.batch > 1) {
    key.stride_a = int64_t(g.stride_a);
    key.stride_b = int64_t(g.stride_b);
    key.stride_c = int64_t(g.stride_c);
  }
  key.align_a = alignment_of(g.a, size_t(key.stride_a) * size);
  key.align_b = alignment_of(g.b, size_t(key.stride_b) * size);
  key.align_c = alignment_of(g.c, size_t(key.stride_c) * c_size);
  key.trans_a = g.trans_a;
  key.trans_b = g.trans_b;
  key.dtype = uint8_t(g.dtype);
  key.c_dtype = uint8_t(g.c_dtype);
  key.has_bias = g.bias != nullptr;
  key.adds = g.beta != 0;
  return key;
}

int type_of(tt_dtype dtype) { return dtype == TT_F32 ? lt::R_32F : lt::R_16BF; }

void destroy(const lt::Functions& f, Plan& plan) {
  if (plan.operation) f.operation_destroy(plan.operation);
  for (lt::Handle layout : {plan.a, plan.b, plan.c})
    if (layout) f.layout_destroy(layout);
  memset(&plan, 0, sizeof plan);
}

int make_layout(const lt::Functions& f, lt::Handle* out, int type, int rows, int cols, int64_t ld, int32_t batch, int64_t stride) {
  int status = f.layout_create(out, type, uint64_t(rows), uint64_t(cols), ld);
  if (!status && batch > 1) {
    status = f.layout_set(*out, lt::LAYOUT_BATCH_COUNT, &batch, sizeof batch);
    if (!status) status = f.layout_set(*out, lt::LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride);
  }
  return status;
}

/// Fills a zeroed plan; false when the library has nothing for it.
bool make(const lt::Functions& f, Plan& plan, const Gemm& g) {
  const PlanKey& key = plan.key;
  const int type = type_of(g.dtype), op_a = g.trans_b ? lt::OP_T : lt::OP_N, op_b = g.trans_a ? lt::OP_T : lt::OP_N;
  if (f.operation_create(&plan.operation, lt::COMPUTE_32F, lt::R_32F)) return false;
  if (f.operation_set(plan.operation, lt::DESC_TRANSA, &op_a, sizeof op_a) || f.operation_set(plan.operation, lt::DESC_TRANSB, &op_b, sizeof op_b)) return false;
  if (g.bias) {
    const int epilogue = lt::EPILOGUE_BIAS;
    if (f.operation_set(plan.operation, lt::DESC_EPILOGUE, &epilogue, sizeof epilogue) || f.operation_set(plan.operation, lt::DESC_BIAS_DATA_TYPE, &type, sizeof type) ||
        f.operation_set(plan.operation, lt::DESC_BIAS_POINTER, &g.bias, sizeof g.bias))
      return false;
  }
  if (make_layout(f, &plan.a, type, g.trans_b ? g.k : g.n, g.trans_b ? g.n : g.k, key.ldb, key.batch, key.stride_b)) return false;
  if (make_layout(f, &plan.b, type, g.trans_a ? g.m : g.k, g.trans_a ? g.k : g.m, key.lda, key.batch, key.stride_a)) return false;
  if (make_layout(f, &plan.c, type_of(g.c_dtype), g.n, g.m, key.ldc, key.batch, key.stride_c)) return false;
  lt::Handle preference;
  if (f.preference_create(&preference)) return false;
  const uint32_t mask = lt::REDUCTION_COMPUTE_TYPE, align_a = uint32_t(key.align_b), align_b = uint32_t(key.align_a), align_c = uint32_t(key.align_c);
  bool refused = f.preference_set(preference, lt::PREFERENCE_MAX_WORKSPACE, &MOST_WORKSPACE, sizeof MOST_WORKSPACE) ||
                 f.preference_set(preference, lt::PREFERENCE_REDUCTION_MASK, &mask, sizeof mask) ||
                 f.preference_set(preference, lt::PREFERENCE_ALIGNMENT_A, &align_a, sizeof align_a) ||
                 f.preference_set(preference, lt::PREFERENCE_ALIGNMENT_B, &align_b, sizeof align_b) ||
                 f.preference_set(preference, lt::PREFERENCE_ALIGNMENT_C, &align_c, sizeof align_c) ||
                 f.preference_set(preference, lt::PREFERENCE_ALIGNMENT_D, &align_c, sizeof align_c);
  int found = 0;
  if (!refused) refused = f.heuristic(library_handle, plan.operation, plan.a, plan.b, plan.c, plan.c, preference, 1, &plan.best, &found) != 0;
  f.preference_destroy(preference);
  return !refused && found > 0 && plan.best.state == 0;
}

/// The plan for a product, made when it is new; null when the library cannot do it.
Plan* plan_of(const lt::Functions& f, const Gemm& g) {
  const PlanKey key = key_of(g);
  uint64_t hash = 1469598103934665603u;
  for (size_t i = 0; i < sizeof key; i++) hash = (hash ^ reinterpret_cast<const unsigned char*>(&key)[i]) * 1099511628211u;
  Plan* free_one = nullptr;
  for (int i = 0; i < PROBES; i++) {
    Plan& plan = plans[(hash + unsigned(i)) % PLANS];
    if (plan.used && !memcmp(&plan.key, &key, sizeof key)) return plan.possible ? &plan : nullptr;
    if (!plan.used && !free_one) free_one = &plan;
  }
  Plan& plan = free_one ? *free_one : plans[(hash + replaced++ % PROBES) % PLANS];
  destroy(f, plan);
  plan.used = true;
  plan.key = key;
  plan.possible = make(f, plan, g);
  return plan.possible ? &plan : nullptr;
}

/// The LoRA term as a product of its own, added to what the first one gave.
Gemm second_product(const Gemm& g) {
  Gemm s = g;
  s.a = g.u;
  s.b = g.l;
  s.k = g.rank;
  s.lda = size_t(g.rank);
  s.ldb = size_t(g.trans_b ? g.rank : g.n);
  s.beta = 1;
  s.bias = nullptr;
  s.u = s.l = nullptr;
  s.rank = 0;
  return s;
}
Gemm first_product(const Gemm& g) {
  Gemm f = g;
  f.u = f.l = nullptr;
  f.rank = 0;
  return f;
}

tt_status run(const char* op, const lt::Functions& f, const Gemm& g, cudaStream_t stream) {
  Plan* plan = plan_of(f, g);
  if (!plan) return fail(TT_UNSUPPORTED, "%s: cuBLASLt has no way to do this product", op);
  if (g.bias) f.operation_set(plan->operation, lt::DESC_BIAS_POINTER, &g.bias, sizeof g.bias);
  Scratch workspace(stream);
  if (plan->best.workspace && !workspace.reserve(plan->best.workspace)) return no_memory(op, plan->best.workspace);
  const int status = f.matmul(library_handle, plan->operation, &g.alpha, g.b, plan->a, g.a, plan->b, &g.beta, g.c, plan->c, g.c, plan->c, &plan->best.algorithm,
                              workspace.as<void>(), plan->best.workspace, stream);
  if (status) return fail(TT_DEVICE, "%s: cuBLASLt failed: %s (%d)", op, lt::status_name(status), status);
  return TT_OK;
}

}  // namespace

const char* cublaslt_unavailable(const Gpu&) {
#if !defined(__CUDACC__)
  if (options().gemm != GEMM_CUBLASLT) return "the emulated one is for tests, when gemm=cublaslt";
#endif
  const lt::Functions* f = lt::open();
  if (!f) return lt::problem();
  if (library_handle) return nullptr;
  if (start_problem[0]) return start_problem;
  const int status = f->create(&library_handle);
  if (!status) return nullptr;
  snprintf(start_problem, sizeof start_problem, "cublasLtCreate failed: %s (%d)", lt::status_name(status), status);
  return start_problem;
}

bool cublaslt_supports(const Gpu&, const Gemm& g) {
  const lt::Functions* f = lt::open();
  if (!f || !library_handle || g.k == 0 || g.copy) return false;
  // Its bias has the type of the result and is read in 16-byte pieces.
  if (g.bias && (g.c_dtype != g.dtype || !aligned16(g.bias))) return false;
  if (!plan_of(*f, first_product(g))) return false;
  return !g.rank || plan_of(*f, second_product(g));
}

tt_status gemm_cublaslt(const char* op, const Gpu&, const Gemm& g, cudaStream_t stream) {
  const lt::Functions* f = lt::open();
  if (tt_status bad = run(op, *f, first_product(g), stream)) return bad;
  return g.rank ? run(op, *f, second_product(g), stream) : TT_OK;
}

}  // namespace tt
