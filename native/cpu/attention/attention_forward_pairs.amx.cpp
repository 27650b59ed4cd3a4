// Flash attention forward in bf16 by AVX-512's products of pairs, for CPUs without AMX on which they are fast.
#include "pair_sums.h"

#include "attention_forward_tiles.h"
