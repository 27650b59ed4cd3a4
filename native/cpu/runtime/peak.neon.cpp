// The loop that bf16 matrix products are measured against: ARM's dot products of pairs.
#include "peak.h"

namespace tt {
namespace neon_bf16 {

double pair_loop(int64_t rounds) {
  int64_t left = rounds;
#define TT_PAIR(i) "bfdot v" #i ".4s, v24.8h, v25.8h\n"
#define TT_CLEAR(i) "movi v" #i ".4s, #0\n"
#define TT_ALL(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)
  __asm__ volatile(TT_ALL(TT_CLEAR) TT_CLEAR(24) TT_CLEAR(25) "1:\n" TT_ALL(TT_PAIR) "subs %0, %0, #1\nb.ne 1b\n"
                   : "+r"(left)
                   :
                   : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v24", "v25", "cc");
  return double(rounds) * 16 * 2 * 8;
}

}  // namespace neon_bf16
}  // namespace tt
