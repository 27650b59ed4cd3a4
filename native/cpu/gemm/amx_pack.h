// Packing into AMX tiles, shared by the bf16 kernels. All static: the AMX objects share nothing through the linker.
#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "amx_transpose.h"

namespace tt {
namespace amx {

constexpr int TILE = 512;  // elements of a packed tile: 16 rows of 32 bf16 (or 16 pairs of k × 16 columns)

static inline __mmask16 first16(int n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : __mmask16((1u << n) - 1); }
static inline __mmask32 first32(int n) { return n >= 32 ? 0xffffffffu : n <= 0 ? 0 : (1u << n) - 1; }

/// 32 consecutive values, the first n of them real, as bf16 times scale.
static inline __m512i load32(const uint16_t* p, int n, float scale) {
  __m512i x = _mm512_maskz_loadu_epi16(first32(n), p);
  if (__builtin_expect(scale == 1, 1)) return x;
  __m512 s = _mm512_set1_ps(scale);
  __m512 low = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(x)), 16));
  __m512 high = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(x, 1)), 16));
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(high, s), _mm512_mul_ps(low, s));
}
static inline __m512i load32(const float* p, int n, float scale) {
  __m512 s = _mm512_set1_ps(scale);
  __m512 low = _mm512_maskz_loadu_ps(first16(n), p), high = _mm512_setzero_ps();
  if (n > 16) high = _mm512_maskz_loadu_ps(first16(n - 16), p + 16);
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(high, s), _mm512_mul_ps(low, s));
}

/// 16 lanes × 32 of k from a lane-major source: v[lane] = its 32 values.
template <class T> static inline void load_lanes(__m512i* v, const T* source, size_t ld, int lanes, int k, float scale) {
  for (int i = 0; i < 16; i++) v[i] = i < lanes ? load32(source + size_t(i) * ld, k, scale) : _mm512_setzero_si512();
}

/// 32 lanes × 32 of k from a k-major source: low[p] and high[p] hold the pairs (k = 2p, 2p+1) of lanes 0..15 and 16..31.
template <class T> static inline void load_pairs(__m512i* low, __m512i* high, const T* source, size_t ld, int lanes, int k, float scale) {
  const __m512i low_index = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i high_index = _mm512_add_epi16(low_index, _mm512_set1_epi16(16));
  for (int p = 0; p < 16; p++) {
    __m512i even = 2 * p < k ? load32(source + size_t(2 * p) * ld, lanes, scale) : _mm512_setzero_si512();
    __m512i odd = 2 * p + 1 < k ? load32(source + size_t(2 * p + 1) * ld, lanes, scale) : _mm512_setzero_si512();
    low[p] = _mm512_permutex2var_epi16(even, low_index, odd);
    high[p] = _mm512_permutex2var_epi16(even, high_index, odd);
  }
}

static inline void store_tile(uint16_t* out, const __m512i* v) {
  for (int i = 0; i < 16; i++) _mm512_store_si512(out + i * 32, v[i]);
}

/// Panels: for every 32 of k two tiles, lanes 0..15 and 16..31 of the panel. PAIRS: in the layout of the right operand,
/// where a row of a tile holds the pair (2p, 2p+1) of 16 lanes; else a row of a tile is a lane.
template <bool PAIRS, class T>
static void pack_panels(uint16_t* out, size_t panel_elements, const T* source, bool k_major, size_t ld, int lanes, int k, float scale) {
  __m512i low[16], high[16];
  auto pack = [&](int lane, int p) {
    if (k_major) {
      load_pairs(low, high, source + size_t(p) * ld + lane, ld, lanes - lane, k - p, scale);
    } else {
      load_lanes(low, source + size_t(lane) * ld + p, ld, lanes - lane, k - p, scale);
      load_lanes(high, source + size_t(lane + 16) * ld + p, ld, lanes - lane - 16, k - p, scale);
    }
    // Lanes and pairs are the transposes of each other, in units of 32 bits.
    if (k_major != PAIRS) {
      transpose16(low);
      transpose16(high);
    }
    uint16_t* tile = out + lane / 32 * panel_elements + size_t(p) * 32;
    store_tile(tile, low);
    store_tile(tile + TILE, high);
  };
  // In the order of the source's memory, as far as that goes.
  if (k_major) {
    for (int p = 0; p < k; p += 32)
      for (int lane = 0; lane < lanes; lane += 32) pack(lane, p);
  } else {
    for (int lane = 0; lane < lanes; lane += 32)
      for (int p = 0; p < k; p += 32) pack(lane, p);
  }
}

}  // namespace amx
}  // namespace tt
