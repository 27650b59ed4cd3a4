// Packed products of great depth and a small result, such as the gradient that comes back through a vocabulary: threads
// share the depth, not the result.
//
// The depth is cut into parts; a part goes through its range slice by slice, both operands of a slice lying in the L2 of
// the thread that packed them, and sums into a result of its own. So every operand is read once and nobody waits before
// the end, where the parts are added in their order.
#include "../norm/norm.h"
#include "gemm_crew.h"

namespace tt {
namespace {

constexpr int SLICE = 192;                           // a slice of a b panel fits L1
constexpr size_t OPERAND_BYTES = size_t(896) << 10;  // of both slices: what an L2 of 1 MiB holds
constexpr size_t PARTS_BYTES = size_t(32) << 20;
constexpr int LEAST_PARTS = 8, MOST_PARTS = 32, PART_SLICES = 16;

/// By the depth and not by the number of threads, which would change the sums.
int part_count(const Gemm& g) { return smaller(larger(LEAST_PARTS, g.k / (PART_SLICES * SLICE)), MOST_PARTS); }

Operand from_depth(Operand x, int k) {
  x.data = static_cast<const char*>(x.data) + size_t(k) * (x.k_major ? x.ld : 1) * dtype_bytes(x.dtype);
  x.first += k;
  return x;
}

}  // namespace

bool gemm_is_deep(const Gemm& g) {
  const size_t lanes = size_t(g.m) + g.n, result = size_t(g.m) * g.n * sizeof(float);
  return !gemm_on_amx(g.a.dtype) && !gemm_on_amx(g.b.dtype) && g.c_dtype == TT_F32 && g.k2 == 0 && g.ldc == size_t(g.n) &&
         g.k / part_count(g) >= 2 * SLICE && lanes * SLICE * sizeof(float) <= OPERAND_BYTES && result * part_count(g) <= PARTS_BYTES;
}

tt_status gemm_deep(const Gemm& g) {
  const GemmKernel& kernel = *gemm_kernel(g.a.dtype, g.b.dtype);
  const int parts = part_count(g), depth = round_up(divide_up(g.k, parts), SLICE);
  const size_t result = size_t(g.m) * g.n;
  float* partial = static_cast<float*>(shared_scratch(SLOT_PACKED_B, uint64_t(parts) * result * sizeof(float)));
  const float* bias;
  if (!partial) return no_gemm_scratch();
  if (tt_status status = widen_bias(&bias, g, {false, 0})) return status;
  const size_t a_bytes = round_up(g.m, kernel.mr) * SLICE * kernel.element, b_bytes = round_up(g.n, kernel.nr) * SLICE * kernel.element;
  for (int t = 0; t < thread_count(); t++)
    if (!thread_scratch(t, SLOT_PACKED_A, a_bytes + 64) || !thread_scratch(t, SLOT_PACKED_B_OWN, b_bytes + 64)) return no_gemm_scratch();
  const int used = divide_up(g.k, depth);
  parallel(size_t(used), [&](size_t part, int thread) {
    char* a = static_cast<char*>(thread_scratch(thread, SLOT_PACKED_A, 0));
    char* b = static_cast<char*>(thread_scratch(thread, SLOT_PACKED_B_OWN, 0));
    const int begin = int(part) * depth, end = smaller(begin + depth, g.k);
    // The first part goes into c itself.
    float* c = part ? partial + part * result : static_cast<float*>(g.c);
    for (int k = begin; k < end; k += SLICE) {
      const int some = smaller(SLICE, end - k);
      const int padded = round_up(some, kernel.k_align);
      kernel.pack_a(a, kernel.mr * padded * kernel.element, from_depth(g.a, k), 0, g.m, some);
      kernel.pack_b(b, kernel.nr * padded * kernel.element, from_depth(g.b, k), 0, g.n, some);
      const float beta = k > begin ? 1 : part ? 0 : g.beta;
      kernel.tile({a, b, g.m, g.n, padded, padded, padded, c, TT_F32, g.ldc, g.alpha, beta, k == 0 ? bias : nullptr, nullptr, false});
    }
  });
  for_ranges(result, size_t(used) * sizeof(float), [&](size_t begin, size_t end, int) {
    TT_DISPATCH(add_partials, static_cast<float*>(g.c) + begin, partial + result + begin, size_t(used) - 1, result, end - begin);
  });
  return TT_OK;
}

}  // namespace tt
