// Ternary products for CPUs without dot products of bytes. CPUs with AVX-512 run trit_products.vnni.cpp or the AVX2 copy.
#if !TT_AVX512
#include "trit_products.h"
#endif
