// Thin products on AMX: 32 columns of x at a time are interleaved in pairs of rows in L1 and multiplied at once.
#include "thin.h"
#include "amx_pack.h"
#include "amx_tiles.h"

namespace tt {
namespace amx {
namespace {

/// RANK_TILES: 1 for ranks up to 16, 2 up to 32. Bands of 32 rows, from left to right: x is read as it lies in memory, the
/// sums of all columns wait in L2.
template <int RANK_TILES> void bands(const ThinPart& part, const uint16_t* t) {
  constexpr int BLOCK = RANK_TILES * 2 * 256;  // floats of the sums of 32 columns
  // A tile load of what was just stored waits until the stores have reached L1, so the columns after are packed first.
  alignas(64) uint16_t pairs[2][2 * TILE];
  __m512i low[16], high[16];
  const uint16_t* x = static_cast<const uint16_t*>(part.x);
  const size_t ld = size_t(part.n);
  auto pack = [&](int row, int column) {
    uint16_t* b = pairs[column >> 5 & 1];
    load_pairs(low, high, x + size_t(row) * ld + column, ld, part.n - column, part.rows - row, 1);
    store_tile(b, low);
    store_tile(b + TILE, high);
  };
  for (int row = 0; row < part.rows; row += 32, t += 2 * TILE) {
    _tile_loadd(4, t, 64);
    if (RANK_TILES == 2) _tile_loadd(5, t + TILE, 64);
    pack(row, 0);
    for (int column = 0; column < part.n; column += 32) {
      if (column + 32 < part.n) pack(row, column + 32);
      float* sums = part.partial + column / 32 * BLOCK;
      if (row == 0) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
      } else {
        _tile_loadd(0, sums, 64);
        _tile_loadd(1, sums + BLOCK / 2, 64);
        if (RANK_TILES == 2) {
          _tile_loadd(2, sums + 256, 64);
          _tile_loadd(3, sums + BLOCK / 2 + 256, 64);
        }
      }
      const uint16_t* b = pairs[column >> 5 & 1];
      _tile_loadd(6, b, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, b + TILE, 64);
      _tile_dpbf16ps(1, 4, 7);
      if (RANK_TILES == 2) {
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        _tile_stored(2, sums + 256, 64);
        _tile_stored(3, sums + BLOCK / 2 + 256, 64);
      }
      _tile_stored(0, sums, 64);
      _tile_stored(1, sums + BLOCK / 2, 64);
    }
  }
}

}  // namespace

void thin_partial(const ThinPart& part) {
  uint16_t* t = static_cast<uint16_t*>(part.scratch);
  pack_panels<false>(t, 0, part.t, true, size_t(part.rank), part.rank, part.rows, 1);
  configure_tiles();
  part.rank <= 16 ? bands<1>(part, t) : bands<2>(part, t);
  _tile_release();
}

}  // namespace amx
}  // namespace tt
