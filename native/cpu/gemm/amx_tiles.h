// The tile configuration every AMX kernel here uses: eight tiles of 16 rows × 64 bytes.
#pragma once
#include <stdint.h>

namespace tt {
namespace amx {

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_per_row[16] = {};
  uint8_t rows[16] = {};
};

static inline void configure_tiles() {
  TileConfig config;
  for (int i = 0; i < 8; i++) {
    config.bytes_per_row[i] = 64;
    config.rows[i] = 16;
  }
  // Not _tile_loadconfig: GCC 12 thinks that it reads 8 bytes only and drops the stores to the rest.
  __asm__ volatile("ldtilecfg %0" : : "m"(config) : "memory");
}

}  // namespace amx
}  // namespace tt
