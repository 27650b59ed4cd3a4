// bf16 matrix product with AVX-512's dot products of pairs, for CPUs without AMX on which they are faster than multiply-adds
// of floats (see gemm_in_pairs). Products and sums are f32; f32 operands are rounded to bf16, as for AMX.
//
// A panel holds, for every two steps of depth, the pairs of its lanes: word[p / 2][lane].
#define TT_ISA avx512_bf16
#define TT_AVX512 1
#include "amx_pack.h"
#include "gemm.h"
#include "../vectors/vectors.h"

namespace tt {
namespace TT_ISA {
namespace {

constexpr int PER_WORD = 2;
TT_INLINE vf multiply_add(vf a, vf b, vf sum) { return vf(_mm512_dpbf16_ps(__m512(sum), (__m512bh)a, (__m512bh)b)); }

}  // namespace
}  // namespace TT_ISA
}  // namespace tt

#include "micro-kernel.h"

namespace tt {
namespace TT_ISA {
namespace {

constexpr int STEP = 32;  // of depth: 16 words of a lane are one vector

/// Words of up to 16 lanes, `words` of them, into a panel. Whole vectors where the next row overwrites what they write too
/// much.
template <int WIDTH> TT_INLINE void put(uint32_t* out, const __m512i* v, int words, int lanes) {
  const int whole = lanes == 16 ? words : words - 1;
  int i = 0;
  for (; i < whole; i++, out += WIDTH) _mm512_storeu_si512(out, v[i]);
  for (; i < words; i++, out += WIDTH) _mm512_mask_storeu_epi32(out, amx::first16(lanes), v[i]);
}

/// Lanes [lane, lane + 16) of a source whose rows are lanes, from depth p on.
template <class T> TT_INLINE void load_rows(__m512i* v, const T* source, const Operand& x, int lane, int lanes, int first_lane, int p, int k) {
  for (int i = 0; i < 16; i++) {
    if (lane + i >= lanes) {
      v[i] = _mm512_setzero_si512();
      continue;
    }
    float scale = x.scale;
    if (x.lane_scales) scale *= x.lane_scales[(first_lane + lane + i) * x.lane_scales_ld + (x.first + p) / GEMM_PIECE];
    v[i] = amx::load32(source + size_t(lane + i) * x.ld + p, k - p, scale);
  }
  amx::transpose16(v);
}

template <int WIDTH, class T> void pack_panels(uint32_t* out, size_t panel_words, const T* source, const Operand& x, int first_lane, int lanes, int k) {
  const int words = (k + 1) / 2;
  __m512i low[16], high[16];
  auto block = [&](int panel, int p) {
    const int some = words - p / 2 < STEP / 2 ? words - p / 2 : STEP / 2;
    uint32_t* to = out + panel / WIDTH * panel_words + size_t(p / 2) * WIDTH;
    const int there = lanes - panel < WIDTH ? lanes - panel : WIDTH;
    if (x.k_major) {
      amx::load_pairs(low, high, source + size_t(p) * x.ld + panel, x.ld, there, k - p, x.scale);
    } else {
      load_rows(low, source, x, panel, panel + there, first_lane, p, k);
      if (WIDTH > 16) load_rows(high, source, x, panel + 16, panel + there, first_lane, p, k);
    }
    put<WIDTH>(to, low, some, WIDTH < 16 ? WIDTH : 16);
    if (WIDTH > 16) put<WIDTH>(to + 16, high, some, WIDTH - 16);
  };
  // In the order of the source's memory, as far as that goes.
  if (x.k_major) {
    for (int p = 0; p < k; p += STEP)
      for (int panel = 0; panel < lanes; panel += WIDTH) block(panel, p);
  } else {
    for (int panel = 0; panel < lanes; panel += WIDTH)
      for (int p = 0; p < k; p += STEP) block(panel, p);
  }
}

template <int WIDTH> void pack(void* panels, size_t panel_bytes, const Operand& x, int lane, int lanes, int k) {
  uint32_t* out = static_cast<uint32_t*>(panels);
  const size_t start = x.k_major ? size_t(lane) : size_t(lane) * x.ld, words = panel_bytes / sizeof(uint32_t);
  if (x.dtype == TT_F32) pack_panels<WIDTH>(out, words, static_cast<const float*>(x.data) + start, x, lane, lanes, k);
  else pack_panels<WIDTH>(out, words, static_cast<const uint16_t*>(x.data) + start, x, lane, lanes, k);
}

}  // namespace

const GemmKernel* gemm_kernel_pairs() {
  static const GemmKernel kernel = {MR, NR, PER_WORD, K_SLICE * PER_WORD, M_BLOCK, N_BLOCK, sizeof(uint16_t), pack<MR>, pack<NR>, tile};
  return &kernel;
}

}  // namespace TT_ISA
}  // namespace tt
