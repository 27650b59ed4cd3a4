// All pairs of bit planes, for CPUs without an instruction that counts the bits of a register. CPUs with AVX-512 run vsa_pairs.vnni.cpp or the AVX2 copy.
#if !TT_AVX512
#include "vsa_pairs.h"
#endif
