// Which instructions this CPU has. features.x64.cpp, features.arm64.cpp and features.wasm.cpp answer.
#pragma once

namespace tt {

#if defined(__x86_64__)
#define TT_X64 1
enum Isa { ISA_AVX2 = 1, ISA_AVX512 = 2, ISA_AMX = 3 };
#elif defined(__aarch64__)
enum Isa { ISA_NEON = 1, ISA_NEON_BF16 = 2 };
#elif defined(__wasm__)
enum Isa { ISA_WASM = 1 };
#endif

/// Names of the instruction sets by their number; [0] is "none".
extern const char* const ISA_NAMES[];
/// What a CPU below all of them lacks.
extern const char* const ISA_REQUIREMENT;

/// The best Isa of this CPU and operating system; 0 when the CPU is below all of them: the library then refuses to compute.
int best_isa();
/// Whether there are instructions on bf16: those of AVX-512 or FEAT_BF16.
bool has_bf16_rounding();
/// Whether there are instructions that sum products of bytes (and count bits): AVX-512's VNNI and VPOPCNTDQ, or FEAT_DotProd.
bool has_byte_dots();
/// Whether pairs of bf16 are multiplied faster than floats, without AMX.
bool has_fast_bf16_pairs();

}  // namespace tt
