// The matrix product of Hopper (sm_90a): one warpgroup loads by TMA, two multiply by wgmma, blocks stay and take tile after tile.
//
// A ring of stages in shared memory, each a 128×64 piece of a and a BN×64 piece of b, swizzled by 128 bytes. Per stage two
// barriers: `full` (the bytes are there) and `empty` (all 8 warps that multiply are done with it). A tile's results pass through a
// small slab a warp, so that c is read and written 16 bytes at a time while the next tile's stages are already being filled.
// The portable twin is gemm_mma.h.
#include "gemm_wgmma.h"

#include "gemm_task.h"
#include "../runtime/hopper.h"

namespace tt {
namespace {

constexpr int BM = 128, BK = 64, GROUP = 128, THREADS = 3 * GROUP, CONSUMER_WARPS = 8;
[[maybe_unused]] constexpr int BOX = 64 * BK * 2;            // bytes of 64 × 64
[[maybe_unused]] constexpr int SLAB_COLUMNS = 32;
constexpr int SLAB_STRIDE = 40, SLAB = 16 * SLAB_STRIDE;  // floats; this stride spares bank conflicts

template <int BN> struct Ring {
  static constexpr int STAGES = BN == 256 ? 4 : 6, A_BYTES = BM * BK * 2, B_BYTES = BN * BK * 2, STAGE = A_BYTES + B_BYTES;
  static constexpr int SHARED = STAGES * STAGE + CONSUMER_WARPS * SLAB * 4 + 2 * STAGES * 8;
};

/// The maps of a, b, u and l; the last two only with a LoRA term.
struct Maps { TensorMap a, b, u, l; };

template <int BN, bool TRANS_A, bool TRANS_B>
__global__ void __launch_bounds__(THREADS, 1) gemm_wgmma_kernel(const __grid_constant__ Maps maps, const __grid_constant__ GemmTask t) {
#ifdef TT_HOPPER
  using R = Ring<BN>;
  constexpr int STAGES = R::STAGES;
  TT_DYNAMIC_SHARED(unsigned char, shared);  // stages first: each begins at a multiple of 1024 bytes
  float* const slabs = reinterpret_cast<float*>(shared + STAGES * R::STAGE);
  Barrier* const full = reinterpret_cast<Barrier*>(slabs + CONSUMER_WARPS * SLAB);
  Barrier* const empty = full + STAGES;
  const Gemm& g = t.g;
  const int tile_rows = (g.m + BM - 1) / BM, tile_columns = (g.n + BN - 1) / BN;
  const int own = (g.k + BK - 1) / BK, steps = own + (g.rank + BK - 1) / BK;
  const int group = int(threadIdx.x) / GROUP, lane = int(threadIdx.x) & 31;

  if (threadIdx.x == 0) {
    for (int s = 0; s < STAGES; s++) {
      barrier_init(full + s, 1);
      barrier_init(empty + s, CONSUMER_WARPS);
    }
    barrier_init_done();
  }
  __syncthreads();

  int stage = 0, phase = 0;
  if (group == 0) {
    registers_down<40>();
    if (threadIdx.x == 0) {
      tensor_prefetch(&maps.a);
      tensor_prefetch(&maps.b);
      for (int tile = int(blockIdx.x); tile < tile_rows * tile_columns; tile += int(gridDim.x)) {
        const TilePlace place = banded_tile(tile, tile_rows, tile_columns);
        const int m0 = place.row * BM, n0 = place.column * BN;
        for (int step = 0; step < steps; step++) {
          barrier_wait(empty + stage, phase ^ 1);  // the first round passes at once
          barrier_expect(full + stage, R::STAGE);
          unsigned char *const a = shared + stage * R::STAGE, *const b = a + R::A_BYTES;
          const bool lora = step >= own;
          const int k0 = (lora ? step - own : step) * BK;
          const TensorMap *const map_a = lora ? &maps.u : &maps.a, *const map_b = lora ? &maps.l : &maps.b;
          if (TRANS_A)
            for (int i = 0; i < BM / 64; i++) tensor_load(a + i * BOX, map_a, full + stage, m0 + i * 64, k0);
          else tensor_load(a, map_a, full + stage, k0, m0);
          if (TRANS_B) tensor_load(b, map_b, full + stage, k0, n0);
          else
            for (int i = 0; i < BN / 64; i++) tensor_load(b + i * BOX, map_b, full + stage, n0 + i * 64, k0);
          if (++stage == STAGES) stage = 0, phase ^= 1;
        }
      }
    }
  } else {
    registers_up<232>();
    const int warp = (int(threadIdx.x) - GROUP) >> 5;
    float* const slab = slabs + warp * SLAB;
    for (int tile = int(blockIdx.x); tile < tile_rows * tile_columns; tile += int(gridDim.x)) {
      const TilePlace place = banded_tile(tile, tile_rows, tile_columns);
      // Cleared here, not by the first wgmma: with its predicate CUDA 12's ptxas would make every wgmma wait for the one before.
      float d[BN / 2];
      TT_UNROLL
      for (int i = 0; i < BN / 2; i++) d[i] = 0;
      int last = -1;
      for (int step = 0; step < steps; step++) {
        barrier_wait(full + stage, phase);
        const unsigned char* const from = shared + stage * R::STAGE;
        // This group's 64 rows of a are one box, or half of the one box: 64 rows × 128 bytes either way.
        const uint64_t a = operand_descriptor(from + (group - 1) * BOX, BOX), b = operand_descriptor(from + R::A_BYTES, BOX);
        wgmma_fence();
        TT_UNROLL
        for (int k = 0; k < BK / 16; k++) wgmma<TRANS_A, TRANS_B>(d, operand_step<!TRANS_A>(a, k), operand_step<TRANS_B>(b, k), true);
        wgmma_commit();
        wgmma_wait<1>();  // the step before is done: its stage may be filled again
        if (last >= 0 && lane == 0) barrier_arrive(empty + last);
        last = stage;
        if (++stage == STAGES) stage = 0, phase ^= 1;
      }
      wgmma_wait<0>();
      if (lane == 0) barrier_arrive(empty + last);

      const int row0 = place.row * BM + warp * 16, column0 = place.column * BN;
      TT_UNROLL
      for (int part = 0; part < BN / SLAB_COLUMNS; part++) {
        TT_UNROLL
        for (int half = 0; half < 2; half++)
          TT_UNROLL
          for (int j = 0; j < SLAB_COLUMNS / 8; j++) {
            const int at = (part * (SLAB_COLUMNS / 8) + j) * 4 + half * 2;
            *reinterpret_cast<float2*>(slab + (half * 8 + (lane >> 2)) * SLAB_STRIDE + j * 8 + (lane & 3) * 2) = float2{d[at], d[at + 1]};
          }
        __syncwarp();
#pragma unroll 1
        for (int i = lane; i < 16 * SLAB_COLUMNS / 4; i += 32) {
          const int row = i / (SLAB_COLUMNS / 4), run = i % (SLAB_COLUMNS / 4);
          gemm_finish(t, 0, 0, row0 + row, column0 + part * SLAB_COLUMNS + run * 4, *reinterpret_cast<const FloatRun*>(slab + row * SLAB_STRIDE + run * 4));
        }
        __syncwarp();
      }
    }
  }
#else
  (void)maps, (void)t;
#endif
}

template <int BN, bool TRANS_A, bool TRANS_B> tt_status launch(const char* op, const Gpu& gpu, const GemmTask& task, cudaStream_t stream) {
  const Gemm& g = task.g;
  alignas(64) Maps maps;
  bool made = TRANS_A ? make_tensor_map(&maps.a, g.a, size_t(g.k), size_t(g.m), g.lda, 64) : make_tensor_map(&maps.a, g.a, size_t(g.m), size_t(g.k), g.lda, BM);
  auto map_b = [](TensorMap* map, const void* from, int depth, int n, size_t ld) {
    return TRANS_B ? make_tensor_map(map, from, size_t(n), size_t(depth), ld, BN) : make_tensor_map(map, from, size_t(depth), size_t(n), ld, 64);
  };
  made = made && map_b(&maps.b, g.b, g.k, g.n, g.ldb);
  maps.u = maps.a;
  maps.l = maps.b;
  if (g.rank) {
    made = made && make_tensor_map(&maps.u, g.u, size_t(g.m), size_t(g.rank), size_t(g.rank), BM);
    made = made && map_b(&maps.l, g.l, g.rank, g.n, size_t(TRANS_B ? g.rank : g.n));
  }
  if (!made) return fail(TT_DEVICE, "%s: the driver made no tensor map of (%d,%d,%d)", op, g.m, g.n, g.k);
  auto kernel = gemm_wgmma_kernel<BN, TRANS_A, TRANS_B>;
  if (tt_status bad = allow_shared(op, kernel, Ring<BN>::SHARED)) return bad;
  const int64_t tiles = int64_t(ceil_div(g.m, BM)) * ceil_div(g.n, BN);
  const unsigned blocks = unsigned(tiles < gpu.multiprocessors ? tiles : gpu.multiprocessors);
  TT_LAUNCH(kernel, dim3(blocks), dim3(THREADS), Ring<BN>::SHARED, stream, maps, task);
  return launched(op, stream);
}

template <int BN> tt_status launch(const char* op, const Gpu& gpu, const GemmTask& task, cudaStream_t stream) {
  if (task.g.trans_a) return task.g.trans_b ? launch<BN, true, true>(op, gpu, task, stream) : launch<BN, true, false>(op, gpu, task, stream);
  return task.g.trans_b ? launch<BN, false, true>(op, gpu, task, stream) : launch<BN, false, false>(op, gpu, task, stream);
}

bool can_map(const void* base, size_t ld) { return aligned16(base) && ld % 8 == 0; }

}  // namespace

const char* wgmma_unavailable(const Gpu& gpu) {
  if (gpu.capability != 90) return "it is for compute capability 9.0 (H100, H200)";
  return has_tensor_maps() ? nullptr : "the driver has no cuTensorMapEncodeTiled";
}

bool wgmma_supports(const Gpu&, const Gemm& g) {
  // Not among what `auto` may take before it was measured on a GPU.
  if (options().gemm != GEMM_WGMMA) return false;
  if (g.dtype != TT_BF16 || g.batch != 1 || g.k == 0 || !can_map(g.a, g.lda) || !can_map(g.b, g.ldb)) return false;
  if (!g.rank) return true;
  return !g.trans_a && can_map(g.u, size_t(g.rank)) && can_map(g.l, size_t(g.trans_b ? g.rank : g.n));
}

tt_status gemm_wgmma(const char* op, const Gpu& gpu, const Gemm& g, cudaStream_t stream) {
  GemmTask task;
  task.g = g;
  task.wide = g.n % 4 == 0 && g.ldc % 4 == 0 && aligned16(g.c) && (!g.copy || (g.ld_copy % 4 == 0 && aligned16(g.copy)));
  // Wide tiles read less shared memory per product; narrow ones when there would not be a wide one for every multiprocessor.
  const int64_t wide_tiles = int64_t(ceil_div(g.m, BM)) * ceil_div(g.n, 256);
  return wide_tiles >= gpu.multiprocessors ? launch<256>(op, gpu, task, stream) : launch<128>(op, gpu, task, stream);
}

}  // namespace tt
