// Strided copies (transpose, slice, expand, pad and their gradients) and row gathers.
//
// Three ways: runs that are contiguous on both sides are moved in the widest unit that fits; where y is contiguous along one
// dimension and x along another, tiles turn in shared memory; all else goes element by element, in the order of y.
#include "../elementwise/walk.h"

namespace tt {
namespace {


/// use(U{}) for the unsigned type of so many bytes.
template <class Use> void with_unit(size_t bytes, const Use& use) {
  switch (bytes) {
    case 1: return use(uint8_t{});
    case 2: return use(uint16_t{});
    case 4: return use(uint32_t{});
    case 8: return use(uint2{});
    default: return use(uint4{});
  }
}

// ---- unit by unit ----------------------------------------------------------------------------------------------------

struct Replace {
  template <class U> TT_GPU U operator()(const U* x, const U*) const { return *x; }
};
/// y + x of packs or single numbers.
struct Accumulate {
  template <class T> TT_GPU Pack<T> operator()(const Pack<T>* x, const Pack<T>* y) const {
    const Floats<Pack<T>::size> a = load_floats<Pack<T>::size>(x->at), b = load_floats<Pack<T>::size>(y->at);
    Pack<T> sum;
    TT_UNROLL
    for (int i = 0; i < Pack<T>::size; i++) sum.at[i] = from_float<T>(b.at[i] + a.at[i]);
    return sum;
  }
  TT_GPU float operator()(const float* x, const float* y) const { return *y + *x; }
  TT_GPU bf16 operator()(const bf16* x, const bf16* y) const { return from_float<bf16>(to_float(*y) + to_float(*x)); }
};
/// The number at x, as often as it fits.
template <class T> struct Repeat {
  TT_GPU uint4 operator()(const T* x, const uint4*) const {
    const uint32_t one = *x, word = sizeof(T) == 1 ? one * 0x01010101u : sizeof(T) == 2 ? one * 0x00010001u : one;
    uint4 all;
    all.x = all.y = all.z = all.w = word;
    return all;
  }
};

/// y[…] = f(&x[…], &y[…]): y strides count units of Y, x strides units of X.
template <class F, class Y, class X, class Index>
__global__ void __launch_bounds__(FLAT_THREADS) strided_kernel(Y* y, const X* x, size_t count, Steps<Index> steps, F f) {
  constexpr int ROUND = 2;
  for (size_t first = blockIdx.x * size_t(FLAT_THREADS * ROUND) + threadIdx.x; first < count; first += size_t(gridDim.x) * FLAT_THREADS * ROUND) {
    Y values[ROUND];
    int64_t to[ROUND];
    TT_UNROLL
    for (int r = 0; r < ROUND; r++) {
      const size_t i = first + size_t(r) * FLAT_THREADS;
      if (i >= count) continue;
      const Offsets at = offsets_at(steps, Index(i));
      to[r] = at.first;
      values[r] = f(x + at.second, y + at.first);
    }
    TT_UNROLL
    for (int r = 0; r < ROUND; r++)
      if (first + size_t(r) * FLAT_THREADS < count) y[to[r]] = values[r];
  }
}

template <class F, class Y, class X> void strided(const Gpu& gpu, cudaStream_t stream, Y* y, const X* x, const Walk& walk, F f) {
  const size_t count = walk.elements();
  const dim3 grid(grid_for(gpu, count, FLAT_THREADS * 2)), block(FLAT_THREADS);
  if (count < (size_t(1) << 31)) {
    auto kernel = strided_kernel<F, Y, X, uint32_t>;
    TT_LAUNCH(kernel, grid, block, 0, stream, y, x, count, steps_of<uint32_t>(walk), f);
  } else {
    auto kernel = strided_kernel<F, Y, X, uint64_t>;
    TT_LAUNCH(kernel, grid, block, 0, stream, y, x, count, steps_of<uint64_t>(walk), f);
  }
}

/// Whether `times` neighbours along the last dimension of y, and of x where `of_x`, form units on boundaries of `bytes`.
bool units_fit(const void* y, const void* x, const Walk& walk, int64_t times, size_t bytes, bool of_x) {
  const int last = walk.ndim - 1;
  if (last < 0 || walk.first[last] != 1 || walk.size[last] % times != 0) return false;
  if (reinterpret_cast<uintptr_t>(y) % bytes != 0 || (of_x && (walk.second[last] != 1 || reinterpret_cast<uintptr_t>(x) % bytes != 0))) return false;
  for (int d = 0; d < last; d++)
    if (walk.first[d] % times != 0 || (of_x && walk.second[d] % times != 0)) return false;
  return true;
}

/// The walk in units of `times` elements along the last dimension.
Walk in_units(Walk walk, int64_t times, bool of_x) {
  const int last = walk.ndim - 1;
  walk.size[last] /= times;
  for (int d = 0; d < last; d++) {
    walk.first[d] /= times;
    if (of_x) walk.second[d] /= times;
  }
  return walk;
}

// ---- tiles that turn ---------------------------------------------------------------------------------------------------

constexpr int TILE = 64;

/// One matrix of a transpose: element (row, col) is y[row·y_step + col] = x[row + col·x_step].
struct Turn {
  uint32_t rows, cols, row_tiles, col_tiles;
  int64_t y_step, x_step;
};

/// U: an element; VEC of them make the word of 4 bytes (or VEC is 1) that a lane moves.
template <class U, int VEC> __global__ void __launch_bounds__(FLAT_THREADS) transpose_kernel(U* y, const U* x, Turn turn, Steps<uint64_t> outer) {
  // A pitch of 65 elements: lanes that read down a column, VEC rows apart, hit 32 different banks.
  __shared__ U tile[TILE * (TILE + 1)];
  constexpr int LANES = TILE / VEC, LINES = FLAT_THREADS / LANES;
  const uint64_t tiles = uint64_t(turn.row_tiles) * turn.col_tiles, matrix = blockIdx.x / tiles, place = blockIdx.x % tiles;
  const Offsets at = offsets_at(outer, matrix);
  const uint32_t row0 = uint32_t(place / turn.col_tiles) * TILE, col0 = uint32_t(place % turn.col_tiles) * TILE;
  const uint32_t lane = threadIdx.x % LANES * VEC, line = threadIdx.x / LANES;
  TT_UNROLL
  for (uint32_t l = 0; l < TILE; l += LINES) {
    const uint32_t row = lane, col = line + l;
    if (row0 + row >= turn.rows || col0 + col >= turn.cols) continue;
    const U* from = x + at.second + int64_t(row0 + row) + int64_t(col0 + col) * turn.x_step;
    if constexpr (VEC == 1) {
      tile[col * (TILE + 1) + row] = *from;
    } else {
      const uint32_t word = *reinterpret_cast<const uint32_t*>(from);
      TT_UNROLL
      for (int v = 0; v < VEC; v++) tile[col * (TILE + 1) + row + v] = U(word >> (32 / VEC * v));
    }
  }
  __syncthreads();
  TT_UNROLL
  for (uint32_t l = 0; l < TILE; l += LINES) {
    const uint32_t row = line + l, col = lane;
    if (row0 + row >= turn.rows || col0 + col >= turn.cols) continue;
    U* to = y + at.first + int64_t(row0 + row) * turn.y_step + int64_t(col0 + col);
    if constexpr (VEC == 1) {
      *to = tile[col * (TILE + 1) + row];
    } else {
      uint32_t word = 0;
      TT_UNROLL
      for (int v = 0; v < VEC; v++) word |= uint32_t(tile[(col + v) * (TILE + 1) + row]) << (32 / VEC * v);
      *reinterpret_cast<uint32_t*>(to) = word;
    }
  }
}

template <class U> void launch_transpose(cudaStream_t stream, U* y, const U* x, const Turn& turn, const Walk& outer) {
  constexpr int VEC = 4 / int(sizeof(U));
  bool words = turn.rows % VEC == 0 && turn.cols % VEC == 0 && turn.y_step % VEC == 0 && turn.x_step % VEC == 0 &&
               reinterpret_cast<uintptr_t>(y) % 4 == 0 && reinterpret_cast<uintptr_t>(x) % 4 == 0;
  for (int d = 0; d < outer.ndim; d++) words = words && outer.first[d] % VEC == 0 && outer.second[d] % VEC == 0;
  const dim3 grid(unsigned(outer.elements() * turn.row_tiles * turn.col_tiles)), block(FLAT_THREADS);
  if (words) {
    auto kernel = transpose_kernel<U, VEC>;
    TT_LAUNCH(kernel, grid, block, 0, stream, y, x, turn, steps_of<uint64_t>(outer));
  } else {
    auto kernel = transpose_kernel<U, 1>;
    TT_LAUNCH(kernel, grid, block, 0, stream, y, x, turn, steps_of<uint64_t>(outer));
  }
}

/// False where this is no transpose worth tiles.
bool transpose(cudaStream_t stream, void* y, const void* x, const Walk& walk, size_t element) {
  const int last = walk.ndim - 1;
  if (last < 1 || walk.first[last] != 1 || walk.second[last] == 1) return false;
  int along = -1;
  for (int d = 0; d < last; d++)
    if (walk.second[d] == 1) along = d;
  const int64_t most = int64_t(1) << 31;
  if (along < 0 || walk.size[along] < 8 || walk.size[last] < 8 || walk.size[along] >= most || walk.size[last] >= most) return false;
  Walk outer;  // the dimensions that are neither
  for (int d = 0; d < last; d++)
    if (d != along) outer.add(walk.size[d], walk.first[d], walk.second[d]);
  const uint32_t rows = uint32_t(walk.size[along]), cols = uint32_t(walk.size[last]);
  const Turn turn = {rows, cols, (rows + TILE - 1) / TILE, (cols + TILE - 1) / TILE, walk.first[along], walk.second[last]};
  if (outer.elements() * turn.row_tiles * turn.col_tiles >= size_t(most)) return false;
  switch (element) {
    case 1: launch_transpose(stream, static_cast<uint8_t*>(y), static_cast<const uint8_t*>(x), turn, outer); break;
    case 2: launch_transpose(stream, static_cast<uint16_t*>(y), static_cast<const uint16_t*>(x), turn, outer); break;
    default: launch_transpose(stream, static_cast<uint32_t*>(y), static_cast<const uint32_t*>(x), turn, outer); break;
  }
  return true;
}

// ---- the choice --------------------------------------------------------------------------------------------------------

/// The dimensions ordered by their stride in y, largest first: y is then written in lines.
Walk sorted_walk(const int64_t* dims, int ndim) {
  int order[MAX_DIMS];
  auto reach = [&](int d) { return dims[d * 3 + 1] < 0 ? -dims[d * 3 + 1] : dims[d * 3 + 1]; };
  for (int d = 0; d < ndim; d++) {
    int place = d;
    for (; place > 0 && reach(order[place - 1]) < reach(d); place--) order[place] = order[place - 1];
    order[place] = d;
  }
  Walk walk;
  for (int i = 0; i < ndim; i++) walk.add(dims[order[i] * 3], dims[order[i] * 3 + 1], dims[order[i] * 3 + 2]);
  return walk;
}

template <class T> void accumulate_into(const Gpu& gpu, cudaStream_t stream, T* y, const T* x, const Walk& walk) {
  constexpr int V = Pack<T>::size;
  if (units_fit(y, x, walk, V, 16, true))
    strided(gpu, stream, reinterpret_cast<Pack<T>*>(y), reinterpret_cast<const Pack<T>*>(x), in_units(walk, V, true), Accumulate{});
  else strided(gpu, stream, y, x, walk, Accumulate{});
}

template <class U> void repeat_runs(const Gpu& gpu, cudaStream_t stream, void* y, const void* x, const Walk& walk) {
  strided(gpu, stream, static_cast<uint4*>(y), static_cast<const U*>(x), in_units(walk, 16 / int64_t(sizeof(U)), false), Repeat<U>{});
}

void copy(const Gpu& gpu, cudaStream_t stream, void* y, const void* x, const Walk& walk, size_t element) {
  const int last = walk.ndim - 1;
  if (transpose(stream, y, x, walk, element)) return;
  if (last >= 0 && walk.second[last] == 0 && units_fit(y, x, walk, int64_t(16 / element), 16, false)) {
    if (element == 1) repeat_runs<uint8_t>(gpu, stream, y, x, walk);
    else if (element == 2) repeat_runs<uint16_t>(gpu, stream, y, x, walk);
    else repeat_runs<uint32_t>(gpu, stream, y, x, walk);
    return;
  }
  size_t bytes = 16;
  while (bytes > element && !units_fit(y, x, walk, int64_t(bytes / element), bytes, true)) bytes /= 2;
  const Walk units = bytes > element ? in_units(walk, int64_t(bytes / element), true) : walk;
  with_unit(bytes, [&](auto unit) {
    using U = decltype(unit);
    strided(gpu, stream, static_cast<U*>(y), static_cast<const U*>(x), units, Replace{});
  });
}

// ---- rows --------------------------------------------------------------------------------------------------------------

/// y row i = table row index[i], zeros where there is none. A row has `units` of U.
template <class U>
__global__ void __launch_bounds__(FLAT_THREADS) gather_kernel(U* y, const U* table, const int32_t* index, size_t count, uint32_t units, uint32_t table_rows, Fault* fault) {
  for (size_t i = blockIdx.x * size_t(FLAT_THREADS) + threadIdx.x; i < count; i += size_t(gridDim.x) * FLAT_THREADS) {
    const size_t row = count <= UINT32_MAX ? uint32_t(i) / units : i / units, unit = i - row * units;
    const int32_t from = index[row];
    U value = {};
    if (uint32_t(from) < table_rows) value = table[size_t(from) * units + unit];
    else if (unit == 0) report_fault(fault, FAULT_GATHER_INDEX, from, table_rows);
    y[i] = value;
  }
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_strided_copy(void* y, const void* x, const int64_t* dims, int32_t ndim, int32_t accumulate, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE(dtype >= TT_F32 && dtype <= TT_I8, "tt_strided_copy: unknown dtype %d", dtype);
  TT_REQUIRE(!accumulate || is_compute_dtype(dtype), "tt_strided_copy: accumulate needs f32 or bf16, dtype is %d", dtype);
  size_t elements = 0;
  if (tt_status bad = check_dims("tt_strided_copy", dims, ndim, &elements)) return bad;
  if (elements == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_strided_copy", y);
  TT_REQUIRE_POINTER("tt_strided_copy", x);
  for (int d = 0; d < ndim; d++)
    TT_REQUIRE(dims[d * 3] == 1 || dims[d * 3 + 1] != 0, "tt_strided_copy: y stride of dimension %d is 0: its elements overlap", d);
  TT_READY("tt_strided_copy");
  cudaStream_t s = stream_of(gpu, stream);
  const Walk walk = sorted_walk(dims, ndim);
  if (accumulate) {
    with_type(dtype, [&](auto type) {
      using T = decltype(type);
      accumulate_into(gpu, s, static_cast<T*>(y), static_cast<const T*>(x), walk);
    });
  } else {
    copy(gpu, s, y, x, walk, dtype_bytes(dtype));
  }
  return launched("tt_strided_copy", s);
}

extern "C" tt_status tt_gather_rows(void* y, const void* table, const int32_t* index, int32_t rows, int32_t cols, int32_t table_rows, tt_dtype dtype,
                                    tt_stream stream) {
  TT_REQUIRE(dtype >= TT_F32 && dtype <= TT_I8, "tt_gather_rows: unknown dtype %d", dtype);
  TT_REQUIRE(rows >= 0 && cols >= 0 && table_rows >= 0, "tt_gather_rows: rows, cols and table_rows must not be negative, got %d, %d and %d", rows,
             cols, table_rows);
  TT_REQUIRE_HOLD("tt_gather_rows", size_t(rows), size_t(cols));
  TT_REQUIRE_HOLD("tt_gather_rows", size_t(table_rows), size_t(cols));
  TT_REQUIRE(index || rows == 0, "tt_gather_rows: index is null");
  if (rows == 0 || cols == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_gather_rows", y);
  TT_REQUIRE_POINTER("tt_gather_rows", table);
  TT_READY("tt_gather_rows");
  cudaStream_t s = stream_of(gpu, stream);
  const size_t row_bytes = size_t(cols) * dtype_bytes(dtype);
  size_t bytes = 16;
  while ((row_bytes | reinterpret_cast<uintptr_t>(y) | reinterpret_cast<uintptr_t>(table)) % bytes != 0) bytes /= 2;
  with_unit(bytes, [&](auto unit) {
    using U = decltype(unit);
    const size_t units = row_bytes / bytes, count = units * size_t(rows);
    auto kernel = gather_kernel<U>;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, count, FLAT_THREADS)), dim3(FLAT_THREADS), 0, s, static_cast<U*>(y), static_cast<const U*>(table), index,
              count, uint32_t(units), uint32_t(table_rows), gpu.fault);
  });
  return launched("tt_gather_rows", s);
}
