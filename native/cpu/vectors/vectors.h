// Float vectors as GCC vector types: 16 lanes with AVX-512, 8 with AVX2. The kernels written on them are one source for
// both; operators (+ - * / < ?:) are the compiler's. All of it lives in tt::TT_ISA, so the linker can never merge the
// AVX-512 copy of a function into the AVX2 kernels.
#pragma once
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // how gcc 12's own header spells "any value"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace tt::TT_ISA {

#ifdef TT_AVX512
constexpr int W = 16;
#else
constexpr int W = 8;
#endif

typedef float vf __attribute__((vector_size(W * 4)));
typedef int32_t vi __attribute__((vector_size(W * 4)));
typedef uint32_t vu __attribute__((vector_size(W * 4)));
typedef uint16_t vh __attribute__((vector_size(W * 2)));  // W numbers of bf16 or f16

struct bf16 { uint16_t bits; };
struct f16 { uint16_t bits; };

// x − 0 is x for every x, −0 and NaN too, so this is only a broadcast.
static inline vf set1(float x) { return x - vf{}; }
static inline vi set1i(int32_t x) { return vi{} + x; }
static inline vi lanes() {
#ifdef TT_AVX512
  return vi{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#else
  return vi{0, 1, 2, 3, 4, 5, 6, 7};
#endif
}

// The instruction returns its second operand when either is NaN; these names say which one that is.
static inline vf max_or_second(vf a, vf b) {
#ifdef TT_AVX512
  return vf(_mm512_max_ps(__m512(a), __m512(b)));
#else
  return vf(_mm256_max_ps(__m256(a), __m256(b)));
#endif
}
static inline vf min_or_second(vf a, vf b) {
#ifdef TT_AVX512
  return vf(_mm512_min_ps(__m512(a), __m512(b)));
#else
  return vf(_mm256_min_ps(__m256(a), __m256(b)));
#endif
}
/// Larger of the two; NaN when either is NaN.
static inline vf max_nan(vf a, vf b) { vf m = max_or_second(a, b); return a != a ? a : m; }
static inline vf min_nan(vf a, vf b) { vf m = min_or_second(a, b); return a != a ? a : m; }

static inline vf round_even(vf x) {
#ifdef TT_AVX512
  return vf(_mm512_roundscale_ps(__m512(x), 8));
#else
  return vf(_mm256_round_ps(__m256(x), 8));
#endif
}
static inline vf sqrt_v(vf x) {
#ifdef TT_AVX512
  return vf(_mm512_sqrt_ps(__m512(x)));
#else
  return vf(_mm256_sqrt_ps(__m256(x)));
#endif
}
/// a·b + c, rounded once.
static inline vf fma_v(vf a, vf b, vf c) {
#ifdef TT_AVX512
  return vf(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
#else
  return vf(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
#endif
}
static inline vf abs_v(vf x) { return vf(vi(x) & 0x7fffffff); }
static inline vi to_int(vf x) { return __builtin_convertvector(x, vi); }
static inline vf to_float(vi x) { return __builtin_convertvector(x, vf); }

/// 1/x to about 1 ulp, for x of moderate size.
static inline vf reciprocal_v(vf x) {
#ifdef TT_AVX512
  // A wide division takes as long as 30 multiplications.
  vf r = vf(_mm512_rcp14_ps(__m512(x)));
  return fma_v(r, fma_v(-x, r, set1(1)), r);
#else
  return 1.0f / x;
#endif
}

// ---- bf16, f16 --------------------------------------------------------------------------------------------------

static inline vu widen_bits(vh h) {
  // Not __builtin_convertvector: gcc 12 splits it in two.
#ifdef TT_AVX512
  return vu(_mm512_cvtepu16_epi32(__m256i(h)));
#else
  return vu(_mm256_cvtepu16_epi32(__m128i(h)));
#endif
}
static inline vf widen(vh h) { return vf(widen_bits(h) << 16); }

/// Round to nearest even; NaN stays NaN. There is an instruction for it, which the first AVX-512 servers lack and which
/// takes denormals for zero: the copies of the kernels in ../amx use it.
static inline vh narrow(vf x) {
#ifdef __AVX512BF16__
  return vh(_mm512_cvtneps_pbh(__m512(x)));
#endif
  vu u = vu(x);
  vu rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  vu quiet = (u >> 16) | 0x40u;
  vu bits = vu(x != x) ? quiet : rounded;
#ifdef TT_AVX512
  return vh(_mm512_cvtepi32_epi16(__m512i(bits)));
#else
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(__m256i(bits), __m256i(bits)), 0xd8);
  return vh(_mm256_castsi256_si128(packed));
#endif
}

static inline float widen1(uint16_t bits) { return __builtin_bit_cast(float, uint32_t(bits) << 16); }
static inline uint16_t narrow1(float x) {
  uint32_t u = __builtin_bit_cast(uint32_t, x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return uint16_t((u >> 16) | 0x40u);
  return uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
static inline float get(const float* p) { return *p; }
static inline float get(const bf16* p) { return widen1(p->bits); }
static inline void put(float* p, float x) { *p = x; }
static inline void put(bf16* p, float x) { p->bits = narrow1(x); }

static inline vf widen_f16(vh h) {
#ifdef TT_AVX512
  return vf(_mm512_cvtph_ps(__m256i(h)));
#else
  return vf(_mm256_cvtph_ps(__m128i(h)));
#endif
}
static inline vh narrow_f16(vf x) {
#ifdef TT_AVX512
  return vh(_mm512_cvtps_ph(__m512(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
  return vh(_mm256_cvtps_ph(__m256(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#endif
}

// ---- memory -----------------------------------------------------------------------------------------------------

template <class V, class T> static inline V load_bits(const T* p) { V v; memcpy(&v, p, sizeof v); return v; }
template <class V, class T> static inline void store_bits(T* p, V v) { memcpy(p, &v, sizeof v); }

static inline vf load(const float* p) { return load_bits<vf>(p); }
static inline vf load(const bf16* p) { return widen(load_bits<vh>(p)); }
static inline vf load(const f16* p) { return widen_f16(load_bits<vh>(p)); }
static inline vf load(const int32_t* p) { return to_float(load_bits<vi>(p)); }
static inline void store(float* p, vf v) { store_bits(p, v); }
static inline void store(bf16* p, vf v) { store_bits(p, narrow(v)); }
static inline void store(f16* p, vf v) { store_bits(p, narrow_f16(v)); }

/// Past the caches; p is aligned to what a vector takes there. _mm_sfence() before another thread reads it.
static inline void stream(float* p, vf v) {
#ifdef TT_AVX512
  _mm512_stream_ps(p, __m512(v));
#else
  _mm256_stream_ps(p, __m256(v));
#endif
}
static inline void stream(bf16* p, vf v) {
#ifdef TT_AVX512
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), __m256i(narrow(v)));
#else
  _mm_stream_si128(reinterpret_cast<__m128i*>(p), __m128i(narrow(v)));
#endif
}
/// Whether W elements at p may be streamed, and with them the whole vectors that follow.
template <class T> static inline bool streamable(const T* p) { return uintptr_t(p) % (W * sizeof(T)) == 0; }

/// The first n < W elements, `rest` in the other lanes.
template <class T> static inline vf load_n(const T* p, size_t n, float rest = 0) {
  vf v = set1(rest);
  T buffer[W];
  memset(buffer, 0, sizeof buffer);
  memcpy(buffer, p, n * sizeof(T));
  vf all = load(buffer);
  return lanes() < int32_t(n) ? all : v;
}
template <class T> static inline void store_n(T* p, vf v, size_t n) {
  T buffer[W];
  store(buffer, v);
  memcpy(p, buffer, n * sizeof(T));
}
#ifdef TT_AVX512
static inline __mmask16 first_lanes(size_t n) { return __mmask16((1u << n) - 1); }
template <> inline vf load_n<float>(const float* p, size_t n, float rest) {
  return vf(_mm512_mask_loadu_ps(__m512(set1(rest)), first_lanes(n), p));
}
template <> inline void store_n<float>(float* p, vf v, size_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), __m512(v)); }
#endif

// ---- across lanes -----------------------------------------------------------------------------------------------

/// Pairwise, always in the same order.
static inline float sum_lanes(vf v) {
#ifdef TT_AVX512
  return _mm512_reduce_add_ps(__m512(v));
#else
  __m128 m = _mm_add_ps(_mm256_castps256_ps128(__m256(v)), _mm256_extractf128_ps(__m256(v), 1));
  m = _mm_add_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_add_ss(m, _mm_movehdup_ps(m)));
#endif
}
/// For numbers that are not NaN.
static inline float max_lanes_finite(vf v) {
#ifdef TT_AVX512
  return _mm512_reduce_max_ps(__m512(v));
#else
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(__m256(v)), _mm256_extractf128_ps(__m256(v), 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
#endif
}
/// NaN when a lane is.
static inline float max_lanes(vf v) {
  float a[W];
  store(a, v);
  float m = a[0];
  for (int i = 1; i < W; i++) m = a[i] > m || a[i] != a[i] ? a[i] : m;
  return m;
}

// ---- transposing ------------------------------------------------------------------------------------------------

template <int STEP> static inline void exchange(vf* r) {
  vi low = (lanes() & STEP) != 0 ? lanes() - STEP + W : lanes();
  vi high = (lanes() & STEP) != 0 ? lanes() + W : lanes() + STEP;
#pragma GCC unroll 16
  for (int i = 0; i < W; i++) {
    if (i & STEP) continue;
    vf a = r[i], b = r[i + STEP];
    r[i] = __builtin_shuffle(a, b, low);
    r[i + STEP] = __builtin_shuffle(a, b, high);
  }
}
/// W×W transpose in registers.
static inline void transpose_square(vf* r) {
  exchange<1>(r);
  exchange<2>(r);
  exchange<4>(r);
  if constexpr (W == 16) exchange<8>(r);
}

// ---- dtypes -----------------------------------------------------------------------------------------------------

/// Runs the statements with T = bf16 or float.
#define TT_BY_DTYPE(dtype, T, ...)                      \
  do {                                                  \
    if ((dtype) == TT_BF16) { using T = bf16; __VA_ARGS__; } \
    else { using T = float; __VA_ARGS__; }              \
  } while (0)

// ---- loops ------------------------------------------------------------------------------------------------------

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
  _mm_sfence();
  map(y + i, a + i, b + i, n - i, f);
}

}  // namespace tt::TT_ISA
