// CPUID of x86-64, and what the operating system keeps of the registers.
#include <cpuid.h>
#include <stdint.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "features.h"

namespace tt {

const char* const ISA_NAMES[] = {"none", "avx2", "avx512", "amx"};
const char* const ISA_REQUIREMENT = "AVX2, FMA, F16C and BMI2";

namespace {

bool os_saves(uint64_t mask) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (((uint64_t(high) << 32) | low) & mask) == mask;
}

/// Linux gives a process the tile registers when it asks for them; no other system is asked.
bool may_use_tiles() {
#if defined(__linux__)
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;  // ARCH_REQ_XCOMP_PERM, XTILEDATA
#else
  return false;
#endif
}

/// macOS gives a thread the wide registers when it first uses them, so that XGETBV does not know.
bool keeps_wide_registers() {
#if defined(__APPLE__)
  return true;
#else
  return os_saves(0xe6);
#endif
}

}  // namespace

bool has_bf16_rounding() {
  uint32_t a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5));
}

bool has_byte_dots() {
  uint32_t a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & (1u << 11)) && (c & (1u << 14));
}

int best_isa() {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  bool fma = c & bit_FMA, osxsave = c & bit_OSXSAVE, f16c = c & bit_F16C;
  if (!osxsave || !os_saves(0x6)) return 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  if (!fma || !f16c || !(b & bit_AVX2) || !(b & bit_BMI2)) return 0;
  bool avx512 = (b & bit_AVX512F) && (b & bit_AVX512BW) && (b & bit_AVX512DQ) && (b & bit_AVX512VL) && (b & bit_AVX512CD) && keeps_wide_registers();
  if (!avx512) return ISA_AVX2;
  bool amx = (d & (1u << 24)) && (d & (1u << 22)) && os_saves(0x60000);  // AMX-TILE, AMX-BF16
  return amx && has_bf16_rounding() && may_use_tiles() ? ISA_AMX : ISA_AVX512;
}

/// AMD multiplies pairs of bf16 at twice the rate of floats; Intel at half of it, and has AMX instead.
bool has_fast_bf16_pairs() {
  uint32_t a, b, c, d;
  return __get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx && has_bf16_rounding();
}

}  // namespace tt
