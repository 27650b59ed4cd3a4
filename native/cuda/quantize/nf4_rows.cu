// A few rows times a 4-bit weight, read once and never written out: the product of generation.
//
// The weight is the A operand of mma (16 outputs a block), the rows of x are its narrow side. A packed byte holds elements
// (k, k+1) of a row, which is exactly one register of an A fragment: a table of 256 pairs of bf16 turns bytes into fragments.
#include "codebooks.h"
#include "quantized.h"

namespace tt {
namespace {

constexpr int WARPS = 8, THREADS = WARPS * 32;
constexpr int OUTPUTS = 16;  // of a block
constexpr int CHUNK = 64;    // elements of k that a warp takes at a time: within one block of the weight
constexpr int AHEAD = 4;     // chunks whose weights are on the way while one is multiplied
constexpr int STEPS = CHUNK / 16;

/// What a lane needs of a chunk: 16 elements of two rows of the weight, and their scales.
struct Packed {
  uint2 low, high;
  float low_scale, high_scale;
};

/// TOKENS8: eights of rows of x. The order of k inside a chunk is free as long as both sides have the same: lane t of four takes
/// elements 16t … 16t+15, so that it loads 8 bytes of a weight row and 32 of a row of x. A chunk is summed as bare codes and
/// then scaled in f32. The warps take chunks in turn and meet in shared memory, in a fixed order.
template <int TOKENS8>
__global__ void __launch_bounds__(THREADS) nf4_rows_kernel(bf16* y, const bf16* x, QuantizedWeight w, LinearTail tail, int rows, int in, int out) {
  TT_DYNAMIC_SHARED(uint32_t, pairs);  // [256][32]: one copy of the table a lane, so that lookups never meet in a bank; then the sums
  __shared__ float map[256];
  const int lane = int(threadIdx.x & 31), warp = int(threadIdx.x >> 5), g = lane >> 2, t = lane & 3;
  const int first_out = int(blockIdx.x) * OUTPUTS, chunks = in / CHUNK;
  if (w.nested) {
    fill_dynamic_map(map, true);
    __syncthreads();
  }
  // Outputs past the end are computed from the last row and dropped.
  const size_t low_row = size_t(first_out + g < out ? first_out + g : out - 1);
  const size_t high_row = size_t(first_out + g + 8 < out ? first_out + g + 8 : out - 1);
  const uint8_t* data = static_cast<const uint8_t*>(w.data);
  const auto load = [&](int chunk) {
    Packed p = {};
    if (chunk >= chunks) return p;
    const size_t low = low_row * in + size_t(chunk) * CHUNK, high = high_row * in + size_t(chunk) * CHUNK;
    p.low = *reinterpret_cast<const uint2*>(data + low / 2 + t * 8);
    p.high = *reinterpret_cast<const uint2*>(data + high / 2 + t * 8);
    p.low_scale = block_absmax(w, map, low >> w.block_log2);
    p.high_scale = block_absmax(w, map, high >> w.block_log2);
    return p;
  };
  Packed ahead[AHEAD];
  TT_UNROLL
  for (int i = 0; i < AHEAD; i++) ahead[i] = load(warp + i * WARPS);

  // The table is made while the first weights travel.
  for (int byte = warp; byte < 256; byte += WARPS) pairs[byte * 32 + lane] = pack_bf16(CODES_4BIT[w.kind][byte >> 4], CODES_4BIT[w.kind][byte & 15]);
  __syncthreads();

  float total[TOKENS8][4] = {};
  for (int base = warp; base < chunks; base += WARPS * AHEAD) {
    TT_UNROLL
    for (int i = 0; i < AHEAD; i++) {
      const int chunk = base + i * WARPS;
      if (chunk >= chunks) break;  // the same for the whole warp
      const Packed p = ahead[i];
      ahead[i] = load(chunk + WARPS * AHEAD);
      uint4 tokens[TOKENS8][2];
      TT_UNROLL
      for (int j = 0; j < TOKENS8; j++) {
        const int token = j * 8 + g < rows ? j * 8 + g : rows - 1;
        const uint4* from = reinterpret_cast<const uint4*>(x + size_t(token) * in + size_t(chunk) * CHUNK + t * 16);
        tokens[j][0] = from[0];
        tokens[j][1] = from[1];
      }
      float sum[TOKENS8][4] = {};
      TT_UNROLL
      for (int step = 0; step < STEPS; step++) {
        const uint32_t low = (step < 2 ? p.low.x : p.low.y) >> (16 * (step & 1)), high = (step < 2 ? p.high.x : p.high.y) >> (16 * (step & 1));
        const uint32_t a[4] = {pairs[(low & 255) * 32 + lane], pairs[(high & 255) * 32 + lane], pairs[(low >> 8 & 255) * 32 + lane],
                               pairs[(high >> 8 & 255) * 32 + lane]};
        TT_UNROLL
        for (int j = 0; j < TOKENS8; j++) {
          const uint4 four = tokens[j][step >> 1];
          const uint32_t b[2] = {step & 1 ? four.z : four.x, step & 1 ? four.w : four.y};
          mma_bf16(sum[j], a, b);
        }
      }
      TT_UNROLL
      for (int j = 0; j < TOKENS8; j++)
        TT_UNROLL
        for (int e = 0; e < 4; e++) total[j][e] += (e < 2 ? p.low_scale : p.high_scale) * sum[j][e];
    }
  }

  __syncthreads();  // the table is not needed any more
  constexpr int TOKENS = TOKENS8 * 8;
  float* sums = reinterpret_cast<float*>(pairs);  // [WARPS][OUTPUTS][TOKENS]
  TT_UNROLL
  for (int j = 0; j < TOKENS8; j++)
    TT_UNROLL
    for (int e = 0; e < 4; e++) sums[(warp * OUTPUTS + g + (e >> 1) * 8) * TOKENS + j * 8 + t * 2 + (e & 1)] = total[j][e];
  __syncthreads();
  for (int i = int(threadIdx.x); i < OUTPUTS * TOKENS; i += THREADS) {
    const int output = i % OUTPUTS, token = i / OUTPUTS, n = first_out + output;
    if (token >= rows || n >= out) continue;
    float value = 0;
    TT_UNROLL
    for (int v = 0; v < WARPS; v++) value += sums[(v * OUTPUTS + output) * TOKENS + token];
    y[size_t(token) * out + n] = from_float<bf16>(value + tail_at<bf16>(tail, token, n));
  }
}

}  // namespace

bool fits_nf4_rows(const QuantizedWeight& w, const void* x, int rows, int in, tt_dtype dtype) {
  return dtype == TT_BF16 && rows <= FEW_ROWS && in % CHUNK == 0 && aligned16(x) && (reinterpret_cast<uintptr_t>(w.data) & 7) == 0;
}

tt_status nf4_rows(const char* op, const Gpu&, void* y, const void* x, const QuantizedWeight& w, const LinearTail& tail, int rows, int in, int out,
                   cudaStream_t stream) {
  constexpr size_t SHARED = 256 * 32 * sizeof(uint32_t);
  const dim3 grid(unsigned((out + OUTPUTS - 1) / OUTPUTS));
  auto kernel = rows <= 8 ? nf4_rows_kernel<1> : nf4_rows_kernel<2>;
  TT_LAUNCH(kernel, grid, dim3(THREADS), SHARED, stream, static_cast<bf16*>(y), static_cast<const bf16*>(x), w, tail, rows, in, out);
  return launched(op, stream);
}

}  // namespace tt
