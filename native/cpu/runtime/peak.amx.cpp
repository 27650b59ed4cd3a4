// The AMX loop that bf16 matrix products are measured against.
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
}  // namespace tt
