// Entry points of strided copies, row gathers and scatters, and of the broadcasting binary functions, which walk their
// operands the same way.
#include "movement.h"

#include <string.h>

#include "../elementwise/elementwise.h"
#include "../runtime/ranges.h"

using namespace tt;

namespace {

constexpr int MAX_DIMS = 8;

/// Sizes and two strides a dimension, those of size 1 dropped and neighbours merged where they walk as one.
struct Walk {
  int ndim = 0;
  int64_t size[MAX_DIMS], first[MAX_DIMS], second[MAX_DIMS];
  size_t lines() const {
    size_t n = 1;
    for (int d = 0; d + 1 < ndim; d++) n *= size_t(size[d]);
    return n;
  }
};

/// Appends a dimension, inner after outer.
void add_dim(Walk& walk, int64_t size, int64_t first, int64_t second) {
  if (size == 1) return;
  if (walk.ndim > 0) {
    int last = walk.ndim - 1;
    if (walk.first[last] == first * size && walk.second[last] == second * size) {
      walk.size[last] *= size;
      walk.first[last] = first;
      walk.second[last] = second;
      return;
    }
  }
  walk.size[walk.ndim] = size;
  walk.first[walk.ndim] = first;
  walk.second[walk.ndim] = second;
  walk.ndim++;
}

/// Offsets of line number `line`: all dimensions but the last, counted in row-major order.
void line_offsets(const Walk& walk, size_t line, int64_t& first, int64_t& second) {
  first = second = 0;
  for (int d = walk.ndim - 2; d >= 0; d--) {
    int64_t i = int64_t(line % size_t(walk.size[d]));
    line /= size_t(walk.size[d]);
    first += i * walk.first[d];
    second += i * walk.second[d];
  }
}

/// Checks dims; *elements = 0 when some size is, else 1.
tt_status check_dims(const char* name, const int64_t* dims, int32_t ndim, size_t* elements) {
  TT_REQUIRE(ndim >= 0 && ndim <= MAX_DIMS, "%s: ndim must be 0..%d, got %d", name, MAX_DIMS, ndim);
  TT_REQUIRE(dims || ndim == 0, "%s: dims is null", name);
  *elements = 1;
  for (int d = 0; d < ndim; d++) {
    TT_REQUIRE(dims[d * 3] >= 0, "%s: size of dimension %d is %lld", name, d, (long long)dims[d * 3]);
    *elements = dims[d * 3] == 0 ? 0 : *elements;
  }
  TT_REQUIRE(can_walk(dims, ndim), "%s: dims reach further than memory can", name);
  return TT_OK;
}

char* offset(void* p, int64_t elements, tt_dtype dtype) { return static_cast<char*>(p) + elements * int64_t(dtype_bytes(dtype)); }
const char* offset(const void* p, int64_t elements, tt_dtype dtype) {
  return static_cast<const char*>(p) + elements * int64_t(dtype_bytes(dtype));
}

/// Moves the dimension with the smallest y stride to the end: y is then written in lines.
void sort_by_y(Walk& walk) {
  int last = walk.ndim - 1, best = last;
  auto size_of = [](int64_t stride) { return stride < 0 ? -stride : stride; };
  for (int d = 0; d < last; d++)
    if (size_of(walk.first[d]) < size_of(walk.first[best])) best = d;
  for (int d = best; d < last; d++) {
    int64_t* columns[] = {walk.size, walk.first, walk.second};
    for (int64_t* column : columns) {
      int64_t held = column[d];
      column[d] = column[d + 1];
      column[d + 1] = held;
    }
  }
}

/// Where y is contiguous along the last dimension and x along another one, both are walked in blocks: a transpose.
bool transpose_copy(void* y, const void* x, const Walk& walk, tt_dtype dtype) {
  const int last = walk.ndim - 1;
  if (last < 1 || walk.first[last] != 1 || walk.second[last] == 1) return false;
  int along = -1;
  for (int d = 0; d < last; d++)
    if (walk.second[d] == 1) along = d;
  if (along < 0 || walk.size[along] < 8 || walk.size[last] < 8) return false;
  Walk outer;  // the dimensions that are neither
  for (int d = 0; d < last; d++)
    if (d != along) add_dim(outer, walk.size[d], walk.first[d], walk.second[d]);
  add_dim(outer, 2, 0, 0);  // a last dimension that line_offsets leaves out
  const size_t rows = size_t(walk.size[along]), cols = size_t(walk.size[last]), tile = 128;
  const size_t row_tiles = (rows + tile - 1) / tile, col_tiles = (cols + tile - 1) / tile;
  const size_t lines = outer.lines();
  auto block = [&](size_t i, int) {
    size_t col = i % col_tiles * tile, row = i / col_tiles % row_tiles * tile;
    int64_t to, from;
    line_offsets(outer, i / col_tiles / row_tiles, to, from);
    size_t height = rows - row < tile ? rows - row : tile, width = cols - col < tile ? cols - col : tile;
    TT_DISPATCH(transpose_block, offset(y, to + int64_t(row) * walk.first[along] + int64_t(col), dtype),
                offset(x, from + int64_t(row) + int64_t(col) * walk.second[last], dtype), height, width, walk.first[along], walk.second[last],
                dtype_bytes(dtype));
  };
  parallel(lines * row_tiles * col_tiles, [&](size_t i, int thread) { block(i, thread); });
  return true;
}

}  // namespace

extern "C" tt_status tt_strided_copy(void* y, const void* x, const int64_t* dims, int32_t ndim, int32_t accumulate, tt_dtype dtype, tt_stream) {
  TT_REQUIRE(dtype >= TT_F32 && dtype <= TT_I8, "tt_strided_copy: unknown dtype %d", dtype);
  TT_REQUIRE(!accumulate || is_compute_dtype(dtype), "tt_strided_copy: accumulate needs f32 or bf16, dtype is %d", dtype);
  size_t elements;
  if (tt_status bad = check_dims("tt_strided_copy", dims, ndim, &elements)) return bad;
  if (elements == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_strided_copy", y);
  TT_REQUIRE_POINTER("tt_strided_copy", x);
  Walk walk;
  for (int d = 0; d < ndim; d++) {
    TT_REQUIRE(dims[d * 3] == 1 || dims[d * 3 + 1] != 0, "tt_strided_copy: y stride of dimension %d is 0: its elements overlap", d);
    add_dim(walk, dims[d * 3], dims[d * 3 + 1], dims[d * 3 + 2]);
  }
  if (walk.ndim == 0) {
    TT_DISPATCH(copy_line, y, x, size_t(1), Line{1, 1}, accumulate != 0, dtype);
    return TT_OK;
  }
  sort_by_y(walk);
  if (!accumulate && transpose_copy(y, x, walk, dtype)) return TT_OK;
  const int last = walk.ndim - 1;
  // A single long line is cut, so that plain copies and flips use all threads too.
  const size_t length = size_t(walk.size[last]), most = 65536, cuts = (length + most - 1) / most;
  for_ranges(walk.lines() * cuts, (length < most ? length : most) * 2 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; i++) {
      int64_t to, from;
      line_offsets(walk, i / cuts, to, from);
      size_t start = i % cuts * most, count = length - start < most ? length - start : most;
      TT_DISPATCH(copy_line, offset(y, to + int64_t(start) * walk.first[last], dtype), offset(x, from + int64_t(start) * walk.second[last], dtype),
                  count, Line{walk.first[last], walk.second[last]}, accumulate != 0, dtype);
    }
  });
  return TT_OK;
}

extern "C" tt_status tt_binary(void* y, const void* a, const void* b, const int64_t* dims, int32_t ndim, int32_t op, tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_binary", dtype);
  TT_REQUIRE(op >= TT_ADD && op <= TT_EQUAL, "tt_binary: op must be 0..%d, got %d", TT_EQUAL, op);
  size_t elements;
  if (tt_status bad = check_dims("tt_binary", dims, ndim, &elements)) return bad;
  if (elements == 0) return TT_OK;
  TT_REQUIRE(y && a && b, "tt_binary: %s is null", !y ? "y" : !a ? "a" : "b");
  Walk walk;
  for (int d = 0; d < ndim; d++) add_dim(walk, dims[d * 3], dims[d * 3 + 1], dims[d * 3 + 2]);
  if (walk.ndim == 0) add_dim(walk, 2, 1, 1), walk.size[0] = 1;
  const int last = walk.ndim - 1;
  const size_t length = size_t(walk.size[last]), most = 16384, cuts = (length + most - 1) / most;
  const int64_t a_step = walk.first[last], b_step = walk.second[last];
  const bool vectors = (a_step == 0 || a_step == 1) && (b_step == 0 || b_step == 1);
  for_ranges(walk.lines() * cuts, (length < most ? length : most) * 3 * dtype_bytes(dtype), [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; i++) {
      int64_t left, right;
      line_offsets(walk, i / cuts, left, right);
      size_t start = i % cuts * most, count = length - start < most ? length - start : most;
      const size_t to = i / cuts * length + start;
      left += int64_t(start) * a_step;
      right += int64_t(start) * b_step;
      if (vectors) {
        TT_DISPATCH(binary_range, at(y, to, dtype), offset(a, left, dtype), offset(b, right, dtype), count, a_step, b_step, op, dtype);
        continue;
      }
      // Other strides (transposed operands): gathered a little at a time.
      constexpr size_t SOME = 256;
      alignas(64) float left_buffer[SOME], right_buffer[SOME];
      for (size_t j = 0; j < count; j += SOME) {
        size_t some = count - j < SOME ? count - j : SOME;
        TT_DISPATCH(copy_line, left_buffer, offset(a, left + int64_t(j) * a_step, dtype), some, Line{1, a_step}, false, dtype);
        TT_DISPATCH(copy_line, right_buffer, offset(b, right + int64_t(j) * b_step, dtype), some, Line{1, b_step}, false, dtype);
        TT_DISPATCH(binary_range, at(y, to + j, dtype), left_buffer, right_buffer, some, 1, 1, op, dtype);
      }
    }
  });
  return TT_OK;
}

static tt_status check_index(const char* name, const int32_t* index, int32_t rows, int32_t cols, int32_t table_rows) {
  TT_REQUIRE(rows >= 0 && cols >= 0 && table_rows >= 0, "%s: rows, cols and table_rows must not be negative, got %d, %d and %d", name, rows, cols,
             table_rows);
  TT_REQUIRE_HOLD(name, size_t(rows), size_t(cols));
  TT_REQUIRE_HOLD(name, size_t(table_rows), size_t(cols));
  TT_REQUIRE(index || rows == 0, "%s: index is null", name);
  for (int32_t i = 0; i < rows; i++)
    TT_REQUIRE(index[i] >= 0 && index[i] < table_rows, "%s: index[%d] is %d, the table has %d rows", name, i, index[i], table_rows);
  return TT_OK;
}

extern "C" tt_status tt_gather_rows(void* y, const void* table, const int32_t* index, int32_t rows, int32_t cols, int32_t table_rows,
                                    tt_dtype dtype, tt_stream) {
  TT_REQUIRE(dtype >= TT_F32 && dtype <= TT_I8, "tt_gather_rows: unknown dtype %d", dtype);
  if (tt_status bad = check_index("tt_gather_rows", index, rows, cols, table_rows)) return bad;
  if (rows == 0 || cols == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_gather_rows", y);
  TT_REQUIRE_POINTER("tt_gather_rows", table);
  const size_t bytes = size_t(cols) * dtype_bytes(dtype);
  for_ranges(size_t(rows), 2 * bytes, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; i++)
      memcpy(static_cast<char*>(y) + i * bytes, static_cast<const char*>(table) + size_t(index[i]) * bytes, bytes);
  });
  return TT_OK;
}

extern "C" tt_status tt_scatter_add_rows(float* dtable, const void* dy, const int32_t* index, int32_t rows, int32_t cols, int32_t table_rows,
                                         tt_dtype dtype, tt_stream) {
  TT_REQUIRE_DTYPE("tt_scatter_add_rows", dtype);
  if (tt_status bad = check_index("tt_scatter_add_rows", index, rows, cols, table_rows)) return bad;
  if (rows == 0 || cols == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_scatter_add_rows", dtable);
  TT_REQUIRE_POINTER("tt_scatter_add_rows", dy);
  // Split by columns: several rows may have the same index, and each sum keeps the order of the rows.
  const size_t n = size_t(cols), width = 64, strips = size_t(rows) * n < 16384 ? 1 : (n + width - 1) / width;
  parallel(strips, [&](size_t strip, int) {
    size_t begin = strips == 1 ? 0 : strip * width, count = strips == 1 || n - begin < width ? n - begin : width;
    TT_DISPATCH(scatter_columns, dtable + begin, at(dy, begin, dtype), index, size_t(rows), count, n, dtype);
  });
  return TT_OK;
}
