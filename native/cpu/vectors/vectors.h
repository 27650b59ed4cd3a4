// Float vectors as vector types of GCC and Clang: 16 lanes with AVX-512, 8 elsewhere (two registers of NEON or WebAssembly).
//
// A kernel is written once on them; operators (+ - * / < ?:) are the compiler's. What differs between instruction sets, and
// no more, stands in avx512.h, avx2.h, neon.h and wasm.h under the same names. All of it lives in tt::TT_ISA, so the linker
// can never merge the AVX-512 copy of a function into the AVX2 kernels.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TT_INLINE static inline __attribute__((always_inline))

// Bounds of loops that are to be unrolled whole: small constants.
#if defined(__clang__)
#define TT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TT_UNROLL _Pragma("GCC unroll 16")
#endif

namespace tt::TT_ISA {

#if TT_AVX512
constexpr int W = 16;
#else
constexpr int W = 8;
#endif

typedef float vf __attribute__((vector_size(W * 4)));
typedef int32_t vi __attribute__((vector_size(W * 4)));
typedef uint32_t vu __attribute__((vector_size(W * 4)));
typedef uint16_t vh __attribute__((vector_size(W * 2)));  // W numbers of bf16 or f16
typedef uint8_t vb __attribute__((vector_size(W)));

struct bf16 { uint16_t bits; };
struct f16 { uint16_t bits; };
// Not &p->bits, which to a compiler is one number and not the first of many.
template <class T> TT_INLINE const uint16_t* bits_of(const T* p) { return reinterpret_cast<const uint16_t*>(p); }
template <class T> TT_INLINE uint16_t* bits_of(T* p) { return reinterpret_cast<uint16_t*>(p); }

// x − 0 is x for every x, −0 and NaN too, so this is only a broadcast.
TT_INLINE vf set1(float x) { return x - vf{}; }
TT_INLINE vi lanes() {
#if TT_AVX512
  return vi{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#else
  return vi{0, 1, 2, 3, 4, 5, 6, 7};
#endif
}

TT_INLINE vf abs_v(vf x) { return vf(vi(x) & 0x7fffffff); }
TT_INLINE vf to_float(vi x) { return __builtin_convertvector(x, vf); }

template <class V, class T> TT_INLINE V load_bits(const T* p) { V v; memcpy(&v, p, sizeof v); return v; }
template <class V, class T> TT_INLINE void store_bits(T* p, V v) { memcpy(p, &v, sizeof v); }

/// Copies the first n ≤ W elements in pieces of constant size: a call of memcpy would cost the registers of a loop around it.
template <class T> TT_INLINE void copy_first(T* to, const T* from, size_t n) {
  if (n == size_t(W)) {
    memcpy(to, from, W * sizeof(T));
    return;
  }
  size_t i = 0;
#if TT_AVX512
  if (n & 8) memcpy(to, from, 8 * sizeof(T)), i = 8;
#endif
  if (n & 4) memcpy(to + i, from + i, 4 * sizeof(T)), i += 4;
  if (n & 2) memcpy(to + i, from + i, 2 * sizeof(T)), i += 2;
  if (n & 1) to[i] = from[i];
}

/// Fetches the line at p into L1 (NEAR) or L2, whatever p is.
enum class Cache { NEAR = 3, FAR = 2 };
template <Cache CACHE = Cache::NEAR, class T> TT_INLINE void prefetch(const T* p) { __builtin_prefetch(p, 0, int(CACHE)); }

}  // namespace tt::TT_ISA

#if TT_AVX512
#include "avx512.h"
#elif TT_AVX2
#include "avx2.h"
#elif TT_NEON
#include "neon.h"
#elif TT_WASM
#include "wasm.h"
#endif

namespace tt::TT_ISA {

/// Larger of the two; NaN when either is NaN.
TT_INLINE vf max_nan(vf a, vf b) { vf m = max_or_second(a, b); return a != a ? a : m; }
TT_INLINE vf min_nan(vf a, vf b) { vf m = min_or_second(a, b); return a != a ? a : m; }

// ---- bf16 ---------------------------------------------------------------------------------------------------------

TT_INLINE vf widen(vh h) { return vf(widen_bits(h) << 16); }

/// Round to nearest even; NaN stays NaN. There is an instruction for it, which the first AVX-512 servers lack and which
/// takes denormals for zero: *.amx.cpp are compiled for it.
TT_INLINE vh narrow(vf x) {
#ifdef __AVX512BF16__
  return vh(_mm512_cvtneps_pbh(__m512(x)));
#else
  vu u = vu(x);
  vu rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  vu quiet = (u >> 16) | 0x40u;
  return low_halves(vu(x != x) ? quiet : rounded);
#endif
}

TT_INLINE float widen1(uint16_t bits) { return __builtin_bit_cast(float, uint32_t(bits) << 16); }
TT_INLINE uint16_t narrow1(float x) {
  uint32_t u = __builtin_bit_cast(uint32_t, x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return uint16_t((u >> 16) | 0x40u);
  return uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
TT_INLINE float get(const float* p) { return *p; }
TT_INLINE float get(const bf16* p) { return widen1(p->bits); }
TT_INLINE void put(float* p, float x) { *p = x; }
TT_INLINE void put(bf16* p, float x) { p->bits = narrow1(x); }

// ---- memory -------------------------------------------------------------------------------------------------------

TT_INLINE vf load(const float* p) { return load_bits<vf>(p); }
TT_INLINE vf load(const bf16* p) { return widen(load_bits<vh>(p)); }
TT_INLINE vf load(const f16* p) { return widen_f16(load_bits<vh>(p)); }
TT_INLINE vf load(const int32_t* p) { return to_float(load_bits<vi>(p)); }
TT_INLINE void store(float* p, vf v) { store_bits(p, v); }
TT_INLINE void store(bf16* p, vf v) { store_bits(p, narrow(v)); }
TT_INLINE void store(f16* p, vf v) { store_bits(p, narrow_f16(v)); }

/// Past the caches where the CPU can; p is aligned to what a vector takes there. stream_fence() before another thread reads it.
TT_INLINE void stream(float* p, vf v) { stream_bits(p, v); }
TT_INLINE void stream(bf16* p, vf v) { stream_bits(p, narrow(v)); }
/// Whether W elements at p may be streamed, and with them the whole vectors that follow.
template <class T> TT_INLINE bool streamable(const T* p) { return uintptr_t(p) % (W * sizeof(T)) == 0; }

/// The first n lanes of x, `rest` in the others.
TT_INLINE vf keep_n(vf x, vf rest, size_t n) { return lanes() < int32_t(n) ? x : rest; }

/// The first n ≤ W elements, `rest` in the other lanes; nothing behind them is read.
TT_INLINE vf load_n(const float* p, size_t n) { return first_floats(p, n); }
TT_INLINE vf load_n(const bf16* p, size_t n) { return widen(first_halves(bits_of(p), n)); }
TT_INLINE vf load_n(const f16* p, size_t n) { return widen_f16(first_halves(bits_of(p), n)); }
template <class T> TT_INLINE vf load_n(const T* p, size_t n, float rest) { return keep_n(load_n(p, n), set1(rest), n); }
TT_INLINE void store_n(float* p, vf v, size_t n) { put_floats(p, v, n); }
TT_INLINE void store_n(bf16* p, vf v, size_t n) { put_halves(bits_of(p), narrow(v), n); }
TT_INLINE void store_n(f16* p, vf v, size_t n) { put_halves(bits_of(p), narrow_f16(v), n); }

// ---- across lanes -------------------------------------------------------------------------------------------------

/// NaN when a lane is.
TT_INLINE float max_lanes(vf v) {
  float a[W];
  store(a, v);
  float m = a[0];
  for (int i = 1; i < W; i++) m = a[i] > m || a[i] != a[i] ? a[i] : m;
  return m;
}

// ---- dtypes -------------------------------------------------------------------------------------------------------

/// Runs the statements with T = bf16 or float.
#define TT_BY_DTYPE(dtype, T, ...)                      \
  do {                                                  \
    if ((dtype) == TT_BF16) { using T = bf16; __VA_ARGS__; } \
    else { using T = float; __VA_ARGS__; }              \
  } while (0)

// ---- loops --------------------------------------------------------------------------------------------------------

/// y[i] = f(x[i])
template <class Y, class X, class F> static inline void map(Y* y, const X* x, size_t n, F f) {
  size_t i = 0;
  for (; i + W <= n; i += W) store(y + i, f(load(x + i)));
  if (i < n) store_n(y + i, f(load_n(x + i, n - i)), n - i);
}
/// y[i] = f(a[i], b[i])
template <class Y, class A, class B, class F> static inline void map(Y* y, const A* a, const B* b, size_t n, F f) {
  size_t i = 0;
  for (; i + W <= n; i += W) store(y + i, f(load(a + i), load(b + i)));
  if (i < n) store_n(y + i, f(load_n(a + i, n - i), load_n(b + i, n - i)), n - i);
}
/// The same for y that nobody reads soon.
template <class Y, class A, class B, class F> static inline void map_streamed(Y* y, const A* a, const B* b, size_t n, F f) {
  if (!streamable(y)) return map(y, a, b, n, f);
  size_t i = 0;
  for (; i + W <= n; i += W) stream(y + i, f(load(a + i), load(b + i)));
  stream_fence();
  map(y + i, a + i, b + i, n - i, f);
}

}  // namespace tt::TT_ISA
