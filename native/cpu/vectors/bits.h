// Vectors of bits and of bytes, W words each: counting bits, sums of products of bytes, bits as lanes and back. What differs between instruction sets
// stands here under the same names. Not floats: vectors.h.
#pragma once
#include "vectors.h"

namespace tt::TT_ISA {

constexpr int BYTES = W * 4;
typedef uint8_t vbytes __attribute__((vector_size(BYTES)));

TT_INLINE vu load_words(const uint32_t* p) { return load_bits<vu>(p); }
TT_INLINE void store_words(uint32_t* p, vu v) { store_bits(p, v); }
/// The first n ≤ W words, 0 in the other lanes; nothing behind them is read or written.
#if TT_AVX512
TT_INLINE vu load_words_n(const uint32_t* p, size_t n) { return vu(_mm512_maskz_loadu_epi32(first_lanes(n), p)); }
TT_INLINE void store_words_n(uint32_t* p, vu v, size_t n) { _mm512_mask_storeu_epi32(p, first_lanes(n), __m512i(v)); }
#elif TT_AVX2
TT_INLINE vu load_words_n(const uint32_t* p, size_t n) { return vu(_mm256_maskload_epi32(reinterpret_cast<const int*>(p), first_lanes(n))); }
TT_INLINE void store_words_n(uint32_t* p, vu v, size_t n) { _mm256_maskstore_epi32(reinterpret_cast<int*>(p), first_lanes(n), __m256i(v)); }
#else
TT_INLINE vu load_words_n(const uint32_t* p, size_t n) {
  uint32_t buffer[W] = {};
  copy_first(buffer, p, n);
  return load_bits<vu>(buffer);
}
TT_INLINE void store_words_n(uint32_t* p, vu v, size_t n) {
  uint32_t buffer[W];
  store_bits(buffer, v);
  copy_first(p, buffer, n);
}
#endif
TT_INLINE vbytes each_byte(uint32_t x) { return vbytes(vu{} + 0x01010101u * x); }
TT_INLINE vbytes load_bytes(const void* p) { return load_bits<vbytes>(static_cast<const uint8_t*>(p)); }

// ---- bits and lanes ---------------------------------------------------------------------------------------------------

#if TT_AVX512
/// Bit i: lane i of a comparison.
TT_INLINE uint32_t bits_of_lanes(vi lanes) { return _mm512_movepi32_mask(__m512i(lanes)); }
/// x in the lanes whose bit is set, 0 in the others.
TT_INLINE vf where_bits(uint32_t bits, vf x) { return vf(_mm512_maskz_mov_ps(__mmask16(bits), __m512(x))); }
#else
TT_INLINE vi lane_bits() { return (vi{} + 1) << lanes(); }
TT_INLINE vf where_bits(uint32_t bits, vf x) { return vf((((vi{} + int32_t(bits)) & lane_bits()) != 0) & vi(x)); }
#if TT_AVX2
TT_INLINE uint32_t bits_of_lanes(vi lanes) { return uint32_t(_mm256_movemask_ps(__m256(lanes))); }
#else
TT_INLINE uint32_t bits_of_lanes(vi lanes) {
  const vi bits = lanes & lane_bits();
  uint32_t all = 0;
  TT_UNROLL for (int i = 0; i < W; i++) all |= uint32_t(bits[i]);
  return all;
}
#endif
#endif

/// 32 trits as bytes: bits of plus are 1, bits of minus −1.
TT_INLINE void store_trits(int8_t* p, uint32_t plus, uint32_t minus) {
#if TT_AVX512
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_sub_epi8(_mm256_movm_epi8(minus), _mm256_movm_epi8(plus)));
#else
  typedef uint8_t v32 __attribute__((vector_size(32)));
  const v32 bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
#if TT_AVX2
  const __m256i each = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
  const auto spread = [&](uint32_t bits) { return v32(_mm256_shuffle_epi8(_mm256_set1_epi32(int32_t(bits)), each)); };
#else
  typedef uint8_t v4 __attribute__((vector_size(4)));
  const auto spread = [&](uint32_t bits) {
    const v4 b = __builtin_bit_cast(v4, bits);
    return __builtin_shufflevector(b, b, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  };
#endif
  // A comparison that holds is −1.
  const v32 up = v32((spread(plus) & bit) != 0), down = v32((spread(minus) & bit) != 0);
  store_bits(p, down - up);
#endif
}

// ---- counting ---------------------------------------------------------------------------------------------------------

// Counts of bits wait in vectors for COUNT_STEPS steps at most, then total_count takes them.
#if TT_AVX512
#if defined(__AVX512VPOPCNTDQ__)
#define TT_COUNTS 1
typedef int64_t vcount __attribute__((vector_size(64)));
constexpr int COUNT_STEPS = 1 << 20;
TT_INLINE vcount count_bits(vcount sum, vu bits) { return sum + vcount(_mm512_popcnt_epi64(__m512i(bits))); }
TT_INLINE int32_t total_count(vcount sum) { return int32_t(_mm512_reduce_add_epi64(__m512i(sum))); }
#endif
#else
#define TT_COUNTS 1
typedef vbytes vcount;
constexpr int COUNT_STEPS = 31;  // of 8 bits a byte
#if TT_AVX2
TT_INLINE vcount count_bits(vcount sum, vu bits) {
  const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i low = _mm256_and_si256(__m256i(bits), _mm256_set1_epi8(15)), high = _mm256_and_si256(_mm256_srli_epi16(__m256i(bits), 4), _mm256_set1_epi8(15));
  return sum + vcount(_mm256_add_epi8(_mm256_shuffle_epi8(table, low), _mm256_shuffle_epi8(table, high)));
}
TT_INLINE int32_t total_count(vcount sum) {
  const __m256i four = _mm256_sad_epu8(__m256i(sum), _mm256_setzero_si256());
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  return _mm_cvtsi128_si32(two) + _mm_extract_epi32(two, 2);
}
#else
typedef uint8_t half_bytes __attribute__((vector_size(16)));
TT_INLINE half_bytes low_bytes(vbytes v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
TT_INLINE half_bytes high_bytes(vbytes v) { return __builtin_shufflevector(v, v, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31); }
TT_INLINE vcount count_bits(vcount sum, vu bits) { return sum + __builtin_elementwise_popcount(vbytes(bits)); }
TT_INLINE int32_t total_count(vcount sum) {
#if TT_NEON
  return int32_t(vaddlvq_u8(uint8x16_t(low_bytes(sum)))) + int32_t(vaddlvq_u8(uint8x16_t(high_bytes(sum))));
#else
  const v128_t pairs = wasm_i16x8_add(wasm_u16x8_extadd_pairwise_u8x16(v128_t(low_bytes(sum))), wasm_u16x8_extadd_pairwise_u8x16(v128_t(high_bytes(sum))));
  const v128_t fours = wasm_u32x4_extadd_pairwise_u16x8(pairs);
  return wasm_i32x4_extract_lane(fours, 0) + wasm_i32x4_extract_lane(fours, 1) + wasm_i32x4_extract_lane(fours, 2) + wasm_i32x4_extract_lane(fours, 3);
#endif
}
#endif
#endif

}  // namespace tt::TT_ISA
