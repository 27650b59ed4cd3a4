// The kernels of the gates once more, for CPUs that have the instruction that rounds to bf16: those with AMX, and others.
#define TT_ISA amx
#define TT_AVX512 1
#include "gated.kernel.cpp"
