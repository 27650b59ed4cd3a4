// Ternary products by VPDPBUSD.
#define TT_ISA vnni
#define TT_AVX512 1
#include "trit_products.h"
