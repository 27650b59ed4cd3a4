// WebAssembly: the module was compiled for what it needs, or the engine did not load it.
#include "features.h"

namespace tt {

const char* const ISA_NAMES[] = {"none", "wasm"};
const char* const ISA_REQUIREMENT = "SIMD128";

int best_isa() { return ISA_WASM; }
bool has_bf16_rounding() { return false; }
bool has_fast_bf16_pairs() { return false; }

}  // namespace tt
