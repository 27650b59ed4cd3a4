// Ternary hypervectors on bit planes: tt_vsa_*. Integers only, so everything is exact, but for the sums of weighted bundles, which are f32 in the order of
// the rows as everywhere.
//
// A vector is two planes of `words` words side by side: +1 bits, then −1 bits. Bits past dims stay 0.
#include "quantized.h"

namespace tt {
namespace {

constexpr int THREADS = 256;
constexpr int MOST_BUNDLED = 65535;
constexpr int FEW = 4;  // vectors: below, a tile of pairs would be mostly empty
constexpr int FEW_BITS = 8, MOST_BITS = 16;  // of counters: 2^MOST_BITS > MOST_BUNDLED

TT_GPU size_t first_item() { return blockIdx.x * size_t(THREADS) + threadIdx.x; }
TT_GPU size_t next_item() { return size_t(gridDim.x) * THREADS; }

// Items of the kernels below are words of a plane: item i is word i % words of vector i / words.

__global__ void __launch_bounds__(THREADS) pack_kernel(uint32_t* y, const int8_t* x, size_t items, int dims, int words) {
  for (size_t i = first_item(); i < items; i += next_item()) {
    const size_t row = i / words, word = i % words;
    const int8_t* from = x + row * dims + word * 32;
    const int count = dims - int(word) * 32 < 32 ? dims - int(word) * 32 : 32;
    uint32_t plus = 0, minus = 0;
    for (int bit = 0; bit < count; bit++) {
      plus |= uint32_t(from[bit] > 0) << bit;
      minus |= uint32_t(from[bit] < 0) << bit;
    }
    y[row * 2 * words + word] = plus;
    y[(row * 2 + 1) * words + word] = minus;
  }
}

/// Items are dimensions.
__global__ void __launch_bounds__(THREADS) unpack_kernel(int8_t* y, const uint32_t* x, size_t items, int dims, int words) {
  for (size_t i = first_item(); i < items; i += next_item()) {
    const size_t row = i / dims, d = i % dims;
    const uint32_t* plus = x + row * 2 * words + d / 32;
    y[i] = int8_t(int(plus[0] >> (d % 32) & 1u) - int(plus[words] >> (d % 32) & 1u));
  }
}

/// HOW: TT_VSA_PRODUCT …. Where a and b are 0, as past the dimensions, each of them gives 0.
template <int HOW> __global__ void __launch_bounds__(THREADS) combine_kernel(uint32_t* y, const uint32_t* a, const uint32_t* b, size_t items, int words, bool one_b) {
  for (size_t i = first_item(); i < items; i += next_item()) {
    const size_t row = i / words, word = i % words, at = row * 2 * words + word, b_at = one_b ? word : at;
    const uint32_t a_plus = a[at], a_minus = a[at + words];
    // A difference is a sum with −b.
    const uint32_t b_plus = b[HOW == TT_VSA_BIND ? b_at + words : b_at], b_minus = b[HOW == TT_VSA_BIND ? b_at : b_at + words];
    if (HOW == TT_VSA_PRODUCT) {
      y[at] = (a_plus & b_plus) | (a_minus & b_minus);
      y[at + words] = (a_plus & b_minus) | (a_minus & b_plus);
    } else {
      const uint32_t no_a = ~(a_plus | a_minus), no_b = ~(b_plus | b_minus);
      y[at] = (a_plus & no_b) | (no_a & b_plus) | (a_minus & b_minus);
      y[at + words] = (a_minus & no_b) | (no_a & b_minus) | (a_plus & b_plus);
    }
  }
}

/// 32 dimensions a thread. Their counts lie in bit slices: adding a plane is a ripple of half adders; which count is larger is
/// decided slice by slice from the top.
template <int COUNTER_BITS> __global__ void __launch_bounds__(THREADS) bundle_kernel(uint32_t* y, const uint32_t* x, size_t items, int count, int words) {
  for (size_t i = first_item(); i < items; i += next_item()) {
    const size_t group = i / words, word = i % words;
    const uint32_t* from = x + group * count * 2 * words + word;
    uint32_t plus[COUNTER_BITS] = {}, minus[COUNTER_BITS] = {};
    for (int v = 0; v < count; v++, from += 2 * size_t(words)) {
      uint32_t plus_carry = from[0], minus_carry = from[words];
      TT_UNROLL
      for (int bit = 0; bit < COUNTER_BITS; bit++) {
        const uint32_t plus_next = plus[bit] & plus_carry, minus_next = minus[bit] & minus_carry;
        plus[bit] ^= plus_carry;
        minus[bit] ^= minus_carry;
        plus_carry = plus_next;
        minus_carry = minus_next;
      }
    }
    uint32_t more = 0, less = 0;
    TT_UNROLL
    for (int bit = COUNTER_BITS - 1; bit >= 0; bit--) {
      const uint32_t open = ~(more | less);
      more |= open & plus[bit] & ~minus[bit];
      less |= open & ~plus[bit] & minus[bit];
    }
    y[group * 2 * words + word] = more;
    y[(group * 2 + 1) * words + word] = less;
  }
}

/// A warp a word, a lane a dimension.
__global__ void __launch_bounds__(THREADS) bundle_weighted_kernel(uint32_t* y, const uint32_t* x, const float* weights, size_t items, int count, int words) {
  const int lane = int(threadIdx.x & 31);
  for (size_t i = first_item() / 32; i < items; i += next_item() / 32) {
    const size_t group = i / words, word = i % words;
    const uint32_t* from = x + group * count * 2 * words + word;
    float sum = 0;
    for (int v = 0; v < count; v++, from += 2 * size_t(words)) {
      const float weight = weights[group * count + v];
      // What is not there adds nothing, whatever its weight is.
      sum += from[0] >> lane & 1u ? weight : from[words] >> lane & 1u ? -weight : 0.f;
    }
    const uint32_t more = __ballot_sync(0xffffffffu, sum > 0.f), less = __ballot_sync(0xffffffffu, sum < 0.f);
    if (lane == 0) {
      y[group * 2 * words + word] = more;
      y[(group * 2 + 1) * words + word] = less;
    }
  }
}

template <bool HAMMING> TT_GPU int agreement(uint32_t a_plus, uint32_t a_minus, uint32_t b_plus, uint32_t b_minus) {
  if (HAMMING) return __popc((a_plus ^ b_plus) | (a_minus ^ b_minus));
  return __popc((a_plus & b_plus) | (a_minus & b_minus)) - __popc((a_plus & b_minus) | (a_minus & b_plus));
}

/// For many pairs: a block takes TILE×TILE of them, a thread SIDE×SIDE, and walks the words with both sides in shared memory,
/// so that a word is read from memory once for TILE pairs.
constexpr int TILE = 32, SIDE = 2, DEPTH = 16, LANES = TILE / SIDE;
template <bool HAMMING> __global__ void __launch_bounds__(LANES * LANES) similarity_tiles_kernel(int32_t* out, const uint32_t* a, const uint32_t* b, int a_rows, int b_rows, int words) {
  __shared__ uint32_t left[2][TILE][DEPTH + 1], right[2][TILE][DEPTH + 1];
  const int tid = int(threadIdx.x), row = tid / LANES, column = tid % LANES;
  const size_t across = (size_t(b_rows) + TILE - 1) / TILE, a0 = blockIdx.x / across * TILE, b0 = blockIdx.x % across * TILE;
  int sum[SIDE][SIDE] = {};
  for (int start = 0; start < words; start += DEPTH) {
    for (int i = tid; i < 2 * TILE * DEPTH; i += LANES * LANES) {
      const int plane = i / (TILE * DEPTH), r = i / DEPTH % TILE, w = i % DEPTH;
      const bool inside = start + w < words;
      left[plane][r][w] = inside && a0 + r < size_t(a_rows) ? a[((a0 + r) * 2 + plane) * words + start + w] : 0;
      right[plane][r][w] = inside && b0 + r < size_t(b_rows) ? b[((b0 + r) * 2 + plane) * words + start + w] : 0;
    }
    __syncthreads();
    for (int w = 0; w < DEPTH; w++) {
      TT_UNROLL
      for (int i = 0; i < SIDE; i++)
        TT_UNROLL
        for (int j = 0; j < SIDE; j++) {
          const int r = row + i * LANES, c = column + j * LANES;
          sum[i][j] += agreement<HAMMING>(left[0][r][w], left[1][r][w], right[0][c][w], right[1][c][w]);
        }
    }
    __syncthreads();
  }
  TT_UNROLL
  for (int i = 0; i < SIDE; i++)
    TT_UNROLL
    for (int j = 0; j < SIDE; j++) {
      const size_t r = a0 + row + i * LANES, c = b0 + column + j * LANES;
      if (r < size_t(a_rows) && c < size_t(b_rows)) out[r * b_rows + c] = sum[i][j];
    }
}

/// For a few vectors against many: a warp a pair.
template <bool HAMMING> __global__ void __launch_bounds__(THREADS) similarity_pairs_kernel(int32_t* out, const uint32_t* a, const uint32_t* b, size_t pairs, int b_rows, int words) {
  const int lane = int(threadIdx.x & 31);
  for (size_t pair = first_item() / 32; pair < pairs; pair += next_item() / 32) {
    const uint32_t* left = a + pair / b_rows * 2 * words;
    const uint32_t* right = b + pair % b_rows * 2 * words;
    int sum = 0;
    for (int w = lane; w < words; w += 32) sum += agreement<HAMMING>(left[w], left[words + w], right[w], right[words + w]);
    TT_UNROLL
    for (int o = 16; o; o >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, o);
    if (lane == 0) out[pair] = sum;
  }
}

/// Bits [from, from + count) of a plane, count ≤ 32, in range.
TT_GPU uint32_t bits_of(const uint32_t* plane, int from, int count) {
  const int word = from / 32, shift = from % 32;
  uint32_t bits = plane[word] >> shift;
  if (shift && shift + count > 32) bits |= plane[word + 1] << (32 - shift);
  return count == 32 ? bits : bits & ((1u << count) - 1u);
}

/// Word w of a rotated plane is 32 bits that start `shift` bits earlier in x and may wrap around its end.
__global__ void __launch_bounds__(THREADS) permute_kernel(uint32_t* y, const uint32_t* x, size_t items, int dims, int words, int shift) {
  for (size_t i = first_item(); i < items; i += next_item()) {
    const int first = int(i % words) * 32, count = dims - first < 32 ? dims - first : 32;
    const uint32_t* plane = x + i / words * words;
    uint32_t bits = 0;
    int from = first >= shift ? first - shift : first - shift + dims;
    for (int done = 0; done < count;) {  // more than two rounds only when dims < 32
      const int part = dims - from < count - done ? dims - from : count - done;
      bits |= bits_of(plane, from, part) << done;
      done += part;
      from = 0;
    }
    y[i] = bits;
  }
}

tt_status check(const char* op, int rows, int dims, bool pointers) {
  TT_REQUIRE(rows >= 0 && dims > 0, "%s: bad size (rows %d, dims %d)", op, rows, dims);
  TT_REQUIRE_HOLD(op, size_t(rows), size_t(dims));
  TT_REQUIRE(rows == 0 || pointers, "%s: a pointer is NULL", op);
  return TT_OK;
}
int words_of(int dims) { return int((int64_t(dims) + 31) / 32); }

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_vsa_pack(uint32_t* y, const int8_t* x, int32_t rows, int32_t dims, tt_stream stream) {
  if (tt_status bad = check("tt_vsa_pack", rows, dims, y && x)) return bad;
  TT_READY("tt_vsa_pack");
  if (rows == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  const size_t items = size_t(rows) * words_of(dims);
  auto kernel = pack_kernel;
  TT_LAUNCH(kernel, dim3(grid_for(gpu, items, THREADS)), dim3(THREADS), 0, s, y, x, items, dims, words_of(dims));
  return launched("tt_vsa_pack", s);
}

extern "C" tt_status tt_vsa_unpack(int8_t* y, const uint32_t* x, int32_t rows, int32_t dims, tt_stream stream) {
  if (tt_status bad = check("tt_vsa_unpack", rows, dims, y && x)) return bad;
  TT_READY("tt_vsa_unpack");
  if (rows == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  const size_t items = size_t(rows) * dims;
  auto kernel = unpack_kernel;
  TT_LAUNCH(kernel, dim3(grid_for(gpu, items, THREADS)), dim3(THREADS), 0, s, y, x, items, dims, words_of(dims));
  return launched("tt_vsa_unpack", s);
}

extern "C" tt_status tt_vsa_combine(uint32_t* y, const uint32_t* a, const uint32_t* b, int32_t rows, int32_t b_rows, int32_t dims, int32_t how, tt_stream stream) {
  if (tt_status bad = check("tt_vsa_combine", rows, dims, y && a && b)) return bad;
  TT_REQUIRE(b_rows == rows || b_rows == 1, "tt_vsa_combine: b_rows must be %d or 1, got %d", rows, b_rows);
  TT_REQUIRE(how >= TT_VSA_PRODUCT && how <= TT_VSA_UNBIND, "tt_vsa_combine: how must be product (0), bind (1) or unbind (2), got %d", how);
  TT_READY("tt_vsa_combine");
  if (rows == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  const size_t items = size_t(rows) * words_of(dims);
  auto kernel = how == TT_VSA_PRODUCT ? combine_kernel<TT_VSA_PRODUCT> : how == TT_VSA_BIND ? combine_kernel<TT_VSA_BIND> : combine_kernel<TT_VSA_UNBIND>;
  TT_LAUNCH(kernel, dim3(grid_for(gpu, items, THREADS)), dim3(THREADS), 0, s, y, a, b, items, words_of(dims), b_rows == 1);
  return launched("tt_vsa_combine", s);
}

extern "C" tt_status tt_vsa_bundle(uint32_t* y, const uint32_t* x, const float* weights, int32_t groups, int32_t count, int32_t dims, tt_stream stream) {
  if (tt_status bad = check("tt_vsa_bundle", groups, dims, y && x)) return bad;
  TT_REQUIRE(count >= 1 && count <= MOST_BUNDLED, "tt_vsa_bundle: count must be 1 to %d, got %d", MOST_BUNDLED, count);
  TT_REQUIRE_HOLD("tt_vsa_bundle", size_t(groups), size_t(count), size_t(dims));
  TT_READY("tt_vsa_bundle");
  if (groups == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  const size_t items = size_t(groups) * words_of(dims);
  if (weights) {
    auto kernel = bundle_weighted_kernel;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, items, THREADS / 32)), dim3(THREADS), 0, s, y, x, weights, items, count, words_of(dims));
  } else {
    auto kernel = count < 1 << FEW_BITS ? bundle_kernel<FEW_BITS> : bundle_kernel<MOST_BITS>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, items, THREADS)), dim3(THREADS), 0, s, y, x, items, count, words_of(dims));
  }
  return launched("tt_vsa_bundle", s);
}

extern "C" tt_status tt_vsa_similarity(int32_t* out, const uint32_t* a, const uint32_t* b, int32_t a_rows, int32_t b_rows, int32_t dims, int32_t metric,
                                       tt_stream stream) {
  if (tt_status bad = check("tt_vsa_similarity", a_rows, dims, b_rows == 0 || (out && a && b))) return bad;
  TT_REQUIRE(b_rows >= 0, "tt_vsa_similarity: bad size (b_rows %d)", b_rows);
  TT_REQUIRE_HOLD("tt_vsa_similarity", size_t(b_rows), size_t(dims));
  TT_REQUIRE_HOLD("tt_vsa_similarity", size_t(a_rows), size_t(b_rows));
  TT_REQUIRE(metric == TT_VSA_DOT || metric == TT_VSA_HAMMING, "tt_vsa_similarity: metric must be dot (0) or hamming (1), got %d", metric);
  TT_READY("tt_vsa_similarity");
  if (a_rows == 0 || b_rows == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  const int fewer = a_rows < b_rows ? a_rows : b_rows;
  if (fewer <= FEW) {
    const size_t pairs = size_t(a_rows) * b_rows;
    auto kernel = metric == TT_VSA_DOT ? similarity_pairs_kernel<false> : similarity_pairs_kernel<true>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, pairs, THREADS / 32)), dim3(THREADS), 0, s, out, a, b, pairs, b_rows, words_of(dims));
  } else {
    const size_t tiles = ((size_t(a_rows) + TILE - 1) / TILE) * ((size_t(b_rows) + TILE - 1) / TILE);
    TT_REQUIRE(tiles <= INT32_MAX, "tt_vsa_similarity: %d by %d pairs are too many for one call", a_rows, b_rows);
    auto kernel = metric == TT_VSA_DOT ? similarity_tiles_kernel<false> : similarity_tiles_kernel<true>;
    TT_LAUNCH(kernel, dim3(unsigned(tiles)), dim3(LANES * LANES), 0, s, out, a, b, a_rows, b_rows, words_of(dims));
  }
  return launched("tt_vsa_similarity", s);
}

extern "C" tt_status tt_vsa_permute(uint32_t* y, const uint32_t* x, int32_t rows, int32_t dims, int32_t shift, tt_stream stream) {
  if (tt_status bad = check("tt_vsa_permute", rows, dims, y && x)) return bad;
  TT_REQUIRE(rows == 0 || y != x, "tt_vsa_permute: y and x must not be the same");
  TT_READY("tt_vsa_permute");
  if (rows == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  const size_t items = size_t(rows) * 2 * words_of(dims);
  const int forward = int(((int64_t(shift) % dims) + dims) % dims);
  auto kernel = permute_kernel;
  TT_LAUNCH(kernel, dim3(grid_for(gpu, items, THREADS)), dim3(THREADS), 0, s, y, x, items, dims, words_of(dims), forward);
  return launched("tt_vsa_permute", s);
}
