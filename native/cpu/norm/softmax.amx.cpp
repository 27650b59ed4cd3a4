// The kernels of softmax once more, for CPUs with AMX: they have the instruction that rounds to bf16.
#define TT_ISA amx
#define TT_AVX512 1
#include "softmax.kernel.cpp"
