// The one header for device code: real CUDA under nvcc, the emulator of native/emulator under any C++17 compiler.
//
// Everything that is not plain C++ stands here: instructions by inline PTX, launches, dynamic shared memory. A kernel that
// uses only this header, CUDA's built-in variables and its warp intrinsics runs unchanged on both.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__CUDACC__)
#include <cuda_runtime.h>

#define TT_GPU __device__ __forceinline__
#define TT_HOST_DEVICE __host__ __device__ __forceinline__
#define TT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) kernel<<<grid, block, shared_bytes, stream>>>(__VA_ARGS__)
#define TT_DYNAMIC_SHARED(type, name)                              \
  extern __shared__ __align__(1024) unsigned char tt_dynamic_shared[]; \
  type* name = reinterpret_cast<type*>(tt_dynamic_shared)
#define TT_UNROLL _Pragma("unroll")

namespace tt {

TT_GPU uint32_t shared_address(const void* pointer) { return uint32_t(__cvta_generic_to_shared(pointer)); }

/// Two f32 as packed bf16, `low` in bits 0..15, rounded to nearest even.
TT_GPU uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
TT_GPU uint16_t round_to_bf16(float value) { return uint16_t(pack_bf16(value, 0.f)); }
TT_GPU float f16_to_f32(uint16_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
TT_GPU uint16_t f32_to_f16(float value) {
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
/// 2^x, error about 2^-22; denormal results are 0.
TT_GPU float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/// tanh, error about 2^-11: for values that are rounded to bf16 anyway.
TT_GPU float tanh_fast(float x) {
  float y;
  asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// d += a·b: a (16,16) row, b (16,8) column fragments of bf16, d (16,8) f32 (PTX ISA, mma.m16n8k16).
TT_GPU void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/// d += a·b: a (16,32), b (32,8) fragments of int8, d (16,8) int32 (mma.m16n8k32.s8).
TT_GPU void mma_int8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/// Four 8×8 tiles of 16-bit elements; every lane gives the shared-memory address of one 16-byte row.
TT_GPU void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
TT_GPU void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
/// 16 bytes from global to shared memory, in the background; zeros when `in_range` is false (then nothing is read).
TT_GPU void copy_async16(void* shared, const void* global, bool in_range) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(in_range ? 16 : 0) : "memory");
}
TT_GPU void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until at most `groups` of this thread's latest groups are still under way.
template <int groups> TT_GPU void copy_async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory"); }

}  // namespace tt

#else
#include "../../emulator/emulator.h"
#endif

namespace tt {

// ---- element types ----------------------------------------------------------------------------------------------

struct bf16 { uint16_t bits; };
struct f16 { uint16_t bits; };

TT_GPU float low_bf16(uint32_t packed) { return __uint_as_float(packed << 16); }
TT_GPU float high_bf16(uint32_t packed) { return __uint_as_float(packed & 0xffff0000u); }

TT_GPU float to_float(float x) { return x; }
TT_GPU float to_float(bf16 x) { return low_bf16(x.bits); }
TT_GPU float to_float(f16 x) { return f16_to_f32(x.bits); }
TT_GPU float to_float(int32_t x) { return float(x); }
TT_GPU float to_float(uint8_t x) { return float(x); }
TT_GPU float to_float(int8_t x) { return float(x); }

template <class T> TT_GPU T from_float(float x);
template <> TT_GPU float from_float<float>(float x) { return x; }
template <> TT_GPU bf16 from_float<bf16>(float x) { return {round_to_bf16(x)}; }
template <> TT_GPU f16 from_float<f16>(float x) { return {f32_to_f16(x)}; }

/// 16 bytes of elements, moved by one instruction.
template <class T> struct alignas(16) Pack {
  static constexpr int size = 16 / int(sizeof(T));
  T at[size];
};
template <class T> TT_GPU Pack<T> load_pack(const T* p) { return *reinterpret_cast<const Pack<T>*>(p); }
template <class T> TT_GPU void store_pack(T* p, const Pack<T>& pack) { *reinterpret_cast<Pack<T>*>(p) = pack; }

/// Two elements of 16 bits, `low` in the low half.
template <class T> TT_GPU uint32_t round_pair(float low, float high);
template <> TT_GPU uint32_t round_pair<bf16>(float low, float high) { return pack_bf16(low, high); }
template <> TT_GPU uint32_t round_pair<f16>(float low, float high) { return f32_to_f16(low) | uint32_t(f32_to_f16(high)) << 16; }

// ---- reductions: every thread gets the result, always summed in the same order ------------------------------------

TT_GPU float warp_sum(float v) {
  TT_UNROLL
  for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}
TT_GPU double warp_sum(double v) {
  TT_UNROLL
  for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}
TT_GPU float warp_max(float v) {
  TT_UNROLL
  for (int o = 16; o; o >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, o));
  return v;
}
/// Sum over a block of `threads` (a multiple of 32). `shared` has threads/32 entries and is free again on return.
template <class T> TT_GPU T block_sum(T v, T* shared, int threads) {
  v = warp_sum(v);
  if (threads == 32) return v;
  if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = v;
  __syncthreads();
  T total = 0;
  for (int w = 0; w < threads / 32; w++) total += shared[w];
  __syncthreads();
  return total;
}
TT_GPU float block_max(float v, float* shared, int threads) {
  v = warp_max(v);
  if (threads == 32) return v;
  if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = v;
  __syncthreads();
  float top = shared[0];
  for (int w = 1; w < threads / 32; w++) top = fmaxf(top, shared[w]);
  __syncthreads();
  return top;
}

// ---- faults: what only the device can see --------------------------------------------------------------------------

/// In pinned host memory; the first fault wins and is reported by the next call that waits.
struct Fault {
  int kind;  // 0: none; an entry of FaultKind
  int reserved;
  int64_t value, limit;
};
enum FaultKind { FAULT_NONE = 0, FAULT_GATHER_INDEX = 1, FAULT_SCATTER_INDEX = 2, FAULT_TARGET = 3, FAULT_POSITION = 4, FAULT_OFFSETS = 5, FAULT_HISTORY = 6, FAULT_LOGITS = 7 };

TT_GPU void report_fault(Fault* fault, int kind, int64_t value, int64_t limit) {
  if (atomicCAS(&fault->kind, 0, kind) == 0) {
    fault->value = value;
    fault->limit = limit;
  }
}

// ---- shared-memory tiles ---------------------------------------------------------------------------------------------

/// Where 16-byte chunk `chunk` of row `row` lies in a tile of CHUNKS chunks a row, in elements of 2 bytes. The xor keeps ldmatrix
/// (8 rows, one chunk column) and cp.async free of bank conflicts: 8 consecutive rows hit 8 different 16-byte bank groups.
template <int CHUNKS> TT_GPU int swizzle(int row, int chunk) {
  const int flip = CHUNKS % 8 == 0 ? row & 7 : CHUNKS % 4 == 0 ? (row >> 1) & 3 : CHUNKS % 2 == 0 ? (row >> 2) & 1 : 0;
  return (row * CHUNKS + (chunk ^ flip)) * 8;
}

}  // namespace tt
