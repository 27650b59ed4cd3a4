// Sums, means and maxima over one dimension, sums of squares, and the search for NaN and Inf.
//
// How the work is cut depends on the sizes only, and parts are added up in order: the same bits on every device.
#include "flat.h"

namespace tt {

tt_status wait_for(const char* what, cudaStream_t stream);  // runtime.cu

namespace {

struct Sum {
  static constexpr float identity = 0.f;
  TT_GPU static float join(float a, float b) { return a + b; }
};
/// NaN wins, unlike fmaxf.
struct Max {
  static constexpr float identity = -INFINITY;
  TT_GPU static float join(float a, float b) { return a != a || b <= a ? a : b; }
};

template <class Op> TT_GPU float warp_join(float v) {
  TT_UNROLL
  for (int o = 16; o; o >>= 1) v = Op::join(v, __shfl_xor_sync(0xffffffffu, v, o));
  return v;
}

/// One row by threads `thread`, thread + threads, …: packs of V when the row lies on a 16-byte boundary.
template <class Op, int V, class X> TT_GPU float join_row(const X* x, size_t n, unsigned thread, unsigned threads) {
  constexpr int ROUND = 4;
  Floats<V> best;
  TT_UNROLL
  for (int v = 0; v < V; v++) best.at[v] = Op::identity;
  const size_t packs = n / V;
  for (size_t first = thread; first < packs; first += size_t(threads) * ROUND) {
    Floats<V> loaded[ROUND];
    TT_UNROLL
    for (int r = 0; r < ROUND; r++) {
      const size_t i = first + size_t(r) * threads;
      if (i < packs) loaded[r] = load_floats<V>(x + i * V);
    }
    TT_UNROLL
    for (int r = 0; r < ROUND; r++) {
      if (first + size_t(r) * threads >= packs) continue;
      TT_UNROLL
      for (int v = 0; v < V; v++) best.at[v] = Op::join(best.at[v], loaded[r].at[v]);
    }
  }
  float result = best.at[0];
  TT_UNROLL
  for (int v = 1; v < V; v++) result = Op::join(result, best.at[v]);
  for (size_t i = packs * V + thread; i < n; i += threads) result = Op::join(result, to_float(x[i]));
  return result;
}

/// y[row] for rows of n numbers, a warp each.
template <class Op, int V, class Y, class X> __global__ void __launch_bounds__(FLAT_THREADS) short_rows_kernel(Y* y, const X* x, size_t rows, size_t n, float scale) {
  const size_t row = blockIdx.x * size_t(FLAT_THREADS / 32) + (threadIdx.x >> 5);
  if (row >= rows) return;
  const float result = warp_join<Op>(join_row<Op, V>(x + row * n, n, threadIdx.x & 31, 32));
  if ((threadIdx.x & 31) == 0) y[row] = from_float<Y>(result * scale);
}

/// y[row·parts + part], a block each: the part's `length` numbers of the row.
template <class Op, int V, class Y, class X>
__global__ void __launch_bounds__(FLAT_THREADS) long_rows_kernel(Y* y, const X* x, size_t n, size_t parts, size_t length, float scale) {
  __shared__ float shared[FLAT_THREADS / 32];
  const size_t row = blockIdx.x / parts, begin = blockIdx.x % parts * length, count = n - begin < length ? n - begin : length;
  const float mine = warp_join<Op>(join_row<Op, V>(x + row * n + begin, count, threadIdx.x, FLAT_THREADS));
  if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = mine;
  __syncthreads();
  if (threadIdx.x > 0) return;
  float result = shared[0];
  for (int w = 1; w < FLAT_THREADS / 32; w++) result = Op::join(result, shared[w]);
  y[blockIdx.x] = from_float<Y>(result * scale);
}

/// y (outer, parts, inner): rows part·length … of x (outer, n, inner) joined; a thread has V neighbouring columns.
template <class Op, int V, class Y, class X>
__global__ void __launch_bounds__(FLAT_THREADS)
columns_kernel(Y* y, const X* x, size_t outer, size_t n, size_t inner, size_t parts, size_t length, float scale) {
  const size_t groups = inner / V, count = outer * parts * groups;
  for (size_t i = blockIdx.x * size_t(FLAT_THREADS) + threadIdx.x; i < count; i += size_t(gridDim.x) * FLAT_THREADS) {
    const size_t col = i % groups * V, part = i / groups % parts, row = i / groups / parts;
    const size_t begin = part * length, end = begin + length < n ? begin + length : n;
    const X* from = x + row * n * inner + col;
    Floats<V> best;
    TT_UNROLL
    for (int v = 0; v < V; v++) best.at[v] = Op::identity;
    for (size_t k = begin; k < end; k += 4) {
      Floats<V> loaded[4];
      TT_UNROLL
      for (size_t r = 0; r < 4; r++)
        if (k + r < end) loaded[r] = load_floats<V>(from + (k + r) * inner);
      TT_UNROLL
      for (size_t r = 0; r < 4; r++) {
        if (k + r >= end) continue;
        TT_UNROLL
        for (int v = 0; v < V; v++) best.at[v] = Op::join(best.at[v], loaded[r].at[v]);
      }
    }
    TT_UNROLL
    for (int v = 0; v < V; v++) best.at[v] *= scale;
    store_floats<V>(y + (row * parts + part) * inner + col, best);
  }
}

constexpr size_t SHORT_ROW = 1024, LONG_PART = 32768;

template <class Op, class Y, class X> void launch_rows(cudaStream_t stream, Y* y, const X* x, size_t rows, size_t n, size_t parts, size_t length, float scale) {
  constexpr int V = Pack<X>::size;
  const bool packs = n % V == 0 && length % V == 0 && aligned16(x);
  const dim3 block(FLAT_THREADS);
  if (n <= SHORT_ROW) {
    auto kernel = packs ? short_rows_kernel<Op, V, Y, X> : short_rows_kernel<Op, 1, Y, X>;
    TT_LAUNCH(kernel, dim3(unsigned((rows + FLAT_THREADS / 32 - 1) / (FLAT_THREADS / 32))), block, 0, stream, y, x, rows, n, scale);
  } else {
    auto kernel = packs ? long_rows_kernel<Op, V, Y, X> : long_rows_kernel<Op, 1, Y, X>;
    TT_LAUNCH(kernel, dim3(unsigned(rows * parts)), block, 0, stream, y, x, n, parts, length, scale);
  }
}

template <class Op, class Y, class X>
void launch_columns(const Gpu& gpu, cudaStream_t stream, Y* y, const X* x, size_t outer, size_t n, size_t inner, size_t parts, size_t length, float scale) {
  constexpr int V = Pack<X>::size > Pack<Y>::size ? Pack<X>::size : Pack<Y>::size;
  if (inner % V == 0 && aligned16(x) && aligned16(y)) {
    auto kernel = columns_kernel<Op, V, Y, X>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, outer * parts * inner / V, FLAT_THREADS)), dim3(FLAT_THREADS), 0, stream, y, x, outer, n, inner, parts, length, scale);
  } else {
    auto kernel = columns_kernel<Op, 1, Y, X>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, outer * parts * inner, FLAT_THREADS)), dim3(FLAT_THREADS), 0, stream, y, x, outer, n, inner, parts, length, scale);
  }
}

/// Numbers of one dimension that are joined at a time: cut where there are too few rows or columns to fill a GPU.
size_t part_length(size_t outer, size_t n, size_t inner) {
  if (inner == 1) return outer >= 1024 || n <= 2 * LONG_PART ? n : LONG_PART;
  const size_t columns = outer * inner, wanted = (size_t(1) << 19) / columns + 1, least = 32;
  const size_t length = (n + wanted - 1) / wanted;
  return length < least ? least : length;
}

template <class Op, class Y, class X> tt_status reduce(const Gpu& gpu, cudaStream_t stream, Y* y, const X* x, size_t outer, size_t n, size_t inner, float scale) {
  const size_t length = part_length(outer, n, inner), parts = (n + length - 1) / length;
  auto launch = [&](auto* to, size_t pieces, size_t count, float factor) {
    if (inner == 1) launch_rows<Op>(stream, to, x, outer, n, pieces, count, factor);
    else launch_columns<Op>(gpu, stream, to, x, outer, n, inner, pieces, count, factor);
  };
  if (parts <= 1) {
    launch(y, 1, n, scale);
    return TT_OK;
  }
  const size_t bytes = outer * parts * inner * sizeof(float);
  Scratch memory(stream);
  if (!memory.reserve(bytes)) return no_memory("tt_reduce", bytes);
  launch(memory.as<float>(), parts, length, 1.f);
  return reduce<Op>(gpu, stream, y, static_cast<const float*>(memory.as<float>()), outer, parts, inner, scale);
}

// ---- sums of squares -----------------------------------------------------------------------------------------------------

constexpr size_t MOST_SUMS = 1024;

/// sums[block] = Σ x² of the block's `length` elements.
template <int V, class T> __global__ void __launch_bounds__(FLAT_THREADS) squares_kernel(double* sums, const T* x, size_t n, size_t length) {
  __shared__ double shared[FLAT_THREADS / 32];
  constexpr int ROUND = 4;
  const size_t begin = blockIdx.x * length, end = n - begin < length ? n : begin + length;
  double total[V] = {};
  const size_t packs = (end - begin) / V;
  for (size_t first = threadIdx.x; first < packs; first += FLAT_THREADS * ROUND) {
    Floats<V> loaded[ROUND];
    TT_UNROLL
    for (int r = 0; r < ROUND; r++) {
      const size_t i = first + size_t(r) * FLAT_THREADS;
      if (i < packs) loaded[r] = load_floats<V>(x + begin + i * V);
      else loaded[r] = {};
    }
    TT_UNROLL
    for (int r = 0; r < ROUND; r++) {
      TT_UNROLL
      for (int v = 0; v < V; v++) total[v] = fma(double(loaded[r].at[v]), double(loaded[r].at[v]), total[v]);
    }
  }
  double sum = 0;
  TT_UNROLL
  for (int v = 0; v < V; v++) sum += total[v];
  const size_t rest = begin + packs * V + threadIdx.x;
  if (rest < end) sum += double(to_float(x[rest])) * double(to_float(x[rest]));
  sum = block_sum(sum, shared, FLAT_THREADS);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

/// out[0] += all sums. One block.
__global__ void __launch_bounds__(FLAT_THREADS) add_sums_kernel(double* out, const double* sums, unsigned count) {
  __shared__ double shared[FLAT_THREADS / 32];
  double sum = 0;
  for (unsigned i = threadIdx.x; i < count; i += FLAT_THREADS) sum += sums[i];
  sum = block_sum(sum, shared, FLAT_THREADS);
  if (threadIdx.x == 0) out[0] += sum;
}

// ---- the search for NaN and Inf --------------------------------------------------------------------------------------------

// In integers: all bits of the exponent are set.
TT_GPU bool nonfinite(float x) { return (__float_as_uint(x) & 0x7f800000u) == 0x7f800000u; }

template <int V, class T> __global__ void __launch_bounds__(FLAT_THREADS) nonfinite_kernel(unsigned long long* lowest, const T* x, size_t n) {
  const size_t step = size_t(gridDim.x) * FLAT_THREADS;
  // Each thread meets its elements in ascending order: its first find is its lowest.
  for (size_t pack = blockIdx.x * size_t(FLAT_THREADS) + threadIdx.x; pack * V < n; pack += step) {
    const size_t i = pack * V;
    int found = V;
    if (V == 1 || i + V <= n) {
      const Floats<V> f = load_floats<V>(x + i);
      TT_UNROLL
      for (int v = V - 1; v >= 0; v--)
        if (nonfinite(f.at[v])) found = v;
    } else {
      for (int v = int(n - i) - 1; v >= 0; v--)
        if (nonfinite(to_float(x[i + v]))) found = v;
    }
    if (found < V) {
      atomicMin(lowest, static_cast<unsigned long long>(i + found));
      return;
    }
  }
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_reduce(void* y, const void* x, size_t outer, size_t n, size_t inner, int32_t op, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_reduce", dtype);
  TT_REQUIRE(op >= TT_SUM && op <= TT_AMAX, "tt_reduce: op must be 0..2, got %d", op);
  TT_REQUIRE_HOLD("tt_reduce", outer, n, inner);
  TT_REQUIRE_HOLD("tt_reduce", outer, inner);
  if (outer == 0 || inner == 0) return TT_OK;
  TT_REQUIRE(n > 0 || op == TT_SUM, "tt_reduce: the mean or maximum of no numbers (n is 0)");
  TT_REQUIRE_POINTER("tt_reduce", y);
  if (n == 0) return tt_fill(y, outer * inner, 0, dtype, stream);
  TT_REQUIRE_POINTER("tt_reduce", x);
  TT_READY("tt_reduce");
  cudaStream_t s = stream_of(gpu, stream);
  const float scale = op == TT_MEAN ? 1.0f / float(n) : 1.0f;
  tt_status bad = with_type(dtype, [&](auto type) {
    using T = decltype(type);
    T* to = static_cast<T*>(y);
    const T* from = static_cast<const T*>(x);
    return op == TT_AMAX ? reduce<Max>(gpu, s, to, from, outer, n, inner, scale) : reduce<Sum>(gpu, s, to, from, outer, n, inner, scale);
  });
  return bad ? bad : launched("tt_reduce", s);
}

extern "C" tt_status tt_sum_squares(double* out, const void* x, size_t n, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_sum_squares", dtype);
  TT_REQUIRE_POINTER("tt_sum_squares", out);
  TT_REQUIRE_HOLD("tt_sum_squares", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_sum_squares", x);
  TT_READY("tt_sum_squares");
  cudaStream_t s = stream_of(gpu, stream);
  size_t length = 32768;
  while ((n + length - 1) / length > MOST_SUMS) length *= 2;
  const unsigned blocks = unsigned((n + length - 1) / length);
  Scratch memory(s);
  if (!memory.reserve(blocks * sizeof(double))) return no_memory("tt_sum_squares", blocks * sizeof(double));
  double* sums = memory.as<double>();
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    auto kernel = aligned16(x) ? squares_kernel<Pack<T>::size, T> : squares_kernel<1, T>;
    TT_LAUNCH(kernel, dim3(blocks), dim3(FLAT_THREADS), 0, s, sums, static_cast<const T*>(x), n, length);
  });
  auto add = add_sums_kernel;
  TT_LAUNCH(add, dim3(1), dim3(FLAT_THREADS), 0, s, out, sums, blocks);
  return launched("tt_sum_squares", s);
}

extern "C" tt_status tt_find_nonfinite(int64_t* out, const void* x, size_t n, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_find_nonfinite", dtype);
  TT_REQUIRE_POINTER("tt_find_nonfinite", out);
  *out = -1;
  TT_REQUIRE_HOLD("tt_find_nonfinite", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_find_nonfinite", x);
  TT_READY("tt_find_nonfinite");
  cudaStream_t s = stream_of(gpu, stream);
  Scratch memory(s);
  if (!memory.reserve(sizeof(int64_t))) return no_memory("tt_find_nonfinite", sizeof(int64_t));
  auto* lowest = memory.as<unsigned long long>();
  TT_CUDA("tt_find_nonfinite", cudaMemsetAsync(lowest, 0xff, sizeof *lowest, s));  // −1, above every index
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    const int V = aligned16(x) ? Pack<T>::size : 1;
    auto kernel = aligned16(x) ? nonfinite_kernel<Pack<T>::size, T> : nonfinite_kernel<1, T>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, (n + V - 1) / V, FLAT_THREADS)), dim3(FLAT_THREADS), 0, s, lowest, static_cast<const T*>(x), n);
  });
  if (tt_status bad = launched("tt_find_nonfinite", s)) return bad;
  TT_CUDA("tt_find_nonfinite", cudaMemcpyAsync(out, lowest, sizeof *out, cudaMemcpyDeviceToHost, s));
  return wait_for("tt_find_nonfinite", s);
}
