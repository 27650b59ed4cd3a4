// The loops that bf16 matrix products are measured against: of AMX, and of AVX-512's products of pairs.
#include "peak.h"
#include "../gemm/amx_tiles.h"

namespace tt {
namespace amx {
namespace {

// Small non-zero numbers: all-zero operands were seen to run at erratic speed.
struct alignas(64) Operands {
  uint16_t values[4 * 512];
  Operands() {
    for (int i = 0; i < 4 * 512; i++) values[i] = uint16_t(0x3a00 + (i * 37 & 0x7f));
  }
};

}  // namespace

double load_fed_loop(int64_t rounds) {
  const Operands operands;
  configure_tiles();
  int64_t left = rounds;
  __asm__ volatile(
      "tilezero %%tmm0\ntilezero %%tmm1\ntilezero %%tmm2\ntilezero %%tmm3\n"
      "1:\n"
      "tileloadd 0(%1,%2,1), %%tmm4\ntileloadd 1024(%1,%2,1), %%tmm5\n"
      "tileloadd 2048(%1,%2,1), %%tmm6\ntileloadd 3072(%1,%2,1), %%tmm7\n"
      "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\ntdpbf16ps %%tmm7, %%tmm4, %%tmm1\n"
      "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\ntdpbf16ps %%tmm7, %%tmm5, %%tmm3\n"
      "dec %0\njnz 1b\ntilerelease\n"
      : "+r"(left)
      : "r"(operands.values), "r"(int64_t(64))
      : "memory", "cc");
  return double(rounds) * 4 * 2 * 16 * 16 * 32;
}

}  // namespace amx

namespace avx512_bf16 {

double pair_loop(int64_t rounds) {
  int64_t left = rounds;
#define TT_PAIR(i) "vdpbf16ps %%zmm12, %%zmm13, %%zmm" #i "\n"
  // Small non-zero numbers, as above.
  const uint32_t pair = 0x3a013a02;
  __asm__ volatile("vzeroall\nvpbroadcastd %1, %%zmm12\nvpbroadcastd %1, %%zmm13\n1:\n" TT_PAIR(0) TT_PAIR(1) TT_PAIR(2) TT_PAIR(3) TT_PAIR(4) TT_PAIR(5) TT_PAIR(6) TT_PAIR(7) TT_PAIR(8) TT_PAIR(9) TT_PAIR(10)
                       TT_PAIR(11) "dec %0\njnz 1b\n"
                   : "+r"(left)
                   : "r"(pair)
                   : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "cc");
  return double(rounds) * 12 * 2 * 32;
}

}  // namespace avx512_bf16
}  // namespace tt
