// Packed matrix products: the blocking, and who packs what.
//
// The smaller operand is packed once by all threads into shared memory. The larger one is cut into strips, and a strip is
// packed by the thread that is about to use it, so it is read from memory once and is still in that thread's L2. Strips
// come from a queue because cores differ in speed; the last ones are short, so that no thread waits long. How long they
// are depends on the number of threads, the order of every sum on the sizes alone: results depend neither on the number
// of threads nor on which of them computed what.
#include <string.h>

#include "gemm_crew.h"

namespace tt {
namespace {

constexpr size_t SHARED_LIMIT = size_t(24) << 20;  // the smaller operand is packed in groups of at most this
constexpr size_t STRIP_BYTES = size_t(640) << 10;  // of a packed strip: a third of an L2 of 2 MiB
constexpr size_t STREAM_FROM = size_t(1) << 20;    // results larger than this would not stay in L2 anyway
constexpr int PANELS_AT_A_TIME = 2;                // packed by one thread: neighbours read runs of memory
constexpr int STRIPS_PER_THREAD = 4;               // enough for the queue to even out slow cores
constexpr int TAIL_PARTS = 4;                      // strips of the tail are shorter by this

/// One product on its way: everything the threads need to know.
struct Plan {
  const Gemm& g;
  const GemmKernel& kernel;
  Crew crew;
  int depth1, depth2;  // padded
  const float* bias;
  bool stream;
  bool strips_of_a;    // else of b
  int strip, group;    // lanes of a strip, and of a group of the shared operand
  int heads = 0;       // so many whole strips,
  int tails = 0, tail = 0;  // then so many shorter ones, then the shortest: threads that end together have worked alike
  int last = 0;
  char* shared = nullptr;
  char* down = nullptr;  // packed panels of g.down
  int depth() const { return depth1 + depth2; }
  size_t panel_bytes(bool of_a) const { return size_t(of_a ? kernel.mr : kernel.nr) * depth() * kernel.element; }
  int width(bool of_a) const { return of_a ? kernel.mr : kernel.nr; }
  /// Scratch of a tile, and behind it a made a2, a piece or a part that is to be masked; behind that the masked rows of a
  /// panel, as they are and packed.
  size_t tile_floats() const { return size_t(kernel.m_block) * kernel.n_block; }
  size_t behind_floats() const {
    if (g.taker) return size_t(kernel.m_block) * (GEMM_PIECE + 16);
    const size_t made = size_t(kernel.mr) * round_up(g.k2, kernel.nr), part = g.mask_c ? size_t(kernel.mr) * kernel.n_block : 0;
    return ((made > part ? made : part) + 15) & ~size_t(15);
  }
  size_t masked_bytes() const { return g.mask_a ? (size_t(kernel.mr) * depth1 * dtype_bytes(g.a.dtype) + 63) & ~size_t(63) : 0; }
  int lanes() const { return strips_of_a ? g.m : g.n; }
  int strips() const { return heads + tails + divide_up(lanes() - heads * strip - tails * tail, last); }
  int strip_start(int i) const {
    if (i < heads) return i * strip;
    return heads * strip + smaller(i - heads, tails) * tail + larger(i - heads - tails, 0) * last;
  }
  int strip_lanes(int i) const { return smaller(i < heads ? strip : i < heads + tails ? tail : last, lanes() - strip_start(i)); }
};

/// Whole pieces as strips of b: a piece is made while one strip is in the cache.
void choose_pieces(Plan& plan) {
  plan.strips_of_a = false;
  plan.strip = plan.last = GEMM_PIECE;
  plan.tails = 0;
  plan.heads = plan.g.n / GEMM_PIECE;
}

void choose_blocks(Plan& plan) {
  const Gemm& g = plan.g;
  plan.strips_of_a = g.m >= g.n && !g.taker;
  const int lanes = plan.strips_of_a ? g.m : g.n, width = plan.width(plan.strips_of_a);
  const int others = plan.strips_of_a ? g.n : g.m, other_width = plan.width(!plan.strips_of_a);
  const size_t lane_bytes = size_t(larger(plan.depth(), 1)) * plan.kernel.element;
  const int longest = larger(int(STRIP_BYTES / lane_bytes) / width * width, 4 * width);
  const int threads = plan.crew.alone ? 1 : thread_count();
  int strips = divide_up(lanes, longest);
  // Not shorter than four panels, or reading the shared operand again for every strip would cost too much.
  if (threads > 1) strips = larger(strips, smaller(threads * STRIPS_PER_THREAD, lanes / (4 * width)));
  plan.strip = round_up(divide_up(lanes, larger(strips, 1)), width);
  plan.heads = lanes / plan.strip;
  plan.last = plan.strip;
  if (threads > 1) {
    plan.heads = larger(0, plan.heads - threads);
    plan.tail = round_up(divide_up(plan.strip, TAIL_PARTS), width);
    plan.last = width;
    plan.tails = larger(0, (lanes - plan.heads * plan.strip) / plan.tail - threads);
  }
  if (g.taker) choose_pieces(plan);
  plan.group = int(SHARED_LIMIT / lane_bytes < size_t(others) ? SHARED_LIMIT / lane_bytes : size_t(others));
  plan.group = smaller(larger(plan.group / other_width, 1) * other_width, round_up(others, other_width));
}

/// A panel of the rows [row, row + rows) of op(a) with what g.mask_a drops left out.
const char* pack_masked(const Plan& plan, int row, int rows, int thread) {
  const Gemm& g = plan.g;
  const size_t bytes = dtype_bytes(g.a.dtype), k = size_t(g.k);
  float* scratch = static_cast<float*>(thread_scratch(thread, SLOT_TILE, 0));
  char* masked = reinterpret_cast<char*>(scratch + plan.tile_floats() + plan.behind_floats());
  char* packed = masked + plan.masked_bytes();
  for (int i = 0; i < rows; i++) {
    const char* from = static_cast<const char*>(g.a.data) + size_t(row + i) * g.a.ld * bytes;
    TT_DISPATCH(apply_mask, masked + size_t(i) * k * bytes, from, k, size_t(row + i) * k, *g.mask_a, g.a.dtype);
  }
  plan.kernel.pack_a(packed, plan.panel_bytes(true), {masked, g.a.dtype, false, k, 1}, 0, rows, g.k);
  return packed;
}

/// op(a2) of rows whose first half is packed: made from that, packed behind it, and kept in g.a2_out.
void make_a2(const Plan& plan, char* panels, int row, int lanes, int thread) {
  const Gemm& g = plan.g;
  const GemmKernel& kernel = plan.kernel;
  float* scratch = static_cast<float*>(thread_scratch(thread, SLOT_TILE, 0));
  float* made = scratch + plan.tile_floats();
  const Operand a2 = {made, TT_F32, false, size_t(g.k2), 1};
  for (int i = 0; i < lanes; i += kernel.mr) {
    char* panel = panels + i / kernel.mr * plan.panel_bytes(true);
    const int count = smaller(kernel.mr, lanes - i);
    const char* from = g.mask_a ? pack_masked(plan, row + i, count, thread) : panel;
    kernel.tile({from, plan.down, count, g.k2, plan.depth1, plan.depth(), plan.depth1, made, TT_F32, size_t(g.k2), g.down_scale, 0, nullptr, scratch, false});
    kernel.pack_a(panel + size_t(plan.depth1) * kernel.mr * kernel.element, plan.panel_bytes(true), a2, 0, count, g.k2);
    memcpy(g.a2_out + size_t(row + i) * g.k2, made, size_t(count) * g.k2 * sizeof(float));
  }
}

/// `made`: g.a2_out has these rows already.
void pack_a_panels(const Plan& plan, char* out, int row, int lanes, int thread, bool made) {
  const Gemm& g = plan.g;
  const GemmKernel& kernel = plan.kernel;
  const size_t bytes = plan.panel_bytes(true);
  if (g.k) kernel.pack_a(out, bytes, g.a, row, lanes, g.k);
  if (!g.k2) return;
  if (g.a2_out && !made) return make_a2(plan, out, row, lanes, thread);
  const Operand a2 = g.a2_out ? Operand{g.a2_out, TT_F32, false, size_t(g.k2), 1} : g.a2;
  kernel.pack_a(out + size_t(plan.depth1) * kernel.mr * kernel.element, bytes, a2, row, lanes, g.k2);
}

void pack_b_panels(const Plan& plan, char* out, int column, int lanes) {
  const Gemm& g = plan.g;
  const GemmKernel& kernel = plan.kernel;
  const size_t bytes = plan.panel_bytes(false);
  if (g.k) kernel.pack_b(out, bytes, g.b, column, lanes, g.k);
  if (g.k2) kernel.pack_b(out + size_t(plan.depth1) * kernel.nr * kernel.element, bytes, g.b2, column, lanes, g.k2);
}

/// c = beta·c + the second product where g.mask_c keeps it: what the first one is then added to. A panel of rows at a time,
/// so that it goes from L1 to c.
void put_second_product(const Plan& plan, const char* a, const char* b, int row, int rows, int column, int columns, int thread) {
  const Gemm& g = plan.g;
  const GemmKernel& kernel = plan.kernel;
  float* scratch = static_cast<float*>(thread_scratch(thread, SLOT_TILE, 0));
  float* part = scratch + plan.tile_floats();
  const char* second_b = b + size_t(plan.depth1) * kernel.nr * kernel.element;
  for (int i = 0; i < rows; i += kernel.mr) {
    const int some = smaller(kernel.mr, rows - i);
    const char* second_a = a + i / kernel.mr * plan.panel_bytes(true) + size_t(plan.depth1) * kernel.mr * kernel.element;
    kernel.tile({second_a, second_b, some, columns, plan.depth2, plan.depth(), plan.depth(), part, TT_F32, size_t(kernel.n_block), g.alpha, 0, nullptr,
                 scratch, false});
    for (int r = 0; r < some; r++) {
      const size_t first = size_t(row + i + r) * g.ldc + column;
      TT_DISPATCH(put_masked, static_cast<char*>(g.c) + first * dtype_bytes(g.c_dtype), part + size_t(r) * kernel.n_block, size_t(columns), first,
                  *g.mask_c, g.beta != 0, g.c_dtype);
    }
  }
}

/// c[row …, column …] from packed panels that begin at that row and that column.
void multiply(const Plan& plan, const char* a, const char* b, int row, int rows, int column, int columns, int thread) {
  const Gemm& g = plan.g;
  const GemmKernel& kernel = plan.kernel;
  float* scratch = static_cast<float*>(thread_scratch(thread, SLOT_TILE, 0));
  if (g.taker) {
    // Not a power of two: rows that follow each other must not fall into the same cache sets.
    constexpr size_t ld = GEMM_PIECE + 16;
    float* values = scratch + plan.tile_floats();
    for (int i = 0; i < rows; i += kernel.m_block) {
      const int some = smaller(kernel.m_block, rows - i);
      kernel.tile({a + i / kernel.mr * plan.panel_bytes(true), b, some, columns, plan.depth(), plan.depth(), plan.depth(), values, TT_F32, ld, g.alpha, 0,
                   plan.bias ? plan.bias + column : nullptr, scratch, false});
      g.taker->take(g.taker->context, {values, ld, row + i, some, column, columns});
    }
    return;
  }
  for (int i = 0; i < rows; i += kernel.m_block) {
    for (int j = 0; j < columns; j += kernel.n_block) {
      char* c = static_cast<char*>(g.c) + (size_t(row + i) * g.ldc + column + j) * dtype_bytes(g.c_dtype);
      const char *of_a = a + i / kernel.mr * plan.panel_bytes(true), *of_b = b + j / kernel.nr * plan.panel_bytes(false);
      const int m = smaller(kernel.m_block, rows - i), n = smaller(kernel.n_block, columns - j);
      if (g.mask_c) put_second_product(plan, of_a, of_b, row + i, m, column + j, n, thread);
      kernel.tile({of_a, of_b, m, n, g.mask_c ? plan.depth1 : plan.depth(), plan.depth(), plan.depth(), c, g.c_dtype, g.ldc, g.alpha,
                   g.mask_c ? 1 : g.beta, plan.bias ? plan.bias + column + j : nullptr, scratch, plan.stream});
    }
  }
}

/// Panels of g.down, by the calling thread: there are few.
tt_status pack_down(Plan& plan) {
  const Gemm& g = plan.g;
  const GemmKernel& kernel = plan.kernel;
  const size_t panel = size_t(kernel.nr) * plan.depth1 * kernel.element;
  plan.down = static_cast<char*>(crew_scratch(plan.crew, SLOT_DOWN_OWN, SLOT_DOWN, divide_up(g.k2, kernel.nr) * panel + 64));
  if (!plan.down) return no_gemm_scratch();
  kernel.pack_b(plan.down, panel, g.down, 0, g.k2, g.k);
  return TT_OK;
}

tt_status reserve(Plan& plan) {
  const int width = plan.width(plan.strips_of_a), other_width = plan.width(!plan.strips_of_a);
  const uint64_t strip_bytes = uint64_t(divide_up(plan.strip, width)) * plan.panel_bytes(plan.strips_of_a);
  const uint64_t shared_bytes = uint64_t(divide_up(plan.group, other_width)) * plan.panel_bytes(!plan.strips_of_a);
  const size_t masked = plan.g.mask_a ? plan.masked_bytes() + plan.panel_bytes(true) + 64 : 0;
  const size_t tile_bytes = (plan.tile_floats() + plan.behind_floats()) * sizeof(float) + masked;
  plan.shared = static_cast<char*>(crew_scratch(plan.crew, SLOT_PACKED_B_OWN, SLOT_PACKED_B, shared_bytes + 64));
  if (!plan.shared) return no_gemm_scratch();
  for (int t = 0; t < thread_count(); t++) {
    if (plan.crew.alone && t != plan.crew.thread) continue;
    if (!thread_scratch(t, SLOT_PACKED_A, strip_bytes + 64) || !thread_scratch(t, SLOT_TILE, tile_bytes)) return no_gemm_scratch();
  }
  return TT_OK;
}

void run_strips_of_a(const Plan& plan) {
  const Gemm& g = plan.g;
  const int step = PANELS_AT_A_TIME * plan.kernel.nr;
  for (int group = 0; group < g.n; group += plan.group) {
    const int columns = smaller(plan.group, g.n - group);
    share(plan.crew, divide_up(columns, step), [&](size_t index, int) {
      const int column = int(index) * step;
      pack_b_panels(plan, plan.shared + index * PANELS_AT_A_TIME * plan.panel_bytes(false), group + column, smaller(step, columns - column));
    });
    share(plan.crew, size_t(plan.strips()), [&](size_t index, int thread) {
      const int row = plan.strip_start(int(index)), rows = plan.strip_lanes(int(index));
      char* packed = static_cast<char*>(thread_scratch(thread, SLOT_PACKED_A, 0));
      pack_a_panels(plan, packed, row, rows, thread, group > 0);
      multiply(plan, packed, plan.shared, row, rows, group, columns, thread);
    });
  }
}

void run_strips_of_b(const Plan& plan) {
  const Gemm& g = plan.g;
  const int step = PANELS_AT_A_TIME * plan.kernel.mr;
  for (int group = 0; group < g.m; group += plan.group) {
    const int rows = smaller(plan.group, g.m - group);
    share(plan.crew, divide_up(rows, step), [&](size_t index, int thread) {
      const int row = int(index) * step;
      pack_a_panels(plan, plan.shared + index * PANELS_AT_A_TIME * plan.panel_bytes(true), group + row, smaller(step, rows - row), thread, false);
    });
    share(plan.crew, size_t(plan.strips()), [&](size_t index, int thread) {
      const int column = plan.strip_start(int(index)), columns = plan.strip_lanes(int(index));
      char* packed = static_cast<char*>(thread_scratch(thread, SLOT_PACKED_A, 0));
      pack_b_panels(plan, packed, column, columns);
      multiply(plan, plan.shared, packed, group, rows, column, columns, thread);
    });
  }
}

}  // namespace

tt_status gemm_blocked(const Gemm& g, Crew crew) {
  const GemmKernel& kernel = *gemm_kernel(g.a.dtype, g.b.dtype);
  const bool stream = size_t(g.m) * g.n * dtype_bytes(g.c_dtype) > STREAM_FROM;
  Plan plan = {g, kernel, crew, round_up(g.k, kernel.k_align), round_up(g.k2, kernel.k_align), nullptr, stream, true, 0, 0};
  if (tt_status status = widen_bias(&plan.bias, g, crew)) return status;
  choose_blocks(plan);
  if (tt_status status = reserve(plan)) return status;
  if (g.k2 && g.a2_out)
    if (tt_status status = pack_down(plan)) return status;
  plan.strips_of_a ? run_strips_of_a(plan) : run_strips_of_b(plan);
  return TT_OK;
}

}  // namespace tt
