// Flash attention backward in bf16 on AMX.
#include "tile_sums.h"

#include "attention_backward_tiles.h"
