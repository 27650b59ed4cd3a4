// Int8 products by SDOT.
// build-flags: -mcpu=generic+dotprod
#define TT_ISA neon_dots
#define TT_NEON 1
#include "int8_products.h"
