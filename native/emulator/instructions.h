// The twins of native/cuda/runtime/device.h's PTX wrappers: what one instruction does to a whole warp, from the PTX ISA's tables.
#pragma once
#include "intrinsics.h"

#define TT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) ((void)(stream), emu::launch(kernel, dim3(grid), dim3(block), size_t(shared_bytes), __VA_ARGS__))
#define TT_DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(emu::current->shared)

namespace tt {

// ---- conversions ----------------------------------------------------------------------------------------------------------

inline uint16_t round_to_bf16(float value) {
  uint32_t bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
inline uint32_t pack_bf16(float low, float high) { return uint32_t(round_to_bf16(low)) | uint32_t(round_to_bf16(high)) << 16; }
inline float f16_to_f32(uint16_t bits) {
  _Float16 value;
  memcpy(&value, &bits, 2);
  return float(value);
}
inline uint16_t f32_to_f16(float value) {
  if (value != value) return 0x7fff;
  const _Float16 half = _Float16(value);
  uint16_t bits;
  memcpy(&bits, &half, 2);
  return bits;
}
inline float exp2_fast(float x) { return exp2f(x); }
inline float tanh_fast(float x) { return tanhf(x); }

// ---- matrix fragments: lane = 0…31, g = lane/4, t = lane%4 --------------------------------------------------------------------

inline void require_full_warp(const char* name, uint32_t lanes) {
  if (lanes != 0xffffffffu) emu::fail_block("%s needs all 32 lanes", name);
}

/// A (16,16): a0 = (g, 2t), a1 = (g+8, 2t), a2 = (g, 2t+8), a3 = (g+8, 2t+8), low half first. B (16,8): b0 = (k 2t, n g), b1 = (k 2t+8, n g).
/// D (16,8): d0, d1 = (g, 2t), (g, 2t+1); d2, d3 = row g+8.
inline void mma_bf16_operation(emu::Warp& w, uint32_t lanes) {
  require_full_warp("mma", lanes);
  auto value = [](uint32_t packed, int half) { return __uint_as_float(half ? packed & 0xffff0000u : packed << 16); };
  float a[16][16], b[8][16];
  for (int lane = 0; lane < 32; lane++) {
    const auto* fa = static_cast<const uint32_t*>(w.a[lane]);
    const auto* fb = static_cast<const uint32_t*>(w.b[lane]);
    const int g = lane >> 2, t = (lane & 3) * 2;
    for (int e = 0; e < 2; e++)
      for (int h = 0; h < 2; h++) {
        a[g][t + 8 * h + e] = value(fa[2 * h], e);
        a[g + 8][t + 8 * h + e] = value(fa[2 * h + 1], e);
        b[g][t + 8 * h + e] = value(fb[h], e);
      }
  }
  for (int lane = 0; lane < 32; lane++) {
    auto* d = static_cast<float*>(w.d[lane]);
    for (int i = 0; i < 4; i++) {
      const int row = (lane >> 2) + (i >> 1) * 8, column = (lane & 3) * 2 + (i & 1);
      float sum = 0;
      for (int k = 0; k < 16; k++) sum += a[row][k] * b[column][k];
      d[i] += sum;
    }
  }
}
inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emu::Warp& w = emu::my_warp();
  const int lane = emu::my_lane();
  w.a[lane] = a, w.b[lane] = b, w.d[lane] = d;
  emu::warp_barrier(0xffffffffu, "mma_bf16", mma_bf16_operation);
}

/// A (16,32): a0 = (g, 4t..4t+3), a1 = (g+8, 4t..), a2 = (g, 16+4t..), a3 = (g+8, 16+4t..). B (32,8): b0 = (k 4t.., n g), b1 = (k 16+4t.., n g).
inline void mma_int8_operation(emu::Warp& w, uint32_t lanes) {
  require_full_warp("mma", lanes);
  int a[16][32], b[8][32];
  for (int lane = 0; lane < 32; lane++) {
    const auto* fa = static_cast<const uint32_t*>(w.a[lane]);
    const auto* fb = static_cast<const uint32_t*>(w.b[lane]);
    const int g = lane >> 2, t = (lane & 3) * 4;
    for (int e = 0; e < 4; e++)
      for (int h = 0; h < 2; h++) {
        a[g][t + 16 * h + e] = int8_t(fa[2 * h] >> 8 * e);
        a[g + 8][t + 16 * h + e] = int8_t(fa[2 * h + 1] >> 8 * e);
        b[g][t + 16 * h + e] = int8_t(fb[h] >> 8 * e);
      }
  }
  for (int lane = 0; lane < 32; lane++) {
    auto* d = static_cast<int*>(w.d[lane]);
    for (int i = 0; i < 4; i++) {
      const int row = (lane >> 2) + (i >> 1) * 8, column = (lane & 3) * 2 + (i & 1);
      for (int k = 0; k < 32; k++) d[i] += a[row][k] * b[column][k];
    }
  }
}
inline void mma_int8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emu::Warp& w = emu::my_warp();
  const int lane = emu::my_lane();
  w.a[lane] = a, w.b[lane] = b, w.d[lane] = d;
  emu::warp_barrier(0xffffffffu, "mma_int8", mma_int8_operation);
}

// ---- ldmatrix -------------------------------------------------------------------------------------------------------------

inline void ldmatrix_operation(emu::Warp& w, uint32_t lanes) {
  require_full_warp("ldmatrix", lanes);
  for (int lane = 0; lane < 32; lane++) {
    auto* r = static_cast<uint32_t*>(w.d[lane]);
    for (int tile = 0; tile < 4; tile++) memcpy(&r[tile], static_cast<const char*>(w.a[tile * 8 + (lane >> 2)]) + 4 * (lane & 3), 4);
  }
}
inline void ldmatrix_trans_operation(emu::Warp& w, uint32_t lanes) {
  require_full_warp("ldmatrix", lanes);
  for (int lane = 0; lane < 32; lane++) {
    auto* r = static_cast<uint32_t*>(w.d[lane]);
    for (int tile = 0; tile < 4; tile++) {
      const auto* low = static_cast<const uint16_t*>(w.a[tile * 8 + 2 * (lane & 3)]);
      const auto* high = static_cast<const uint16_t*>(w.a[tile * 8 + 2 * (lane & 3) + 1]);
      r[tile] = low[lane >> 2] | uint32_t(high[lane >> 2]) << 16;
    }
  }
}
inline void ldmatrix(uint32_t (&r)[4], const void* row, emu::WarpOperation operation) {
  if (reinterpret_cast<uintptr_t>(row) & 15) emu::fail_block("ldmatrix: the row is not 16-byte aligned");
  emu::Warp& w = emu::my_warp();
  const int lane = emu::my_lane();
  w.a[lane] = row, w.d[lane] = r;
  emu::warp_barrier(0xffffffffu, "ldmatrix", operation);
}
inline void ldmatrix_x4(uint32_t (&r)[4], const void* row) { ldmatrix(r, row, ldmatrix_operation); }
inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) { ldmatrix(r, row, ldmatrix_trans_operation); }

// ---- cp.async: bytes land as early or as late as the schedule says -------------------------------------------------------------

inline void land(const emu::AsyncCopy& copy) {
  if (copy.in_range) memcpy(copy.to, copy.from, 16);
  else memset(copy.to, 0, 16);
}
inline void copy_async16(void* shared, const void* global, bool in_range) {
  const uintptr_t addresses = reinterpret_cast<uintptr_t>(shared) | (in_range ? reinterpret_cast<uintptr_t>(global) : 0);
  if (addresses & 15) emu::fail_block("cp.async: an address is not 16-byte aligned");
  const emu::AsyncCopy copy = {shared, global, in_range};
  if (emu::schedule().early) {
    land(copy);
    return;
  }
  emu::Quiet quiet;
  emu::current->running->open.push_back(copy);
}
inline void copy_async_commit() {
  emu::Quiet quiet;
  emu::Fiber* me = emu::current->running;
  me->groups.push_back(std::move(me->open));
  me->open.clear();
}
template <int groups> inline void copy_async_wait() {
  emu::Fiber* me = emu::current->running;
  while (me->groups.size() - me->first_group > size_t(groups)) {
    for (const emu::AsyncCopy& copy : me->groups[me->first_group]) land(copy);
    me->groups[me->first_group++].clear();
  }
  if (me->first_group == me->groups.size()) me->groups.clear(), me->first_group = 0;
}

}  // namespace tt
