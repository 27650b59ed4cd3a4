// What NEON and WebAssembly share: the sections of avx512.h and avx2.h by Clang's builtins, which it compiles to two registers'
// worth of instructions for either. neon.h and wasm.h add what the builtins do not reach.
#pragma once

namespace tt::TT_ISA {

// ---- arithmetic ---------------------------------------------------------------------------------------------------

/// The second operand when either is NaN.
TT_INLINE vf max_or_second(vf a, vf b) { return a > b ? a : b; }
TT_INLINE vf min_or_second(vf a, vf b) { return a < b ? a : b; }
TT_INLINE vf round_even(vf x) { return __builtin_elementwise_roundeven(x); }
TT_INLINE vf sqrt_v(vf x) { return __builtin_elementwise_sqrt(x); }
/// 1/x to about 1 ulp, for x of moderate size.
TT_INLINE vf reciprocal_v(vf x) { return 1.0f / x; }

// ---- 16 bits ------------------------------------------------------------------------------------------------------

TT_INLINE vu widen_bits(vh h) { return __builtin_convertvector(h, vu); }
/// The low 16 bits of each lane.
TT_INLINE vh low_halves(vu x) { return __builtin_convertvector(x, vh); }

// ---- memory -------------------------------------------------------------------------------------------------------

TT_INLINE vf first_floats(const float* p, size_t n) {
  float buffer[W] = {};
  copy_first(buffer, p, n);
  return load_bits<vf>(buffer);
}
TT_INLINE void put_floats(float* p, vf v, size_t n) {
  float buffer[W];
  store_bits(buffer, v);
  copy_first(p, buffer, n);
}
TT_INLINE vh first_halves(const uint16_t* p, size_t n) {
  uint16_t buffer[W] = {};
  copy_first(buffer, p, n);
  return load_bits<vh>(buffer);
}
TT_INLINE void put_halves(uint16_t* p, vh v, size_t n) {
  uint16_t buffer[W];
  store_bits(buffer, v);
  copy_first(p, buffer, n);
}
template <class T, class V> TT_INLINE void stream_bits(T* p, V v) { store_bits(p, v); }
TT_INLINE void stream_fence() {}

// ---- across lanes -------------------------------------------------------------------------------------------------

typedef float vq __attribute__((vector_size(16)));  // half a vector
TT_INLINE vq low_half(vf v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3); }
TT_INLINE vq high_half(vf v) { return __builtin_shufflevector(v, v, 4, 5, 6, 7); }
TT_INLINE vf join(vq low, vq high) { return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7); }

/// Pairwise, always in the same order.
TT_INLINE float sum_lanes(vf v) {
  vq q = low_half(v) + high_half(v);
  return (q[0] + q[2]) + (q[1] + q[3]);
}
/// For numbers that are not NaN.
TT_INLINE float max_lanes_finite(vf v) {
  float m = v[0];
  TT_UNROLL for (int i = 1; i < W; i++) m = v[i] > m ? v[i] : m;
  return m;
}

/// W×W transpose in registers: row i of the result is column i of what was there.
TT_INLINE void transpose_square(vf* r) {
  vf t[8], s[8];
  TT_UNROLL for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  TT_UNROLL for (int i = 0; i < 8; i += 4) {
    s[i] = __builtin_shufflevector(t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    s[i + 1] = __builtin_shufflevector(t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    s[i + 2] = __builtin_shufflevector(t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    s[i + 3] = __builtin_shufflevector(t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  TT_UNROLL for (int i = 0; i < 4; i++) {
    r[i] = __builtin_shufflevector(s[i], s[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = __builtin_shufflevector(s[i], s[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// ---- integers -----------------------------------------------------------------------------------------------------

struct Product { vu high, low; };
/// 32×32 → 64 bit products of all lanes with a constant.
TT_INLINE Product multiply_wide(vu a, uint32_t constant) {
  typedef uint64_t vl __attribute__((vector_size(W * 8)));
  vl product = __builtin_convertvector(a, vl) * uint64_t(constant);
  return {__builtin_convertvector(product >> 32, vu), __builtin_convertvector(product, vu)};
}
/// words[r·W + 4·q + c] = column c at lane 4·q + r, for r = 0 … 3: the columns as rows of four words.
TT_INLINE void store_interleaved(uint32_t* words, vu c0, vu c1, vu c2, vu c3) {
  vu low01 = __builtin_shufflevector(c0, c1, 0, 8, 1, 9, 4, 12, 5, 13), high01 = __builtin_shufflevector(c0, c1, 2, 10, 3, 11, 6, 14, 7, 15);
  vu low23 = __builtin_shufflevector(c2, c3, 0, 8, 1, 9, 4, 12, 5, 13), high23 = __builtin_shufflevector(c2, c3, 2, 10, 3, 11, 6, 14, 7, 15);
  store_bits(words, __builtin_shufflevector(low01, low23, 0, 1, 8, 9, 4, 5, 12, 13));
  store_bits(words + W, __builtin_shufflevector(low01, low23, 2, 3, 10, 11, 6, 7, 14, 15));
  store_bits(words + 2 * W, __builtin_shufflevector(high01, high23, 0, 1, 8, 9, 4, 5, 12, 13));
  store_bits(words + 3 * W, __builtin_shufflevector(high01, high23, 2, 3, 10, 11, 6, 7, 14, 15));
}

// ---- codes --------------------------------------------------------------------------------------------------------

TT_INLINE vf gather(const float* table, vi index) {
  vf v{};
  TT_UNROLL for (int i = 0; i < W; i++) v[i] = table[index[i]];
  return v;
}
/// W bytes as lanes.
TT_INLINE vi load_codes(const uint8_t* p) { return __builtin_convertvector(load_bits<vb>(p), vi); }
TT_INLINE vi load_codes(const int8_t* p) {
  typedef int8_t signed_bytes __attribute__((vector_size(W)));
  return __builtin_convertvector(load_bits<signed_bytes>(p), vi);
}
/// The low byte of each lane.
TT_INLINE void store_codes(uint8_t* p, vi codes) { store_bits(p, __builtin_convertvector(codes, vb)); }
/// The W codes in W/2 bytes, the high nibble first.
TT_INLINE vi load_nibbles(const uint8_t* p) {
  typedef uint8_t four __attribute__((vector_size(4)));
  four bytes = load_bits<four>(p);
  return __builtin_convertvector(vb(__builtin_shufflevector(bytes >> 4, bytes & 15, 0, 4, 1, 5, 2, 6, 3, 7)), vi);
}
/// The inverse: codes of 4 bits.
TT_INLINE void store_nibbles(uint8_t* p, vi codes) {
  const vb bytes = __builtin_convertvector(codes, vb);
  store_bits(p, __builtin_shufflevector(bytes, bytes, 0, 2, 4, 6) << 4 | __builtin_shufflevector(bytes, bytes, 1, 3, 5, 7));
}

struct Signs { uint32_t plus, minus; };

}  // namespace tt::TT_ISA
