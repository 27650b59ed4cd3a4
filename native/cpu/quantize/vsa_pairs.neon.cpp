// All pairs of bit planes: NEON counts the bits of bytes everywhere, so this is the same copy for CPUs with dot products of bytes.
// build-flags: -mcpu=generic+dotprod
#define TT_ISA neon_dots
#define TT_NEON 1
#include "vsa_pairs.h"
