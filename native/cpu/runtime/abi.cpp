// What a build says about itself. generated.h is written by scripts/build-native.ts after everything else is compiled.
#include <stdio.h>

#include "../../build/generated.h"
#include "internal.h"

extern "C" const char* tt_symbols(void) { return TT_SYMBOL_NAMES; }

extern "C" const char* tt_build_info(void) {
  static const char* const names[] = {"none", "avx2", "avx512", "amx"};
  static const char* const reachable[] = {"", "\"avx2\"", "\"avx2\",\"avx512\"", "\"avx2\",\"avx512\",\"amx\""};
  static thread_local char text[512];
  int best = tt::best_isa();
  // On a CPU below AVX2 nothing can be started, and this function must still answer.
  const char* current = best > 0 ? names[tt::isa()] : names[0];
  snprintf(text, sizeof text,
           "{\"device\":\"cpu\",\"sources\":\"%s\",\"compiler\":\"%s\",\"isa\":\"%s\",\"isas\":[%s],\"threads\":%d}",
           TT_SOURCE_HASH, TT_COMPILER, current, reachable[best], best > 0 ? tt::thread_count() : 0);
  return text;
}
