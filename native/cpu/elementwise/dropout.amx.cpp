// The kernels of dropout once more, for CPUs with AMX: they have the instruction that rounds to bf16.
#define TT_ISA amx
#define TT_AVX512 1
#include "dropout.kernel.cpp"
