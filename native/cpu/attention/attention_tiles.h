// What the two halves of bf16 attention on tiles share: packing into them. Products of tiles are those of tile_sums.h on AMX, of pair_sums.h
// without: which of them was included before this.
//
// Everything is computed transposed: a block of scores has a row for each key and a column for each query row (see
// ../attention.h for query rows). Maxima and sums over keys are then plain vector operations, and the probabilities are
// made in the order in which the next product reads them. Columns come in groups of 32 (two tiles), keys in steps of 32.
//
// A tile is 16 rows of 64 bytes, stored as 512 bf16: a left tile is [16 rows][32 of k], a right tile [16 pairs of k]
// [16 columns][2].
#pragma once
#include "attention.h"
#include "../vectors/vector-math.h"
#include "../gemm/amx_transpose.h"

namespace tt {
namespace TT_ISA {

using amx::transpose16;

constexpr int GROUP = 32;      // columns of a group
constexpr float LOG2_E = 1.44269504088896341f;

// ---- packing ------------------------------------------------------------------------------------------------------

/// 32 channels from c on of a row as bf16; zeros past the end, and for rows that are not there.
static inline __m512i load_channels(const bf16* row, bool there, size_t c, size_t size) {
  if (!there || c >= size) return _mm512_setzero_si512();
  size_t n = size - c;
  return _mm512_maskz_loadu_epi16(n >= 32 ? 0xffffffffu : (1u << n) - 1, row + c);
}

/// Left tiles whose rows are the tensor's: tile (row / 16, channel / 32). rows(i): pointer of row i or NULL.
template <class Rows> static void pack_rows(uint16_t* tiles, Rows rows, size_t count, size_t size, size_t dim) {
  for (size_t i = 0; i < count; i++) {
    const bf16* row = rows(i);
    for (size_t c = 0; c < dim; c += 32)
      _mm512_storeu_si512(tiles + (i / 16 * (dim / 32) + c / 32) * TILE_ELEMENTS + i % 16 * 32, load_channels(row, row, c, size));
  }
}

/// Right tiles whose columns are the tensor's rows and whose k are channels: tile (row / 16, channel / 32).
template <class Rows> static void pack_columns(uint16_t* tiles, Rows rows, size_t count, size_t size, size_t dim) {
  for (size_t i = 0; i < count; i += 16) {
    const bf16* row[16];
    for (size_t j = 0; j < 16; j++) row[j] = rows(i + j);
    for (size_t c = 0; c < dim; c += 32) {
      __m512i v[16];
      for (size_t j = 0; j < 16; j++) v[j] = load_channels(row[j], row[j], c, size);
      transpose16(v);
      uint16_t* to = tiles + (i / 16 * (dim / 32) + c / 32) * TILE_ELEMENTS;
      for (size_t j = 0; j < 16; j++) _mm512_storeu_si512(to + j * 32, v[j]);
    }
  }
}

/// Two rows of 32 bf16 as 32 pairs: the first 16 in low, the others in high.
static inline void interleave(__m512i a, __m512i b, __m512i& low, __m512i& high) {
  const __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34,
                                         2, 33, 1, 32, 0);
  low = _mm512_permutex2var_epi16(a, first, b);
  high = _mm512_permutex2var_epi16(a, _mm512_add_epi16(first, _mm512_set1_epi16(16)), b);
}

/// Right tiles whose k are the tensor's rows and whose columns are channels: tile (row / 32, channel / 16).
template <class Rows> static void pack_pairs(uint16_t* tiles, Rows rows, size_t count, size_t size, size_t dim) {
  for (size_t i = 0; i < count; i += 2) {
    const bf16 *a = rows(i), *b = rows(i + 1);
    for (size_t c = 0; c < dim; c += 32) {
      __m512i low, high;
      interleave(load_channels(a, a, c, size), load_channels(b, b, c, size), low, high);
      uint16_t* to = tiles + (i / 32 * (dim / 16) + c / 16) * TILE_ELEMENTS + i % 32 * 16;
      _mm512_storeu_si512(to, low);
      _mm512_storeu_si512(to + TILE_ELEMENTS, high);
    }
  }
}

/// Left tiles whose rows are channels and whose k are the tensor's rows: tile (row / 32, channel / 16).
template <class Rows> static void pack_channels(uint16_t* tiles, Rows rows, size_t count, size_t size, size_t dim) {
  for (size_t i = 0; i < count; i += 32)
    for (size_t c = 0; c < dim; c += 32) {
      // Pairs of rows first, so that the transpose moves 32-bit elements.
      __m512i low[16], high[16];
      for (size_t j = 0; j < 16; j++) {
        const bf16 *a = rows(i + 2 * j), *b = rows(i + 2 * j + 1);
        interleave(load_channels(a, a, c, size), load_channels(b, b, c, size), low[j], high[j]);
      }
      transpose16(low);
      transpose16(high);
      uint16_t* to = tiles + (i / 32 * (dim / 16) + c / 16) * TILE_ELEMENTS;
      for (size_t j = 0; j < 16; j++) {
        _mm512_storeu_si512(to + j * 32, low[j]);
        _mm512_storeu_si512(to + TILE_ELEMENTS + j * 32, high[j]);
      }
    }
}

/// Two vectors of 16 as 32 bf16, in order.
static inline __m512i narrow_pair(vf first, vf second) { return (__m512i)_mm512_cvtne2ps_pbh(__m512(second), __m512(first)); }

/// The same as 16 pairs (first, second): two rows of k of a right tile.
static inline __m512i narrow_to_pairs(vf first, vf second) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2,
                                         17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, narrow_pair(first, second));
}

/// Query rows of a block of queries of one key head: row r is query q_begin + r / group.
struct QueryRows {
  const Attention& a;
  const Document& d;
  int kv_head, q_begin;
  size_t count;
  size_t element(size_t row) const {
    size_t token = size_t(d.q_begin + q_begin) + row / size_t(a.group);
    return (token * size_t(a.heads) + size_t(kv_head * a.group) + row % size_t(a.group)) * size_t(a.head_dim);
  }
  int query(size_t row) const { return q_begin + int(row / size_t(a.group)); }
};

}  // namespace TT_ISA
}  // namespace tt
