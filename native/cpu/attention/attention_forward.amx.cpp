// Flash attention forward in bf16 on AMX.
#include "tile_sums.h"

#include "attention_forward_tiles.h"
