// A few rows of int8 times a weight of int8 or packed trits, read once: the product of generation, memory-bound.
//
// As in nf4_rows.cu the weight is the A operand of mma and the rows of x are its narrow side. Four packed trits of one byte
// column belong to four outputs a quarter of the weight apart: a shift and a mask of a 32-bit word give four consecutive k of
// one output, an A register, with no shuffling.
#include "quantized.h"

namespace tt {
namespace {

constexpr int WARPS = 8, THREADS = WARPS * 32;
constexpr int CHUNK = 64;  // bytes of k that a warp takes at a time: 16 of each lane of four
constexpr int AHEAD = 4;   // chunks whose weights are on the way while one is multiplied

TT_GPU uint4 load16(const void* p) { return *static_cast<const uint4*>(p); }
TT_GPU uint32_t word_of(const uint4& v, int i) { return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w; }

/// TRITS: 8 packed rows a block, 32 outputs; the codes are 1 more than the trits, so the sum of the row of x, which comes from an
/// A operand of ones, is taken off in the end. Otherwise 16 rows of int8, 16 outputs. RUNS: trits with several scales a row, which a chunk never
/// leaves; S is what is added up between warps: int, or with RUNS float.
template <class T, int TOKENS8, bool TRITS, bool RUNS, class S> __global__ void __launch_bounds__(THREADS) int8_rows_kernel(Int8Product p) {
  constexpr int HALVES = TRITS ? 2 : 1, OUTPUTS = 16 * HALVES, ROWS = TRITS ? 1 : 2;  // ROWS of the weight that a lane loads
  constexpr int TOKENS = TOKENS8 * 8;
  __shared__ S sums[WARPS * OUTPUTS * TOKENS];
  const int lane = int(threadIdx.x & 31), warp = int(threadIdx.x >> 5), g = lane >> 2, t = lane & 3;
  const int weight_rows = TRITS ? p.out / 4 : p.out, first_row = int(blockIdx.x) * 8 * ROWS, chunks = (p.stride + CHUNK - 1) / CHUNK;
  const uint8_t* weight = static_cast<const uint8_t*>(p.w);

  struct Packed { uint4 row[ROWS]; };
  const auto load = [&](int chunk) {
    Packed packed = {};
    const int k = chunk * CHUNK + t * 16;
    if (chunk >= chunks || k >= p.stride) return packed;
    TT_UNROLL
    for (int r = 0; r < ROWS; r++) {
      // Rows past the end are computed from the last one and dropped.
      const int row = first_row + r * 8 + g < weight_rows ? first_row + r * 8 + g : weight_rows - 1;
      packed.row[r] = load16(weight + size_t(row) * p.stride + k);
    }
    return packed;
  };
  Packed ahead[AHEAD];
  TT_UNROLL
  for (int i = 0; i < AHEAD; i++) ahead[i] = load(warp + i * WARPS);

  int total[HALVES][TOKENS8][4] = {}, x_sum[TOKENS8][4] = {};
  float scaled[HALVES][TOKENS8][4] = {};
  for (int base = warp; base < chunks; base += WARPS * AHEAD) {
    TT_UNROLL
    for (int i = 0; i < AHEAD; i++) {
      const int chunk = base + i * WARPS;
      if (chunk >= chunks) break;  // the same for the whole warp
      const Packed packed = ahead[i];
      ahead[i] = load(chunk + WARPS * AHEAD);
      const int k = chunk * CHUNK + t * 16;
      uint4 tokens[TOKENS8];
      TT_UNROLL
      for (int j = 0; j < TOKENS8; j++) {
        const int token = j * 8 + g < p.rows ? j * 8 + g : p.rows - 1;
        tokens[j] = k < p.stride ? load16(p.x + size_t(token) * p.stride + k) : uint4{};
      }
      TT_UNROLL
      for (int step = 0; step < 2; step++) {
        TT_UNROLL
        for (int j = 0; j < TOKENS8; j++) {
          const uint32_t b[2] = {word_of(tokens[j], 2 * step), word_of(tokens[j], 2 * step + 1)};
          TT_UNROLL
          for (int h = 0; h < HALVES; h++) {
            const uint32_t first = word_of(packed.row[0], 2 * step), second = word_of(packed.row[0], 2 * step + 1);
            if (TRITS) {
              constexpr uint32_t MASK = 0x03030303u;
              const uint32_t a[4] = {first >> (4 * h) & MASK, first >> (4 * h + 2) & MASK, second >> (4 * h) & MASK, second >> (4 * h + 2) & MASK};
              mma_int8(total[h][j], a, b);
            } else {
              const uint32_t a[4] = {first, word_of(packed.row[ROWS - 1], 2 * step), second, word_of(packed.row[ROWS - 1], 2 * step + 1)};
              mma_int8(total[h][j], a, b);
            }
          }
          if (TRITS) {
            const uint32_t ones[4] = {0x01010101u, 0x01010101u, 0x01010101u, 0x01010101u};
            mma_int8(x_sum[j], ones, b);
          }
        }
      }
      if (RUNS) {
        TT_UNROLL
        for (int j = 0; j < TOKENS8; j++)
          TT_UNROLL
          for (int e = 0; e < 4; e++) {
            TT_UNROLL
            for (int h = 0; h < HALVES; h++) {
              const int row = first_row + g < weight_rows ? first_row + g : weight_rows - 1, quarter = h * 2 + (e >> 1);
              const float scale = p.scale[(size_t(row) + size_t(quarter) * weight_rows) * p.runs + chunk * CHUNK / p.run];
              scaled[h][j][e] += float(total[h][j][e] - x_sum[j][e]) * scale;
              total[h][j][e] = 0;
            }
            x_sum[j][e] = 0;
          }
      }
    }
  }

  TT_UNROLL
  for (int h = 0; h < HALVES; h++)
    TT_UNROLL
    for (int j = 0; j < TOKENS8; j++)
      TT_UNROLL
      for (int e = 0; e < 4; e++)
        sums[(warp * OUTPUTS + h * 16 + g + (e >> 1) * 8) * TOKENS + j * 8 + t * 2 + (e & 1)] = RUNS ? S(scaled[h][j][e]) : S(total[h][j][e] - (TRITS ? x_sum[j][e] : 0));
  __syncthreads();
  const T* exact = static_cast<const T*>(p.x_exact);
  T* y = static_cast<T*>(p.y);
  for (int i = int(threadIdx.x); i < OUTPUTS * TOKENS; i += THREADS) {
    const int output = i % OUTPUTS, token = i / OUTPUTS, row = first_row + (TRITS ? output % 8 : output);
    if (token >= p.rows || row >= weight_rows) continue;
    const int n = TRITS ? row + output / 8 * weight_rows : row;
    S sum = 0;
    TT_UNROLL
    for (int v = 0; v < WARPS; v++) sum += sums[(v * OUTPUTS + output) * TOKENS + token];
    float value = float(sum) * (p.absmax[token] * (1.f / 127.f)) * weight_scale(p, n);
    if (!TRITS && p.outliers) {
      float kept = 0;
      const int8_t* values = static_cast<const int8_t*>(p.w) + size_t(n) * p.stride;
      for (int o = 0, count = p.outlier_count[0]; o < count; o++)
        kept += to_float(exact[size_t(token) * p.in + p.outliers[o]]) * float(values[p.outliers[o]]);
      value += kept * weight_scale(p, n);
    }
    y[size_t(token) * p.out + n] = from_float<T>(value + tail_at<T>(p.tail, token, n));
  }
}

template <class T, bool TRITS, bool RUNS, class S> void launch(const Int8Product& p, cudaStream_t stream) {
  constexpr int WEIGHT_ROWS = TRITS ? 8 : 16;
  const int weight_rows = TRITS ? p.out / 4 : p.out;
  const dim3 grid(unsigned((weight_rows + WEIGHT_ROWS - 1) / WEIGHT_ROWS));
  auto kernel = p.rows <= 8 ? int8_rows_kernel<T, 1, TRITS, RUNS, S> : int8_rows_kernel<T, 2, TRITS, RUNS, S>;
  TT_LAUNCH(kernel, grid, dim3(THREADS), 0, stream, p);
}

}  // namespace

tt_status int8_rows(const char* op, const Gpu&, const Int8Product& p, bool packed_trits, tt_dtype dtype, cudaStream_t stream) {
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    if (packed_trits && p.runs > 1) launch<T, true, true, float>(p, stream);
    else if (packed_trits) launch<T, true, false, int>(p, stream);
    else launch<T, false, false, int>(p, stream);
  });
  return launched(op, stream);
}

}  // namespace tt
