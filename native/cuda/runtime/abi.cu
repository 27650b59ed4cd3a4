// What a build says about itself. generated.h is written by scripts/build-cuda.ts after everything else is compiled.
#include <stdio.h>

#include "generated.h"
#include "internal.h"

extern "C" const char* tt_symbols(void) { return TT_SYMBOL_NAMES; }

extern "C" const char* tt_build_info(void) {
  static thread_local char text[512];
  int runtime = 0;
  cudaRuntimeGetVersion(&runtime);
  snprintf(text, sizeof text, "{\"device\":\"%s\",\"sources\":\"%s\",\"compiler\":\"%s\",\"targets\":\"%s\",\"runtime\":%d}", TT_DEVICE_KIND, TT_SOURCE_HASH,
           TT_COMPILER, TT_TARGETS, runtime);
  return text;
}
