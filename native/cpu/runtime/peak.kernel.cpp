// The FMA loop that matrix products are measured against: 12 independent accumulators, no memory.
#include "peak.h"
#include "../vectors/simd.h"

namespace tt {
namespace TT_ISA {

#if TT_AVX512
#define TT_FMA(i) "vfmadd231ps %%zmm12, %%zmm13, %%zmm" #i "\n"
#else
#define TT_FMA(i) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" #i "\n"
#endif
#define TT_FMA_12 TT_FMA(0) TT_FMA(1) TT_FMA(2) TT_FMA(3) TT_FMA(4) TT_FMA(5) TT_FMA(6) TT_FMA(7) TT_FMA(8) TT_FMA(9) TT_FMA(10) TT_FMA(11)

double fma_loop(int64_t rounds) {
  int64_t left = rounds;
  // vzeroall: leftovers in the registers could be denormal and slow the loop by a factor of a hundred.
  __asm__ volatile("vzeroall\n1:\n" TT_FMA_12 TT_FMA_12 "dec %0\njnz 1b\n"
                   : "+r"(left)
                   :
                   : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "cc");
  return double(rounds) * 24 * 2 * LANES;
}

}  // namespace TT_ISA
}  // namespace tt
