// What a build says about itself. generated.h is written by scripts/build-native.ts after everything else is compiled.
#include <stdio.h>

#include "generated.h"  // of the build folder
#include "internal.h"

extern "C" const char* tt_symbols(void) { return TT_SYMBOL_NAMES; }

extern "C" const char* tt_build_info(void) {
  static thread_local char text[512];
  const int best = tt::best_isa();
  char isas[64] = "";
  size_t length = 0;
  for (int i = 1; i <= best; i++) length += size_t(snprintf(isas + length, sizeof isas - length, "%s\"%s\"", i > 1 ? "," : "", tt::ISA_NAMES[i]));
  // On a CPU below all of them nothing can be started, and this function must still answer.
  const char* current = tt::ISA_NAMES[best > 0 ? tt::isa() : 0];
  snprintf(text, sizeof text,
           "{\"device\":\"cpu\",\"sources\":\"%s\",\"compiler\":\"%s\",\"isa\":\"%s\",\"isas\":[%s],\"threads\":%d}",
           TT_SOURCE_HASH, TT_COMPILER, current, isas, best > 0 ? tt::thread_count() : 0);
  return text;
}
