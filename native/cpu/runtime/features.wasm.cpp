// WebAssembly: the module was compiled for what it needs, or the engine did not load it.
#include "features.h"

namespace tt {

#ifdef __wasm_relaxed_simd__
const char* const ISA_NAMES[] = {"none", "relaxed simd"};
#else
const char* const ISA_NAMES[] = {"none", "simd128"};
#endif
const char* const ISA_REQUIREMENT = "SIMD128";

int best_isa() { return ISA_WASM; }
bool has_bf16_rounding() { return false; }
bool has_byte_dots() { return false; }
bool has_fast_bf16_pairs() { return false; }

}  // namespace tt
