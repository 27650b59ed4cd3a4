// Kernels with one mistake each, and their right twins: what the emulator must catch. Part of the emulated build only.
#include "../cuda/runtime/internal.h"

namespace tt {
namespace {

constexpr int THREADS = 64, TILE = THREADS * 4;

/// out[i] = x[reversed i], through shared memory. Without the barrier a thread reads what another has not written yet.
template <bool barrier> __global__ void reverse(float* out, const float* x) {
  TT_DYNAMIC_SHARED(float, shared);
  const int i = int(threadIdx.x);
  shared[i] = x[i];
  if (barrier) __syncthreads();
  out[i] = shared[THREADS - 1 - i];
}

/// Sums tiles that come by cp.async, two buffers in turn. `wait`: before the tile is read; `trailing`: everyone has left a buffer
/// before it is filled again.
template <bool wait, bool trailing> __global__ void sum_tiles(float* out, const float* x, int tiles) {
  TT_DYNAMIC_SHARED(float, shared);
  const int i = int(threadIdx.x);
  float sum = 0;
  copy_async16(shared + i * 4, x + i * 4, true);
  copy_async_commit();
  for (int tile = 0; tile < tiles; tile++) {
    float* now = shared + (tile & 1) * TILE;
    if (tile + 1 < tiles) copy_async16(shared + ((tile + 1) & 1) * TILE + i * 4, x + size_t(tile + 1) * TILE + i * 4, true);
    copy_async_commit();
    if (wait) copy_async_wait<1>();
    __syncthreads();
    for (int k = 0; k < 4; k++) sum += now[(THREADS - 1 - i) * 4 + k];
    if (trailing) __syncthreads();
  }
  if (wait) copy_async_wait<0>();
  out[i] = sum;
}

/// Writes `extra` elements behind its shared memory.
__global__ void overflow(float* out, const float* x, int extra) {
  TT_DYNAMIC_SHARED(float, shared);
  shared[threadIdx.x + extra] = x[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = shared[threadIdx.x];
}

/// The same on an array of fixed size: AddressSanitizer knows its end.
__global__ void overflow_static(float* out, const float* x, int extra) {
  __shared__ float shared[THREADS];
  shared[threadIdx.x + extra] = x[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = shared[threadIdx.x];
}

/// Half of a warp waits for the block, the other half for the warp: nobody goes on.
__global__ void divergent(float* out, const float* x) {
  if (threadIdx.x < 16) __syncthreads();
  else __syncwarp();
  out[threadIdx.x] = x[threadIdx.x];
}

/// Both warps write the same word: whoever is last wins, so the numbers look right.
template <bool guarded> __global__ void same_word(float* out, const float* x) {
  __shared__ float word;
  if (threadIdx.x == 0 || (!guarded && threadIdx.x == 32)) word = x[0];
  __syncthreads();
  out[threadIdx.x] = word;
}

}  // namespace
}  // namespace tt

using namespace tt;

/// Runs planted kernel `which` on x (4 tiles of 256 f32), out (64 f32).
extern "C" TT_API tt_status tt_emulator_planted(float* out, const float* x, const char* which) {
  TT_READY("tt_emulator_planted");
  const dim3 one(1), block(THREADS);
  auto is = [&](const char* name) { return !strcmp(which, name); };
  auto run = [&](auto kernel, size_t shared, auto... more) { TT_LAUNCH(kernel, one, block, shared, gpu.stream, out, x, more...); };
  const size_t reversed = THREADS * sizeof(float), tiles = 2 * TILE * sizeof(float);
  if (is("right reverse")) run(reverse<true>, reversed);
  else if (is("missing barrier")) run(reverse<false>, reversed);
  else if (is("right copies")) run(sum_tiles<true, true>, tiles, 4);
  else if (is("missing copy wait")) run(sum_tiles<false, true>, tiles, 4);
  else if (is("missing trailing barrier")) run(sum_tiles<true, false>, tiles, 4);
  else if (is("shared-memory overflow")) run(overflow, reversed, 3);
  else if (is("static shared-memory overflow")) run(overflow_static, 0, 3);
  else if (is("divergent barrier")) run(divergent, 0);
  else if (is("right word")) run(same_word<true>, 0);
  else if (is("race on a word")) run(same_word<false>, 0);
  else return fail(TT_BAD_ARGUMENT, "tt_emulator_planted: there is no \"%s\"", which);
  return launched(which, gpu.stream);
}
