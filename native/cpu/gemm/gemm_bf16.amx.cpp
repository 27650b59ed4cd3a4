// bf16 matrix product on AMX: packing into tiles, a 2×2-tile micro-kernel, and an epilogue hidden behind it.
//
// One step multiplies 32 rows × 32 (k) by 32 (k) × 32 columns: four tile loads for four tile products, the best ratio
// that eight tiles allow. A slice of a b panel stays in L1, a panels stream from L2. Sums over several slices are kept in
// f32 tiles in L2. In the last slice a finished 32×32 block goes through a small buffer in L1, and is scaled, rounded
// and written while the tile unit works on the next block.
#include <immintrin.h>
#include <string.h>

#include "gemm.h"
#include "amx_pack.h"
#include "amx_tiles.h"

namespace tt {
namespace amx {
namespace {

constexpr int M_BLOCK = 256, N_BLOCK = 256, K_SLICE = 640;
constexpr int BLOCK = 32 * 32;  // f32 of one block: four 16×16 tiles, one after the other

// ---- packing ------------------------------------------------------------------------------------------------------

template <bool PAIRS> void pack(void* panels, size_t panel_bytes, const Operand& x, int lane, int lanes, int k) {
  uint16_t* out = static_cast<uint16_t*>(panels);
  size_t start = x.k_major ? size_t(lane) : size_t(lane) * x.ld, elements = panel_bytes / sizeof(uint16_t);
  if (x.dtype == TT_F32) pack_panels<PAIRS>(out, elements, static_cast<const float*>(x.data) + start, x.k_major, x.ld, lanes, k, x.scale);
  else pack_panels<PAIRS>(out, elements, static_cast<const uint16_t*>(x.data) + start, x.k_major, x.ld, lanes, k, x.scale);
}

// ---- epilogue -----------------------------------------------------------------------------------------------------

/// A finished block of up to 32×32 that still has to be written to c.
struct Pending {
  const float* block;
  void* c;
  size_t ldc;
  int rows, columns;  // rows already written are counted in `row`
  int row;
  float alpha, beta;
  const float* bias;
  bool stream;
};

template <bool BF16_OUT> inline void write_row(Pending& p) {
  const int row = p.row++;
  const float* source = p.block + (row >> 4) * 512 + (row & 15) * 16;
  __m512 alpha = _mm512_set1_ps(p.alpha);
  __m512 x = _mm512_mul_ps(_mm512_load_ps(source), alpha), y = _mm512_mul_ps(_mm512_load_ps(source + 256), alpha);
  const __mmask16 mx = first16(p.columns), my = first16(p.columns - 16);
  if (p.bias) {
    x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mx, p.bias));
    y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(my, p.bias + 16));
  }
  __m512 beta = _mm512_set1_ps(p.beta);
  if (BF16_OUT) {
    uint16_t* c = static_cast<uint16_t*>(p.c) + size_t(row) * p.ldc;
    const __mmask32 mask = first32(p.columns);
    if (p.beta != 0) {
      __m512i old = _mm512_maskz_loadu_epi16(mask, c);
      x = _mm512_fmadd_ps(beta, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(old)), 16)), x);
      y = _mm512_fmadd_ps(beta, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(old, 1)), 16)), y);
    }
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh(y, x);
    if (p.stream) _mm512_stream_si512(reinterpret_cast<__m512i*>(c), both);
    else _mm512_mask_storeu_epi16(c, mask, both);
  } else {
    float* c = static_cast<float*>(p.c) + size_t(row) * p.ldc;
    if (p.beta != 0) {
      x = _mm512_fmadd_ps(beta, _mm512_maskz_loadu_ps(mx, c), x);
      y = _mm512_fmadd_ps(beta, _mm512_maskz_loadu_ps(my, c + 16), y);
    }
    if (p.stream) {
      _mm512_stream_ps(c, x);
      _mm512_stream_ps(c + 16, y);
    } else {
      _mm512_mask_storeu_ps(c, mx, x);
      _mm512_mask_storeu_ps(c + 16, my, y);
    }
  }
}

// ---- micro-kernel -------------------------------------------------------------------------------------------------

inline void load_block(const float* c) {
  if (c) {
    _tile_loadd(0, c, 64);
    _tile_loadd(1, c + 256, 64);
    _tile_loadd(2, c + 512, 64);
    _tile_loadd(3, c + 768, 64);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
}

inline void store_block(float* c) {
  _tile_stored(0, c, 64);
  _tile_stored(1, c + 256, 64);
  _tile_stored(2, c + 512, 64);
  _tile_stored(3, c + 768, 64);
}

inline void step(const uint16_t* a, const uint16_t* b) {
  _tile_loadd(4, a, 64);
  _tile_loadd(6, b, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, b + TILE, 64);
  _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(5, a + TILE, 64);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

/// A slice that is not the last: sum (NULL = nothing yet) + a·b → out, both f32 blocks.
inline void multiply(int steps, const uint16_t* a, const uint16_t* b, const float* sum, float* out) {
  load_block(sum);
  for (int k = 0; k < steps; k++) step(a + k * 2 * TILE, b + k * 2 * TILE);
  store_block(out);
}

/// The last slice: as multiply, while the rows of the block before are written between the steps.
template <bool BF16_OUT> inline void multiply_last(int steps, const uint16_t* a, const uint16_t* b, const float* sum, float* out, Pending& before) {
  load_block(sum);
  const int rows_per_step = steps ? (before.rows + steps - 1) / steps : 0;
  for (int k = 0; k < steps; k++) {
    step(a + k * 2 * TILE, b + k * 2 * TILE);
    for (int r = 0; r < rows_per_step && before.row < before.rows; r++) write_row<BF16_OUT>(before);
  }
  store_block(out);
  while (before.row < before.rows) write_row<BF16_OUT>(before);
}

// ---- one tile of c ------------------------------------------------------------------------------------------------

template <bool BF16_OUT> void run_tile(const GemmTile& t) {
  const int all_steps = t.depth / 32;
  const int slices = all_steps ? (t.depth + K_SLICE - 1) / K_SLICE : 1, slice = (all_steps + slices - 1) / slices;
  const size_t a_panel = size_t(t.a_depth) * 32, b_panel = size_t(t.b_depth) * 32;
  // A line that is written whole and not read soon need not be fetched first. Ordinary stores of a large c were measured
  // to cost up to 40 % of the product: the stores of the tiles queue up behind their misses.
  const bool stream = t.stream && t.beta == 0 && reinterpret_cast<uintptr_t>(t.c) % 64 == 0 && t.ldc * (BF16_OUT ? 2 : 4) % 64 == 0;
  alignas(64) float buffer[2][BLOCK];
  Pending pending = {};
  int parity = 0;
  for (int s = 0; s < slices; s++) {
    const int first = s * slice, steps = all_steps - first < slice ? all_steps - first : slice;
    const bool last = s == slices - 1;
    for (int j = 0; j < t.n; j += 32) {
      const uint16_t* b = static_cast<const uint16_t*>(t.b) + j / 32 * b_panel + size_t(first) * 2 * TILE;
      for (int i = 0; i < t.m; i += 32) {
        const uint16_t* a = static_cast<const uint16_t*>(t.a) + i / 32 * a_panel + size_t(first) * 2 * TILE;
        float* sum = t.scratch + (size_t(j / 32) * (M_BLOCK / 32) + i / 32) * BLOCK;
        if (!last) {
          multiply(steps, a, b, s ? sum : nullptr, sum);
          continue;
        }
        multiply_last<BF16_OUT>(steps, a, b, s ? sum : nullptr, buffer[parity], pending);
        char* c = static_cast<char*>(t.c) + (size_t(i) * t.ldc + j) * (BF16_OUT ? 2 : 4);
        const int rows = t.m - i < 32 ? t.m - i : 32, columns = t.n - j < 32 ? t.n - j : 32;
        pending = {buffer[parity], c, t.ldc, rows, columns, 0, t.alpha, t.beta, t.bias ? t.bias + j : nullptr, stream && columns == 32};
        parity ^= 1;
      }
    }
  }
  while (pending.row < pending.rows) write_row<BF16_OUT>(pending);
}

void tile(const GemmTile& t) {
  configure_tiles();
  t.c_dtype == TT_BF16 ? run_tile<true>(t) : run_tile<false>(t);
  if (t.stream) _mm_sfence();
  _tile_release();
}

}  // namespace

const GemmKernel* gemm_kernel_bf16() {
  static const GemmKernel kernel = {32, 32, 32, K_SLICE, M_BLOCK, N_BLOCK, sizeof(uint16_t), pack<false>, pack<true>, tile};
  return &kernel;
}

}  // namespace amx
}  // namespace tt
