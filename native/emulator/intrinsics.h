// CUDA's built-in variables and functions that kernels call directly.
#pragma once
#include <math.h>
#include <string.h>

#include <atomic>

#include "block.h"

#ifndef INFINITY
#define INFINITY __builtin_inff()
#endif

#define threadIdx (emu::current->running->thread)
#define blockIdx (emu::current->index)
#define blockDim (emu::current->size)
#define gridDim (emu::current->grid)

#define EMU_TEXT_(x) #x
#define EMU_TEXT(x) EMU_TEXT_(x)
#define EMU_PLACE __FILE__ ":" EMU_TEXT(__LINE__)
#define __syncthreads() ((void)emu::block_barrier(0, EMU_PLACE))
#define __syncthreads_or(vote) (emu::block_barrier((vote), EMU_PLACE) > 0)
#define __syncthreads_count(vote) (emu::block_barrier((vote), EMU_PLACE))
#define __syncwarp(...) emu::sync_warp(EMU_PLACE __VA_OPT__(, ) __VA_ARGS__)

namespace emu {

inline void sync_warp(const char* place, uint32_t lanes = 0xffffffffu) { warp_barrier(lanes, place); }

template <class T> inline uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8, "shuffles move at most 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T> inline T from_bits(uint64_t bits) {
  T value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline void shuffle_operation(Warp& w, uint32_t lanes) {
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest), source = w.argument[lane];
    if (!(lanes >> source & 1)) fail_block("shuffle: lane %d reads lane %d, which takes no part", lane, source);
    w.out[lane] = w.in[source];
  }
}
/// `source` counts within the group of `width` lanes that the caller belongs to.
template <class T> inline T shuffle(uint32_t lanes, T value, int source, int width) {
  Warp& w = my_warp();
  const int lane = my_lane();
  w.in[lane] = to_bits(value);
  w.argument[lane] = (lane & ~(width - 1)) | (source & (width - 1));
  warp_barrier(lanes, "__shfl_sync", shuffle_operation);
  return from_bits<T>(w.out[lane]);
}

inline void ballot_operation(Warp& w, uint32_t lanes) {
  uint32_t votes = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) votes |= uint32_t(w.in[__builtin_ctz(rest)] != 0) << __builtin_ctz(rest);
  for (uint64_t& out : w.out) out = votes;
}

}  // namespace emu

// ---- warps ------------------------------------------------------------------------------------------------------------

template <class T> T __shfl_sync(uint32_t lanes, T value, int source, int width = 32) { return emu::shuffle(lanes, value, source, width); }
template <class T> T __shfl_xor_sync(uint32_t lanes, T value, int mask, int width = 32) {
  const int lane = emu::my_lane(), source = lane ^ mask, group = ~(width - 1);
  return emu::shuffle(lanes, value, (source & group) == (lane & group) ? source : lane, width);
}
template <class T> T __shfl_down_sync(uint32_t lanes, T value, int delta, int width = 32) {
  const int lane = emu::my_lane() & (width - 1);
  return emu::shuffle(lanes, value, lane + delta < width ? lane + delta : lane, width);
}
template <class T> T __shfl_up_sync(uint32_t lanes, T value, int delta, int width = 32) {
  const int lane = emu::my_lane() & (width - 1);
  return emu::shuffle(lanes, value, lane >= delta ? lane - delta : lane, width);
}
inline uint32_t __ballot_sync(uint32_t lanes, int vote) {
  emu::Warp& w = emu::my_warp();
  const int lane = emu::my_lane();
  w.in[lane] = vote != 0;
  emu::warp_barrier(lanes, "__ballot_sync", emu::ballot_operation);
  return uint32_t(w.out[lane]);
}
inline int __any_sync(uint32_t lanes, int vote) { return __ballot_sync(lanes, vote) != 0; }
inline int __all_sync(uint32_t lanes, int vote) { return __ballot_sync(lanes, vote) == lanes; }
inline uint32_t __activemask() { return emu::my_warp().live; }

// ---- bits and arithmetic ----------------------------------------------------------------------------------------------

inline int __popc(uint32_t x) { return __builtin_popcount(x); }
inline int __popcll(uint64_t x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline uint32_t __brev(uint32_t x) {
  uint32_t y = 0;
  for (int i = 0; i < 32; i++) y |= (x >> i & 1) << (31 - i);
  return y;
}
inline uint32_t __funnelshift_l(uint32_t low, uint32_t high, uint32_t shift) {
  shift &= 31;
  return shift ? high << shift | low >> (32 - shift) : high;
}
inline uint32_t __funnelshift_r(uint32_t low, uint32_t high, uint32_t shift) {
  shift &= 31;
  return shift ? low >> shift | high << (32 - shift) : low;
}
inline uint32_t __byte_perm(uint32_t x, uint32_t y, uint32_t selector) {
  const uint64_t bytes = uint64_t(y) << 32 | x;
  uint32_t out = 0;
  for (int i = 0; i < 4; i++) out |= uint32_t(bytes >> 8 * (selector >> 4 * i & 7) & 0xff) << 8 * i;
  return out;
}
inline uint32_t __float_as_uint(float x) { return emu::from_bits<uint32_t>(emu::to_bits(x)); }
inline float __uint_as_float(uint32_t x) { return emu::from_bits<float>(x); }
inline int __float_as_int(float x) { return emu::from_bits<int>(emu::to_bits(x)); }
inline float __int_as_float(int x) { return emu::from_bits<float>(emu::to_bits(x)); }
inline int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 4; i++) c += int(int8_t(a >> 8 * i)) * int(int8_t(b >> 8 * i));
  return c;
}
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return uint32_t(uint64_t(a) * b >> 32); }
inline float rsqrtf(float x) { return 1.f / sqrtf(x); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1.f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline int __float2int_rn(float x) { return int(nearbyintf(x)); }

// ---- memory -------------------------------------------------------------------------------------------------------------

inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() {}
inline void __threadfence_system() { __threadfence(); }
template <class T> T __ldg(const T* p) { return *p; }
template <class T> T __ldcs(const T* p) { return *p; }
template <class T> void __stcs(T* p, T value) { *p = value; }

template <class T> T atomicCAS(T* p, T expected, T value) {
  __atomic_compare_exchange(p, &expected, &value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}
namespace emu {
template <class T, class F> inline T atomic_update(T* p, F change) {
  T old, wanted;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  do wanted = change(old);
  while (!__atomic_compare_exchange(p, &old, &wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
  return old;
}
}  // namespace emu
template <class T> T atomicAdd(T* p, T value) { return emu::atomic_update(p, [=](T old) { return T(old + value); }); }
template <class T> T atomicMax(T* p, T value) { return emu::atomic_update(p, [=](T old) { return old < value ? value : old; }); }
template <class T> T atomicMin(T* p, T value) { return emu::atomic_update(p, [=](T old) { return value < old ? value : old; }); }
template <class T> T atomicOr(T* p, T value) { return emu::atomic_update(p, [=](T old) { return T(old | value); }); }
template <class T> T atomicAnd(T* p, T value) { return emu::atomic_update(p, [=](T old) { return T(old & value); }); }
template <class T> T atomicExch(T* p, T value) { return emu::atomic_update(p, [=](T) { return value; }); }
