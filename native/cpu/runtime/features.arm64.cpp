// ARM64: every such CPU has NEON with fused multiply-adds. What came later is asked of the system, which knows its registers.
#include "features.h"

#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace tt {

const char* const ISA_NAMES[] = {"none", "neon", "neon-bf16"};
const char* const ISA_REQUIREMENT = "NEON";

/// FEAT_BF16: BFDOT.
bool has_bf16_rounding() {
#if defined(__linux__)
  return getauxval(AT_HWCAP2) & (1ul << 14);  // HWCAP2_BF16
#elif defined(__APPLE__)
  int value = 0;
  __SIZE_TYPE__ size = sizeof value;
  return sysctlbyname("hw.optional.arm.FEAT_BF16", &value, &size, nullptr, 0) == 0 && value == 1;
#else
  return false;
#endif
}

bool has_byte_dots() {
#if defined(__linux__)
  return getauxval(AT_HWCAP) & (1ul << 20);  // HWCAP_ASIMDDP
#elif defined(__APPLE__)
  int value = 0;
  __SIZE_TYPE__ size = sizeof value;
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, nullptr, 0) == 0 && value == 1;
#else
  return false;
#endif
}

int best_isa() { return has_bf16_rounding() ? ISA_NEON_BF16 : ISA_NEON; }
bool has_fast_bf16_pairs() { return has_bf16_rounding(); }

}  // namespace tt
