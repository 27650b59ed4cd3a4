// Instructions of compute capability 9.0 for gemm_wgmma.cu: mbarriers, tensor-map loads (TMA), wgmma. Device code that uses
// them stands under TT_HOPPER: it exists for sm_90a and on the emulator, and nowhere else. PTX ISA, sections on mbarrier,
// cp.async.bulk.tensor and wgmma; descriptors as in CUTLASS' mma_sm90_desc.hpp.
#pragma once
#include "internal.h"

#if !defined(__CUDACC__)
#define TT_HOPPER 1
#include "../../emulator/hopper.h"
#else
#include <cuda.h>  // types only: nothing of libcuda is linked
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define TT_HOPPER 1
#endif

namespace tt {

using TensorMap = CUtensorMap;

/// Counts arrivals and bytes of a phase; the phase ends when all are there, and the next begins by itself. A fresh barrier is in
/// its first phase, of parity 0: waiting for parity 1 returns at once.
struct Barrier { uint64_t state; };

#ifdef TT_HOPPER

TT_GPU void barrier_init(Barrier* b, int arrivals) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(arrivals) : "memory"); }
/// After all barrier_init and before the __syncthreads that lets others use them.
TT_GPU void barrier_init_done() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
TT_GPU void barrier_arrive(Barrier* b) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory"); }
/// Arrives, and makes the phase wait for `bytes` more.
TT_GPU void barrier_expect(Barrier* b, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)), "r"(bytes) : "memory");
}
/// Waits until the phase of this parity has ended.
TT_GPU void barrier_wait(Barrier* b, int parity) {
  uint32_t ended;
  do {
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}\n"
                 : "=r"(ended)
                 : "r"(shared_address(b)), "r"(parity)
                 : "memory");
  } while (!ended);
}

/// Starts the load of the map's box at column x, row y to 1024-byte aligned shared memory; its bytes count on `b`, those outside of
/// the matrix, which become zeros, too.
TT_GPU void tensor_load(void* to, const TensorMap* map, Barrier* b, int x, int y) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(shared_address(to)),
               "l"(reinterpret_cast<uint64_t>(map)), "r"(shared_address(b)), "r"(x), "r"(y)
               : "memory");
}
TT_GPU void tensor_prefetch(const TensorMap* map) { asm volatile("prefetch.tensormap [%0];" ::"l"(reinterpret_cast<uint64_t>(map)) : "memory"); }

/// Registers move from the warps that load to those that multiply. By a whole warpgroup.
template <int registers> TT_GPU void registers_up() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers)); }
template <int registers> TT_GPU void registers_down() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers)); }

/// Before the first wgmma and whenever other instructions have touched the accumulators.
TT_GPU void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
TT_GPU void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until at most `groups` committed groups are still under way.
template <int groups> TT_GPU void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(groups) : "memory"); }

#define TT_D8(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define TT_D32(i) TT_D8(i), TT_D8(i + 8), TT_D8(i + 16), TT_D8(i + 24)

/// d (64,128) = a (64,16)·b (16,128) + (keep ? d : 0) by a warpgroup: warp w has rows 16w…16w+15 and in them what mma.m16n8k16 gives a
/// lane, 8 columns after 8 columns. TRANS_A: a lies [k][m]; TRANS_B: b lies [n][k]. One m64n128k16.
template <bool TRANS_A, bool TRANS_B> TT_GPU void wgmma(float (&d)[64], uint64_t a, uint64_t b, bool keep) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
      "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
      "}, %64, %65, p, 1, 1, %67, %68;\n}\n"
      : TT_D32(0), TT_D32(32)
      : "l"(a), "l"(b), "r"(int(keep)), "n"(int(TRANS_A)), "n"(int(!TRANS_B)));
}
/// The same, 256 columns wide: one m64n256k16.
template <bool TRANS_A, bool TRANS_B> TT_GPU void wgmma(float (&d)[128], uint64_t a, uint64_t b, bool keep) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
      "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,"
      "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,"
      "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
      "}, %128, %129, p, 1, 1, %131, %132;\n}\n"
      : TT_D32(0), TT_D32(32), TT_D32(64), TT_D32(96)
      : "l"(a), "l"(b), "r"(int(keep)), "n"(int(TRANS_A)), "n"(int(!TRANS_B)));
}
#undef TT_D32
#undef TT_D8

#endif  // TT_HOPPER

// ---- tensor maps, on the host -----------------------------------------------------------------------------------------------

using EncodeTensorMap = decltype(&cuTensorMapEncodeTiled);

/// The driver's function, found by name; null on drivers that have none.
inline EncodeTensorMap tensor_map_encoder() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &result);
#else
  const cudaError_t error = cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &result);
#endif
  return error == cudaSuccess && result == cudaDriverEntryPointSuccess ? reinterpret_cast<EncodeTensorMap>(function) : nullptr;
}
inline bool has_tensor_maps() { return tensor_map_encoder() != nullptr; }

/// Boxes of 64 columns × box_rows of a row-major bf16 matrix, swizzled by 128 bytes. False when the driver refuses: the base must
/// be 16-byte aligned, ld a multiple of 8, box_rows at most 256.
inline bool make_tensor_map(TensorMap* map, const void* base, size_t rows, size_t cols, size_t ld, int box_rows) {
  static EncodeTensorMap encode = nullptr;
  if (!encode) encode = tensor_map_encoder();
  const cuuint64_t size[2] = {cols, rows}, stride[1] = {ld * 2};
  const cuuint32_t box[2] = {64, cuuint32_t(box_rows)}, step[2] = {1, 1};
  return encode && encode(map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<void*>(base), size, stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
                          CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

}  // namespace tt
#endif

#ifdef TT_HOPPER
namespace tt {

/// What wgmma is told of an operand in shared memory that tensor_load wrote, 1024-byte aligned. Bits 0–13 address, 16–29 and 32–45
/// distances, all without their low 4 bits; 62–63: swizzle, 1 = 128 bytes. The second distance, 1024, is that from 8 rows to the next.
/// Rows of 64 k (a (m,k), b (n,k)): the first is not used, 16 of k further is 32 bytes. Rows of 64 m or n (a (k,m), b (k,n)): the
/// first is that to the next 64 m or n, 16 of k further is 16 rows.
TT_GPU uint64_t operand_descriptor(const void* shared, int next_64) {
  return uint64_t((shared_address(shared) & 0x3ffff) >> 4) | uint64_t(next_64 >> 4) << 16 | uint64_t(1024 >> 4) << 32 | uint64_t(1) << 62;
}
template <bool ROWS_OF_K> TT_GPU uint64_t operand_step(uint64_t descriptor, int k16) { return descriptor + uint64_t(k16 * (ROWS_OF_K ? 32 : 2048) >> 4); }

}  // namespace tt
#endif
