// Thin products on AMX: 32 columns of x at a time are interleaved in pairs of rows in L1 and multiplied at once.
#include "../thin.h"
#include "pack.h"
#include "tiles.h"

namespace tt {
namespace amx {
namespace {

/// RANK_TILES: 1 for ranks up to 16, 2 up to 32.
template <int RANK_TILES> void columns(const ThinPart& part, const uint16_t* t, int column) {
  alignas(64) uint16_t pairs[2][2 * TILE];  // two, so that storing the next does not wait for loads of the last
  __m512i low[16], high[16];
  const uint16_t* x = static_cast<const uint16_t*>(part.x) + column;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int row = 0; row < part.rows; row += 32, t += 2 * TILE) {
    uint16_t* b = pairs[row >> 5 & 1];
    load_pairs(low, high, x + size_t(row) * part.n, size_t(part.n), part.n - column, part.rows - row, 1);
    store_tile(b, low);
    store_tile(b + TILE, high);
    _tile_loadd(4, t, 64);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + TILE, 64);
    _tile_dpbf16ps(1, 4, 7);
    if (RANK_TILES == 2) {
      _tile_loadd(5, t + TILE, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  float* out = part.partial + column;
  const size_t stride = size_t(part.ld) * sizeof(float);
  _tile_stored(0, out, stride);
  _tile_stored(1, out + 16, stride);
  if (RANK_TILES == 2) {
    _tile_stored(2, out + 16 * size_t(part.ld), stride);
    _tile_stored(3, out + 16 * size_t(part.ld) + 16, stride);
  }
}

}  // namespace

void thin_partial(const ThinPart& part) {
  uint16_t* t = static_cast<uint16_t*>(part.scratch);
  pack_panel<false>(t, part.t, true, size_t(part.rank), part.rank, part.rows, 1);
  configure_tiles();
  for (int column = 0; column < part.n; column += 32)
    part.rank <= 16 ? columns<1>(part, t, column) : columns<2>(part, t, column);
  _tile_release();
}

}  // namespace amx
}  // namespace tt
