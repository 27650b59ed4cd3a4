// ARM64: every such CPU has NEON with fused multiply-adds.
#include "features.h"

namespace tt {

const char* const ISA_NAMES[] = {"none", "neon"};
const char* const ISA_REQUIREMENT = "NEON";

int best_isa() { return ISA_NEON; }
bool has_bf16_rounding() { return false; }
bool has_fast_bf16_pairs() { return false; }

}  // namespace tt
