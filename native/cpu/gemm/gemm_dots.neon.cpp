// bf16 matrix product with ARM's dot products of pairs (BFDOT, of FEAT_BF16): twice the multiply-adds of an instruction on
// floats. Products and sums are f32; f32 operands are rounded to bf16, as for AMX.
//
// A panel holds, for every two steps of depth, the pairs of its lanes: word[p / 2][lane].
#define TT_ISA neon_bf16
#define TT_NEON 1
#include "gemm.h"
#include "../vectors/vectors.h"

namespace tt {
namespace TT_ISA {
namespace {

constexpr int PER_WORD = 2;

TT_INLINE vq dot(vq pairs_a, vq pairs_b, vq sum) { return vq(vbfdotq_f32(float32x4_t(sum), bfloat16x8_t(pairs_a), bfloat16x8_t(pairs_b))); }
TT_INLINE vf multiply_add(vf a, vf b, vf sum) {
  return join(dot(low_half(a), low_half(b), low_half(sum)), dot(high_half(a), high_half(b), high_half(sum)));
}

}  // namespace
}  // namespace TT_ISA
}  // namespace tt

#include "micro-kernel.h"

namespace tt {
namespace TT_ISA {
namespace {

/// W numbers times scale as bf16; the first n of them are read.
TT_INLINE vh load_halves(const bf16* p, int n, float scale) {
  const vh x = n >= W ? load_bits<vh>(p) : first_halves(bits_of(p), size_t(n));
  return scale == 1 ? x : narrow(widen(x) * scale);
}
TT_INLINE vh load_halves(const float* p, int n, float scale) { return narrow((n >= W ? load(p) : load_n(p, size_t(n))) * scale); }

TT_INLINE vf words_of(vh even, vh odd) { return vf(widen_bits(even) | widen_bits(odd) << 16); }

/// The W pairs of a row that lie one after the other; the first n numbers are there.
template <class T> TT_INLINE vf load_pairs(const T* p, int n, float scale) {
  const vh first = n > 0 ? load_halves(p, n, scale) : vh{}, second = n > W ? load_halves(p + W, n - W, scale) : vh{};
  typedef uint16_t both __attribute__((vector_size(W * 4)));
  return vf(both(__builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
}

template <int WIDTH> TT_INLINE void put(float* to, vf x, int lane) {
  if (WIDTH - lane >= W) store(to + lane, x);
  else store_n(to + lane, x, size_t(WIDTH - lane));
}

template <int WIDTH, class T> void pack_k_major(float* panel, const T* source, size_t ld, int lanes, int k, float scale) {
  for (int p = 0; p < k; p += 2, source += 2 * ld, panel += WIDTH)
    for (int lane = 0; lane < WIDTH; lane += W) {
      const int there = lanes - lane;
      const vh even = there > 0 ? load_halves(source + lane, there, scale) : vh{};
      const vh odd = there > 0 && p + 1 < k ? load_halves(source + ld + lane, there, scale) : vh{};
      put<WIDTH>(panel, words_of(even, odd), lane);
    }
}

template <int WIDTH, class T> void pack_lane_major(float* panel, const T* source, const Operand& x, int first_lane, int lanes, int k) {
  vf block[W];
  for (int lane = 0; lane < WIDTH; lane += W)
    for (int p = 0; p < k; p += 2 * W) {
      for (int i = 0; i < W; i++) {
        float scale = x.scale;
        if (x.lane_scales && lane + i < lanes) scale *= x.lane_scales[(first_lane + lane + i) * x.lane_scales_ld + (x.first + p) / GEMM_PIECE];
        block[i] = lane + i < lanes ? load_pairs(source + size_t(lane + i) * x.ld + p, k - p, scale) : vf{};
      }
      transpose_square(block);
      const int words = (k - p + 1) / 2 < W ? (k - p + 1) / 2 : W;
      for (int i = 0; i < words; i++) put<WIDTH>(panel + size_t(p / 2 + i) * WIDTH, block[i], lane);
    }
}

template <int WIDTH, class T> void pack_panels(float* out, size_t panel_words, const T* source, const Operand& x, int first_lane, int lanes, int k) {
  for (int lane = 0; lane < lanes; lane += WIDTH) {
    float* panel = out + lane / WIDTH * panel_words;
    const int count = lanes - lane < WIDTH ? lanes - lane : WIDTH;
    if (x.k_major) pack_k_major<WIDTH>(panel, source + lane, x.ld, count, k, x.scale);
    else pack_lane_major<WIDTH>(panel, source + size_t(lane) * x.ld, x, first_lane + lane, count, k);
  }
}

template <int WIDTH> void pack(void* panels, size_t panel_bytes, const Operand& x, int lane, int lanes, int k) {
  float* out = static_cast<float*>(panels);
  const size_t start = x.k_major ? size_t(lane) : size_t(lane) * x.ld, words = panel_bytes / sizeof(float);
  if (x.dtype == TT_F32) pack_panels<WIDTH>(out, words, static_cast<const float*>(x.data) + start, x, lane, lanes, k);
  else pack_panels<WIDTH>(out, words, static_cast<const bf16*>(x.data) + start, x, lane, lanes, k);
}

}  // namespace

const GemmKernel* gemm_kernel_pairs() {
  static const GemmKernel kernel = {MR, NR, PER_WORD, K_SLICE * PER_WORD, M_BLOCK, N_BLOCK, sizeof(uint16_t), pack<MR>, pack<NR>, tile};
  return &kernel;
}

}  // namespace TT_ISA
}  // namespace tt
