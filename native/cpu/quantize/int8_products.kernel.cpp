// Int8 products for CPUs without dot products of bytes. CPUs with AVX-512 run int8_products.vnni.cpp or the AVX2 copy.
#if !TT_AVX512
#include "int8_products.h"
#endif
