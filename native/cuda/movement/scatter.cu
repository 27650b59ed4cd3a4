// dtable[index[i],:] += dy[i,:] without atomics on floats: the same bits every time.
//
// The indices are sorted (a stable radix sort, 8 bits a pass), so that the rows of one index stand together in their order.
// The sorted rows are cut into pieces of a fixed size; a block adds up the runs of its piece. A run inside one piece goes to the
// table at once, the parts of a longer one to a buffer, added up in order by a second kernel.
#include "../elementwise/flat.h"
#include "scan.h"

namespace tt {
namespace {

constexpr int DIGITS = 256, SORT_THREADS = 256, SORT_TILE = 2048, SCAN_THREADS = 1024;

// ---- sorting -----------------------------------------------------------------------------------------------------------

/// Indices out of range become the largest key, table_rows.
__global__ void __launch_bounds__(FLAT_THREADS) keys_kernel(uint32_t* keys, uint32_t* order, const int32_t* index, uint32_t n, uint32_t table_rows, Fault* fault) {
  for (size_t i = blockIdx.x * size_t(FLAT_THREADS) + threadIdx.x; i < n; i += size_t(gridDim.x) * FLAT_THREADS) {
    const int32_t row = index[i];
    const bool known = uint32_t(row) < table_rows;
    if (!known) report_fault(fault, FAULT_SCATTER_INDEX, row, table_rows);
    keys[i] = known ? uint32_t(row) : table_rows;
    order[i] = uint32_t(i);
  }
}

/// counts[digit·tiles + tile]: how often the digit occurs in the tile.
__global__ void __launch_bounds__(SORT_THREADS) count_kernel(uint32_t* counts, const uint32_t* keys, uint32_t n, int shift) {
  __shared__ uint32_t seen[DIGITS];
  seen[threadIdx.x] = 0;
  __syncthreads();
  const uint32_t first = blockIdx.x * SORT_TILE, end = n - first < SORT_TILE ? n : first + SORT_TILE;
  for (uint32_t i = first + threadIdx.x; i < end; i += SORT_THREADS) atomicAdd(&seen[keys[i] >> shift & (DIGITS - 1)], 1u);
  __syncthreads();
  counts[threadIdx.x * gridDim.x + blockIdx.x] = seen[threadIdx.x];
}

/// Each entry becomes the sum of those before it. One block.
__global__ void __launch_bounds__(SCAN_THREADS) scan_kernel(uint32_t* counts, uint32_t n) {
  __shared__ uint32_t shared[SCAN_THREADS / 32];
  uint32_t before = 0;
  for (uint32_t first = 0; first < n; first += SCAN_THREADS) {
    const uint32_t i = first + threadIdx.x, mine = i < n ? counts[i] : 0;
    uint32_t total;
    const uint32_t up_to = block_scan(mine, shared, SCAN_THREADS, &total);
    if (i < n) counts[i] = before + up_to - mine;
    before += total;
  }
}

/// Moves each key to its place; equal digits keep their order.
__global__ void __launch_bounds__(SORT_THREADS)
place_kernel(uint32_t* to_keys, uint32_t* to_order, const uint32_t* keys, const uint32_t* order, const uint32_t* counts, uint32_t n, int shift) {
  constexpr int WARPS = SORT_THREADS / 32;
  __shared__ uint32_t next[DIGITS], places[WARPS][DIGITS];
  const uint32_t warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
  next[threadIdx.x] = counts[threadIdx.x * gridDim.x + blockIdx.x];
  for (uint32_t start = 0; start < SORT_TILE; start += SORT_THREADS) {
    TT_UNROLL
    for (int w = 0; w < WARPS; w++) places[w][threadIdx.x] = 0;
    __syncthreads();
    const uint32_t i = blockIdx.x * SORT_TILE + start + threadIdx.x;
    const bool here = i < n;
    const uint32_t key = here ? keys[i] : 0, digit = key >> shift & (DIGITS - 1);
    uint32_t peers = __ballot_sync(0xffffffffu, here);  // lanes with the same digit
    TT_UNROLL
    for (int bit = 0; bit < 8; bit++) {
      const bool mine = digit >> bit & 1;
      const uint32_t set = __ballot_sync(0xffffffffu, mine);
      peers &= mine ? set : ~set;
    }
    const uint32_t rank = uint32_t(__popc(peers & ((1u << lane) - 1)));
    if (here && rank == 0) places[warp][digit] = uint32_t(__popc(peers));
    __syncthreads();
    uint32_t place = next[threadIdx.x];
    TT_UNROLL
    for (int w = 0; w < WARPS; w++) {
      const uint32_t count = places[w][threadIdx.x];
      places[w][threadIdx.x] = place;
      place += count;
    }
    next[threadIdx.x] = place;
    __syncthreads();
    if (here) {
      const uint32_t to = places[warp][digit] + rank;
      to_keys[to] = key;
      to_order[to] = order[i];
    }
    __syncthreads();
  }
}

// ---- adding ------------------------------------------------------------------------------------------------------------

/// The sorted rows, in pieces of `piece`. A run that does not begin or end in its piece leaves its part in `heads` (it began
/// before) or `tails` (it begins here), (pieces, cols) each.
struct Sorted {
  const uint32_t *keys, *order;
  float *heads, *tails;
  uint32_t n, piece, table_rows;
};

constexpr int ADD_THREADS = 128, MOST_PIECE = 128;

/// Block (x, y): piece x, columns from y·ADD_THREADS·V.
template <int V, class T> __global__ void __launch_bounds__(ADD_THREADS) add_runs_kernel(float* table, const T* dy, Sorted sorted, size_t cols) {
  __shared__ uint32_t keys[MOST_PIECE], order[MOST_PIECE];
  const uint32_t first = blockIdx.x * sorted.piece, count = sorted.n - first < sorted.piece ? sorted.n - first : sorted.piece;
  for (uint32_t i = threadIdx.x; i < count; i += ADD_THREADS) {
    keys[i] = sorted.keys[first + i];
    order[i] = sorted.order[first + i];
  }
  __syncthreads();
  const size_t col = (blockIdx.y * size_t(ADD_THREADS) + threadIdx.x) * V;
  if (col >= cols) return;
  const bool goes_on_before = first > 0 && sorted.keys[first - 1] == keys[0];
  const bool goes_on_after = first + count < sorted.n && sorted.keys[first + count] == keys[count - 1];
  for (uint32_t begin = 0; begin < count;) {
    const uint32_t key = keys[begin];
    if (key == sorted.table_rows) return;  // the largest: nothing but indices out of range follows
    Floats<V> sum = {};
    uint32_t end = begin;
    while (end < count && keys[end] == key) {
      // Four rows under way at a time, added in their order.
      constexpr int AT_ONCE = 4;
      Floats<V> rows[AT_ONCE];
      TT_UNROLL
      for (uint32_t r = 0; r < AT_ONCE; r++) {
        const bool same = end + r < count && keys[end + r] == key;
        if (same) rows[r] = load_floats<V>(dy + order[end + r] * cols + col);
        TT_UNROLL
        for (int v = 0; v < V; v++) rows[r].at[v] = same ? rows[r].at[v] : 0.f;
      }
      TT_UNROLL
      for (uint32_t r = 0; r < AT_ONCE; r++) {
        if (end < count && keys[end] == key) end++;
        TT_UNROLL
        for (int v = 0; v < V; v++) sum.at[v] += rows[r].at[v];
      }
    }
    if (begin == 0 && goes_on_before) {
      store_floats<V>(sorted.heads + blockIdx.x * cols + col, sum);
    } else if (end == count && goes_on_after) {
      store_floats<V>(sorted.tails + blockIdx.x * cols + col, sum);
    } else {
      const Floats<V> old = load_floats<V>(table + key * cols + col);
      TT_UNROLL
      for (int v = 0; v < V; v++) sum.at[v] += old.at[v];
      store_floats<V>(table + key * cols + col, sum);
    }
    begin = end;
  }
}

/// Adds up the parts of the run that begins in piece x and ends in a later one.
__global__ void __launch_bounds__(ADD_THREADS) join_parts_kernel(float* table, Sorted sorted, size_t cols) {
  const uint32_t first = blockIdx.x * sorted.piece, end = first + sorted.piece;
  if (end >= sorted.n) return;
  const uint32_t key = sorted.keys[end - 1];
  if (key == sorted.table_rows || sorted.keys[end] != key || (first > 0 && sorted.keys[first - 1] == key)) return;
  const size_t col = blockIdx.y * size_t(ADD_THREADS) + threadIdx.x;
  if (col >= cols) return;
  float sum = sorted.tails[blockIdx.x * cols + col];
  for (size_t piece = blockIdx.x + 1; piece * sorted.piece < sorted.n && sorted.keys[piece * sorted.piece] == key; piece++)
    sum += sorted.heads[piece * cols + col];
  table[key * cols + col] += sum;
}

template <int V, class T>
void add_runs(cudaStream_t stream, float* table, const T* dy, const Sorted& sorted, unsigned pieces, size_t cols) {
  const size_t width = size_t(ADD_THREADS) * V;
  auto kernel = add_runs_kernel<V, T>;
  TT_LAUNCH(kernel, dim3(pieces, unsigned((cols + width - 1) / width)), dim3(ADD_THREADS), 0, stream, table, dy, sorted, cols);
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_scatter_add_rows(float* dtable, const void* dy, const int32_t* index, int32_t rows, int32_t cols, int32_t table_rows,
                                         tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_scatter_add_rows", dtype);
  TT_REQUIRE(rows >= 0 && cols >= 0 && table_rows >= 0, "tt_scatter_add_rows: rows, cols and table_rows must not be negative, got %d, %d and %d",
             rows, cols, table_rows);
  TT_REQUIRE_HOLD("tt_scatter_add_rows", size_t(rows), size_t(cols));
  TT_REQUIRE_HOLD("tt_scatter_add_rows", size_t(table_rows), size_t(cols));
  TT_REQUIRE(index || rows == 0, "tt_scatter_add_rows: index is null");
  if (rows == 0 || cols == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_scatter_add_rows", dtable);
  TT_REQUIRE_POINTER("tt_scatter_add_rows", dy);
  TT_READY("tt_scatter_add_rows");
  cudaStream_t s = stream_of(gpu, stream);
  const uint32_t n = uint32_t(rows), piece = n <= 16384 ? 32 : MOST_PIECE, pieces = (n + piece - 1) / piece, tiles = (n + SORT_TILE - 1) / SORT_TILE;
  // The buffers of parts on 16-byte boundaries; they are not used when everything is one piece.
  const size_t part = pieces > 1 ? (size_t(pieces) * size_t(cols) + 3) & ~size_t(3) : 0;
  const size_t bytes = (2 * part + 4 * size_t(n) + size_t(DIGITS) * tiles) * 4;
  Scratch memory(s);
  if (!memory.reserve(bytes)) return no_memory("tt_scatter_add_rows", bytes);
  float *heads = memory.as<float>(), *tails = heads + part;
  uint32_t *keys = reinterpret_cast<uint32_t*>(tails + part), *order = keys + n, *other_keys = order + n, *other_order = other_keys + n;
  uint32_t* counts = other_order + n;

  auto to_keys = keys_kernel;
  TT_LAUNCH(to_keys, dim3(grid_for(gpu, n, FLAT_THREADS)), dim3(FLAT_THREADS), 0, s, keys, order, index, n, uint32_t(table_rows), gpu.fault);
  for (int shift = 0; shift < 32 && uint32_t(table_rows) >> shift; shift += 8) {
    auto count = count_kernel;
    auto scan = scan_kernel;
    auto place = place_kernel;
    TT_LAUNCH(count, dim3(tiles), dim3(SORT_THREADS), 0, s, counts, keys, n, shift);
    TT_LAUNCH(scan, dim3(1), dim3(SCAN_THREADS), 0, s, counts, uint32_t(DIGITS) * tiles);
    TT_LAUNCH(place, dim3(tiles), dim3(SORT_THREADS), 0, s, other_keys, other_order, keys, order, counts, n, shift);
    uint32_t *held_keys = keys, *held_order = order;
    keys = other_keys, order = other_order;
    other_keys = held_keys, other_order = held_order;
  }
  const Sorted sorted = {keys, order, heads, tails, n, piece, uint32_t(table_rows)};
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    constexpr int V = Pack<T>::size;
    const T* from = static_cast<const T*>(dy);
    if (cols % V == 0 && aligned16(dtable) && aligned16(dy)) add_runs<V>(s, dtable, from, sorted, pieces, size_t(cols));
    else add_runs<1>(s, dtable, from, sorted, pieces, size_t(cols));
  });
  if (pieces > 1) {
    auto join = join_parts_kernel;
    TT_LAUNCH(join, dim3(pieces, unsigned((cols + ADD_THREADS - 1) / ADD_THREADS)), dim3(ADD_THREADS), 0, s, dtable, sorted, size_t(cols));
  }
  return launched("tt_scatter_add_rows", s);
}
