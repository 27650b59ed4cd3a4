// All pairs of bit planes with VPOPCNTDQ.
#define TT_ISA vnni
#define TT_AVX512 1
#include "vsa_pairs.h"
