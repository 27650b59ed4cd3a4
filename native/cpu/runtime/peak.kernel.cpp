// The multiply-add loop that matrix products are measured against: independent accumulators, no memory.
#include "peak.h"
#include "../vectors/vectors.h"

namespace tt {
namespace TT_ISA {

#if TT_AVX512
#define TT_FMA(i) "vfmadd231ps %%zmm12, %%zmm13, %%zmm" #i "\n"
#elif TT_AVX2
#define TT_FMA(i) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" #i "\n"
#elif TT_NEON
#define TT_FMA(i) "fmla v" #i ".4s, v24.4s, v25.4s\n"
#endif

#if TT_AVX512 || TT_AVX2
double fma_loop(int64_t rounds) {
  int64_t left = rounds;
#define TT_FMA_12 TT_FMA(0) TT_FMA(1) TT_FMA(2) TT_FMA(3) TT_FMA(4) TT_FMA(5) TT_FMA(6) TT_FMA(7) TT_FMA(8) TT_FMA(9) TT_FMA(10) TT_FMA(11)
  // vzeroall: leftovers in the registers could be denormal and slow the loop by a factor of a hundred.
  __asm__ volatile("vzeroall\n1:\n" TT_FMA_12 TT_FMA_12 "dec %0\njnz 1b\n"
                   : "+r"(left)
                   :
                   : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "cc");
  return double(rounds) * 24 * 2 * W;
}
#elif TT_NEON
double fma_loop(int64_t rounds) {
  int64_t left = rounds;
#define TT_FMA_8(a, b, c, d, e, f, g, h) TT_FMA(a) TT_FMA(b) TT_FMA(c) TT_FMA(d) TT_FMA(e) TT_FMA(f) TT_FMA(g) TT_FMA(h)
#define TT_CLEAR(i) "movi v" #i ".4s, #0\n"
#define TT_CLEAR_13(a, b, c, d, e, f, g, h, i, j, k, l, m) \
  TT_CLEAR(a) TT_CLEAR(b) TT_CLEAR(c) TT_CLEAR(d) TT_CLEAR(e) TT_CLEAR(f) TT_CLEAR(g) TT_CLEAR(h) TT_CLEAR(i) TT_CLEAR(j) TT_CLEAR(k) TT_CLEAR(l) TT_CLEAR(m)
  __asm__ volatile(TT_CLEAR_13(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) TT_CLEAR_13(13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25) "1:\n"
                   TT_FMA_8(0, 1, 2, 3, 4, 5, 6, 7) TT_FMA_8(8, 9, 10, 11, 12, 13, 14, 15) TT_FMA_8(16, 17, 18, 19, 20, 21, 22, 23)
                   "subs %0, %0, #1\nb.ne 1b\n"
                   : "+r"(left)
                   :
                   : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18",
                     "v19", "v20", "v21", "v22", "v23", "v24", "v25", "cc");
  return double(rounds) * 24 * 2 * 4;
}
#else
double fma_loop(int64_t rounds) {
  volatile float start = 0;
  vf sums[6], x = set1(start);
  for (vf& sum : sums) sum = x;
  for (int64_t i = 0; i < rounds; i++)
    TT_UNROLL for (int j = 0; j < 6; j++) sums[j] = fma_v(x, x, sums[j]);
  start = sum_lanes(sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5]);
  return double(rounds) * 6 * 2 * W;
}
#endif

void read_loop(const char* from, size_t bytes) {
  vi sums[4] = {};
  size_t i = 0;
  for (; i + sizeof sums <= bytes; i += sizeof sums)
    TT_UNROLL for (int j = 0; j < 4; j++) sums[j] |= load_bits<vi>(from + i + size_t(j) * sizeof(vi));
  volatile int32_t seen = (sums[0] | sums[1] | sums[2] | sums[3])[0];
  (void)seen;
}

}  // namespace TT_ISA
}  // namespace tt
