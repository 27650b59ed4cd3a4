// f32 matrix product: packing, which widens bf16, and the sizes of its micro-kernel.
#include "gemm.h"
#include "../vectors/vectors.h"

namespace tt {
namespace TT_ISA {
namespace {

constexpr int PER_WORD = 1;
TT_INLINE vf multiply_add(vf a, vf b, vf sum) { return fma_v(a, b, sum); }

}  // namespace
}  // namespace TT_ISA
}  // namespace tt

#include "micro-kernel.h"

namespace tt {
namespace TT_ISA {
namespace {

// ---- packing ------------------------------------------------------------------------------------------------------
// A panel holds WIDTH lanes: panel[p·WIDTH + lane]. Lanes beyond the matrix are 0.

constexpr int K_MAJOR_AHEAD = 24;
static_assert(NR % W == 0 && MR < W, "a whole vector reaches into the next row of an a panel, never past it");

template <int WIDTH, class T> void pack_k_major(float* panel, const T* source, size_t ld, int lanes, int k, float scale) {
  vf s = set1(scale);
  for (int p = 0; p < k; p++, source += ld, panel += WIDTH) {
    for (int lane = 0; lane < WIDTH; lane += 64 / int(sizeof(T)))
      prefetch<Cache::FAR>(source + K_MAJOR_AHEAD * ld + lane);
    for (int lane = 0; lane < WIDTH; lane += W) {
      int want = WIDTH - lane < W ? WIDTH - lane : W;
      int have = lanes - lane < 0 ? 0 : lanes - lane < W ? lanes - lane : W;
      vf x = have == W ? load(source + lane) : have > 0 ? load_n(source + lane, have) : vf{};
      // A whole vector where the next row overwrites what it writes too much: masked stores are slow.
      if (want == W || p + 1 < k) store(panel + lane, x * s);
      else store_n(panel + lane, x * s, want);
    }
  }
}

/// scales: NULL, or those of the first lane (see Operand::lane_scales) with the depth counted from `first`.
template <int WIDTH, class T> void pack_lane_major(float* panel, const T* source, size_t ld, int lanes, int k, float scale, const float* scales, size_t scales_ld, int first) {
  vf s = set1(scale), block[W];
  for (int lane = 0; lane < WIDTH; lane += W) {
    int want = WIDTH - lane < W ? WIDTH - lane : W;
    for (int p = 0; p < k; p += W) {
      int depth = k - p < W ? k - p : W;
      for (int i = 0; i < W; i++) {
        const T* row = source + size_t(lane + i) * ld + p;
        // The panel after this one: rows are too many for the prefetcher of the CPU.
        prefetch<Cache::FAR>(row + WIDTH * ld);
        block[i] = lane + i < lanes ? (depth == W ? load(row) : load_n(row, depth)) : vf{};
      }
      if (scales) {
        const float* of_lanes = scales + (first + p) / GEMM_PIECE + lane * scales_ld;
        for (int i = 0; i < W && lane + i < lanes; i++) block[i] *= set1(of_lanes[i * scales_ld]);
      }
      transpose_square(block);
      float* out = panel + size_t(p) * WIDTH + lane;
      const int whole = want == W ? depth : depth - 1;
      int i = 0;
      for (; i < whole; i++, out += WIDTH) store(out, block[i] * s);
      for (; i < depth; i++, out += WIDTH) store_n(out, block[i] * s, want);
    }
  }
}

template <int WIDTH, class T> void pack_panels(float* out, size_t panel_elements, const T* source, const Operand& x, int first_lane, int lanes, int k) {
  // Panel by panel in slices of the depth: k-major sources are then read in runs that the prefetcher follows.
  const int step = x.k_major ? 64 : k;
  for (int p = 0; p < k; p += step) {
    const int depth = k - p < step ? k - p : step;
    for (int lane = 0; lane < lanes; lane += WIDTH) {
      float* panel = out + lane / WIDTH * panel_elements + size_t(p) * WIDTH;
      const int count = lanes - lane < WIDTH ? lanes - lane : WIDTH;
      if (x.k_major) pack_k_major<WIDTH>(panel, source + size_t(p) * x.ld + lane, x.ld, count, depth, x.scale);
      else pack_lane_major<WIDTH>(panel, source + size_t(lane) * x.ld + p, x.ld, count, depth, x.scale,
                                  x.lane_scales ? x.lane_scales + (first_lane + lane) * x.lane_scales_ld : nullptr, x.lane_scales_ld, x.first + p);
    }
  }
}

template <int WIDTH> void pack(void* panels, size_t panel_bytes, const Operand& x, int lane, int lanes, int k) {
  float* out = static_cast<float*>(panels);
  const size_t start = x.k_major ? size_t(lane) : size_t(lane) * x.ld, elements = panel_bytes / sizeof(float);
  if (x.dtype == TT_F32) pack_panels<WIDTH>(out, elements, static_cast<const float*>(x.data) + start, x, lane, lanes, k);
  else pack_panels<WIDTH>(out, elements, static_cast<const bf16*>(x.data) + start, x, lane, lanes, k);
}

}  // namespace

const GemmKernel* gemm_kernel_f32() {
  static const GemmKernel kernel = {MR, NR, 1, K_SLICE, M_BLOCK, N_BLOCK, sizeof(float), pack<MR>, pack<NR>, tile};
  return &kernel;
}

}  // namespace TT_ISA
}  // namespace tt
