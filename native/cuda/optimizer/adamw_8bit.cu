// tt_adamw_8bit: AdamW with moments of 8 bits (Dettmers et al. 2022, arXiv 2110.02861), in blocks of 256 elements: a warp a block,
// 8 neighbours a lane.
#include "adamw.h"
#include "../quantize/codebooks.h"

namespace tt {
namespace {

constexpr int CODED = 256, PER_LANE = CODED / 32, WARPS = FLAT_THREADS / 32;
/// Elements of one GPU block: some coded blocks a warp, so that filling the maps does not count.
constexpr size_t PER_BLOCK = size_t(CODED) * WARPS * 4;

struct Parameter {
  void* w;
  float* master;
  uint8_t *m, *v;
  float *m_absmax, *v_absmax;
  const float* grad;
  uint64_t n;
  unsigned end_block;  // of the launch
  uint8_t is_bf16, decays, aligned;
};
using Batch = AdamWBatch<Parameter, 54>;
static_assert(sizeof(Batch) + sizeof(AdamWStep) <= 4096, "what a launch can take");

/// A dynamic map with the middles between its values.
struct Map {
  float value[256], middle[256];
};

TT_GPU void fill_map(Map& map, bool is_signed) {
  fill_dynamic_map(map.value, is_signed);
  __syncthreads();
  for (unsigned code = threadIdx.x; code < 255; code += FLAT_THREADS) map.middle[code] = __fadd_rn(map.value[code], map.value[code + 1]) * 0.5f;
}

/// nearest_code() of |x| ≤ 1 in a few steps: the even steps of its decade give a guess that is at most one off.
template <bool SIGNED> TT_GPU uint32_t code_of(const Map& map, float x) {
  const float size = fabsf(x);
  int decade = 0;
  float per_unit = 1e6f / 0.9f;  // widths of the decade's values per unit of x, over their number
  const float borders[] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f}, scales[] = {1e5f / 0.9f, 1e4f / 0.9f, 1e3f / 0.9f, 1e2f / 0.9f, 10.f / 0.9f, 1.f / 0.9f};
  TT_UNROLL
  for (int i = 0; i < 6; i++) {
    const bool above = size > borders[i];
    decade = above ? i + 1 : decade;
    per_unit = above ? scales[i] : per_unit;
  }
  const int log_steps = decade + (SIGNED ? 0 : 1), steps = 1 << log_steps;
  const float place = (size * per_unit - 0.1f / 0.9f) * float(steps);
  const int step = int(fminf(fmaxf(place, 0.f), float(steps - 1)));
  const int above = step + steps - (SIGNED ? 1 : 2);  // among the values of one sign
  const int code = SIGNED ? (x < 0.f ? 126 - above : 128 + above) : above + 1;
  const int below = code > 0 ? code - 1 : 0;
  const bool up = code < 255 && x > map.middle[code], down = code > 0 && x <= map.middle[below];
  return x == x ? uint32_t(code + (up ? 1 : 0) - (down ? 1 : 0)) : 0u;
}

TT_GPU float absmax_of(const float (&x)[PER_LANE]) {
  float most = 0.f;
  TT_UNROLL
  for (int j = 0; j < PER_LANE; j++) most = fmaxf(most, fabsf(x[j]));
  return warp_max(most);
}

/// The 8 elements of a lane, from position i; `count` of them exist.
struct Lane {
  float p[PER_LANE], grad[PER_LANE];
  uint64_t m, v;  // a byte each
};

TT_GPU Lane load_lane(const Parameter& a, uint64_t i, int count) {
  Lane lane = {};
  if (count == PER_LANE && a.aligned) {
    const Floats<8> g = load_floats<8>(a.grad + i);
    const Floats<8> p = a.master    ? load_floats<8>(a.master + i)
                        : a.is_bf16 ? load_floats<8>(static_cast<const bf16*>(a.w) + i)
                                    : load_floats<8>(static_cast<const float*>(a.w) + i);
    TT_UNROLL
    for (int j = 0; j < PER_LANE; j++) lane.p[j] = p.at[j], lane.grad[j] = g.at[j];
    lane.m = *reinterpret_cast<const uint64_t*>(a.m + i);
    lane.v = *reinterpret_cast<const uint64_t*>(a.v + i);
    return lane;
  }
  TT_UNROLL
  for (int j = 0; j < PER_LANE; j++) {
    if (j >= count) continue;
    lane.p[j] = a.master ? a.master[i + j] : a.is_bf16 ? to_float(static_cast<const bf16*>(a.w)[i + j]) : static_cast<const float*>(a.w)[i + j];
    lane.grad[j] = a.grad[i + j];
    lane.m |= uint64_t(a.m[i + j]) << 8 * j;
    lane.v |= uint64_t(a.v[i + j]) << 8 * j;
  }
  return lane;
}

TT_GPU void store_lane(const Parameter& a, const Lane& lane, uint64_t i, int count) {
  if (count == PER_LANE && a.aligned) {
    Floats<8> p;
    TT_UNROLL
    for (int j = 0; j < PER_LANE; j++) p.at[j] = lane.p[j];
    if (a.master) store_floats<8>(a.master + i, p);
    if (a.is_bf16) store_floats<8>(static_cast<bf16*>(a.w) + i, p);
    else store_floats<8>(static_cast<float*>(a.w) + i, p);
    *reinterpret_cast<uint64_t*>(a.m + i) = lane.m;
    *reinterpret_cast<uint64_t*>(a.v + i) = lane.v;
    return;
  }
  TT_UNROLL
  for (int j = 0; j < PER_LANE; j++) {
    if (j >= count) continue;
    if (a.master) a.master[i + j] = lane.p[j];
    if (a.is_bf16) static_cast<bf16*>(a.w)[i + j] = from_float<bf16>(lane.p[j]);
    else static_cast<float*>(a.w)[i + j] = lane.p[j];
    a.m[i + j] = uint8_t(lane.m >> 8 * j);
    a.v[i + j] = uint8_t(lane.v >> 8 * j);
  }
}

__global__ void __launch_bounds__(FLAT_THREADS) adamw_8bit_kernel(const __grid_constant__ Batch batch, AdamWStep step) {
  __shared__ Map signed_map, unsigned_map;
  fill_map(signed_map, true);
  fill_map(unsigned_map, false);
  __syncthreads();
  unsigned block;
  const Parameter& a = batch.parameters[batch.find(blockIdx.x, &block)];
  const uint64_t begin = block * uint64_t(PER_BLOCK), end = a.n - begin < PER_BLOCK ? a.n : begin + PER_BLOCK;
  for (uint64_t start = begin + (threadIdx.x >> 5) * CODED; start < end; start += CODED * WARPS) {
    const uint64_t i = start + (threadIdx.x & 31) * PER_LANE, coded = start / CODED;
    const int count = i >= end ? 0 : end - i < PER_LANE ? int(end - i) : PER_LANE;
    Lane lane = load_lane(a, i, count);
    const float m_scale = a.m_absmax[coded], v_scale = a.v_absmax[coded];
    float m[PER_LANE], v[PER_LANE];
    TT_UNROLL
    for (int j = 0; j < PER_LANE; j++) {
      m[j] = j < count ? signed_map.value[lane.m >> 8 * j & 255] * m_scale : 0.f;
      v[j] = j < count ? unsigned_map.value[lane.v >> 8 * j & 255] * v_scale : 0.f;
      float p = lane.p[j], first = m[j], second = v[j];
      step(p, first, second, lane.grad[j], a.decays);
      // NaN and Inf leave the element as it is.
      if (j < count && fabsf(lane.grad[j]) < INFINITY) lane.p[j] = p, m[j] = first, v[j] = second;
    }
    const float m_absmax = absmax_of(m), v_absmax = absmax_of(v);
    lane.m = lane.v = 0;
    TT_UNROLL
    for (int j = 0; j < PER_LANE; j++) {
      uint32_t code = code_of<true>(signed_map, __fdiv_rn(m[j], m_absmax));
      // A negative moment stays negative, as in bitsandbytes.
      if (m[j] < 0.f && code >= 127) code--;
      lane.m |= uint64_t(code) << 8 * j;
      lane.v |= uint64_t(code_of<false>(unsigned_map, __fdiv_rn(v[j], v_absmax))) << 8 * j;
    }
    store_lane(a, lane, i, count);
    if ((threadIdx.x & 31) == 0) {
      a.m_absmax[coded] = m_absmax;
      a.v_absmax[coded] = v_absmax;
    }
  }
}

Parameter parameter_of(const AdamWEntry& e) {
  Parameter p = {e.at<void>(0),  e.at<float>(1),       e.at<uint8_t>(2), e.at<uint8_t>(3), e.at<float>(4), e.at<float>(5),
                 e.at<const float>(6), e.n(), 0, e.is_bf16(), e.decays(), 0};
  p.aligned = aligned16(p.w) && aligned16(p.master) && aligned16(p.grad) && reinterpret_cast<uintptr_t>(p.m) % 8 == 0 &&
              reinterpret_cast<uintptr_t>(p.v) % 8 == 0;
  return p;
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_adamw_8bit(const int64_t* table, int32_t count, float lr, float beta1, float beta2, float eps, float weight_decay,
                                   float bias1, float bias2, float grad_scale, tt_stream stream) {
  constexpr const char* COLUMNS[] = {"w", "master", "m8", "v8", "m_absmax", "v_absmax", "grad"};
  const AdamWArguments arguments = {lr, beta1, beta2, eps, weight_decay, bias1, bias2, grad_scale};
  if (tt_status bad = check_adamw("tt_adamw_8bit", arguments)) return bad;
  TT_REQUIRE_SIZE("tt_adamw_8bit", count);
  if (count == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_adamw_8bit", table);
  for (int32_t i = 0; i < count; i++)
    if (tt_status bad = check_entry("tt_adamw_8bit", i, {table + size_t(i) * 10, 7}, COLUMNS)) return bad;
  TT_READY("tt_adamw_8bit");
  cudaStream_t s = stream_of(gpu, stream);
  const AdamWStep step = adamw_step(arguments);
  for_batches<Batch>(table, count, 7, PER_BLOCK, parameter_of, [&](const Batch& batch) {
    auto kernel = adamw_8bit_kernel;
    TT_LAUNCH(kernel, dim3(batch.blocks), dim3(FLAT_THREADS), 0, s, batch, step);
  });
  return launched("tt_adamw_8bit", s);
}
