// Int8 products by VPDPBUSD.
#define TT_ISA vnni
#define TT_AVX512 1
#include "int8_products.h"
