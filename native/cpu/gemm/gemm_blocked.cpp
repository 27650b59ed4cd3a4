// Packed matrix products: the blocking, and who packs what.
//
// The smaller operand is packed once by all threads into shared memory. The larger one is cut into strips, and a strip is
// packed by the thread that is about to use it, so it is read from memory once and is still in that thread's L2. Strips
// come from a queue because cores differ in speed. Blocks and the order of every sum depend on the sizes and the number
// of threads only: results do not depend on which thread computed them.
#include "gemm_crew.h"

namespace tt {
namespace {

constexpr size_t SHARED_LIMIT = size_t(24) << 20;  // the smaller operand is packed in groups of at most this
constexpr size_t STRIP_BYTES = size_t(640) << 10;  // of a packed strip: a third of an L2 of 2 MiB
constexpr size_t STREAM_FROM = size_t(1) << 20;    // results larger than this would not stay in L2 anyway
constexpr int PANELS_AT_A_TIME = 4;                // packed by one thread: neighbours read runs of memory
constexpr int STRIPS_PER_THREAD = 4;               // enough for the queue to even out slow cores

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
  char* shared;
  char* down;          // packed panels of g.down
  int depth() const { return depth1 + depth2; }
  size_t panel_bytes(bool of_a) const { return size_t(of_a ? kernel.mr : kernel.nr) * depth() * kernel.element; }
  int width(bool of_a) const { return of_a ? kernel.mr : kernel.nr; }
};

const GemmKernel* choose_kernel(const Gemm& g) {
  if (isa() == ISA_AMX && (g.a.dtype == TT_BF16 || g.b.dtype == TT_BF16)) return amx::gemm_kernel_bf16();
  return TT_DISPATCH(gemm_kernel_f32);
}

void choose_blocks(Plan& plan) {
  const Gemm& g = plan.g;
  plan.strips_of_a = g.m >= g.n;
  const int lanes = plan.strips_of_a ? g.m : g.n, width = plan.width(plan.strips_of_a);
  const int others = plan.strips_of_a ? g.n : g.m, other_width = plan.width(!plan.strips_of_a);
  const size_t lane_bytes = size_t(larger(plan.depth(), 1)) * plan.kernel.element;
  const int longest = larger(int(STRIP_BYTES / lane_bytes) / width * width, 4 * width);
  const int threads = plan.crew.alone ? 1 : thread_count();
  int strips = divide_up(lanes, longest);
  // Not shorter than four panels, or reading the shared operand again for every strip would cost too much.
  if (threads > 1) strips = larger(strips, smaller(threads * STRIPS_PER_THREAD, lanes / (4 * width)));
  plan.strip = round_up(divide_up(lanes, larger(strips, 1)), width);
  plan.group = int(SHARED_LIMIT / lane_bytes < size_t(others) ? SHARED_LIMIT / lane_bytes : size_t(others));
  plan.group = smaller(larger(plan.group / other_width, 1) * other_width, round_up(others, other_width));
}

/// op(a2) of rows whose first half is packed: made from that, packed behind it, and kept in g.a2_out when this caller is
/// the one to do so (others would write the same).
void make_a2(const Plan& plan, char* panels, int row, int lanes, int thread, bool keep) {
  const Gemm& g = plan.g;
  const GemmKernel& kernel = plan.kernel;
  float* scratch = static_cast<float*>(thread_scratch(thread, SLOT_TILE, 0));
  float* made = scratch + size_t(kernel.m_block) * kernel.n_block;
  const Operand a2 = {made, TT_F32, false, size_t(g.k2), 1};
  for (int i = 0; i < lanes; i += kernel.mr) {
    char* panel = panels + i / kernel.mr * plan.panel_bytes(true);
    const int count = smaller(kernel.mr, lanes - i);
    kernel.tile({panel, plan.down, count, g.k2, plan.depth1, plan.depth(), plan.depth1, made, TT_F32, size_t(g.k2), g.down_scale, 0, nullptr, scratch, false});
    kernel.pack_a(panel + size_t(plan.depth1) * kernel.mr * kernel.element, plan.panel_bytes(true), a2, 0, count, g.k2);
    if (keep)
      for (int r = 0; r < count * g.k2; r++) g.a2_out[size_t(row + i) * g.k2 + r] = made[r];
  }
}

void pack_a_panels(const Plan& plan, char* out, int row, int lanes, int thread, bool keep) {
  const Gemm& g = plan.g;
  const GemmKernel& kernel = plan.kernel;
  const size_t bytes = plan.panel_bytes(true);
  if (g.k) kernel.pack_a(out, bytes, g.a, row, lanes, g.k);
  if (g.k2 && g.a2_out) make_a2(plan, out, row, lanes, thread, keep);
  else if (g.k2) kernel.pack_a(out + size_t(plan.depth1) * kernel.mr * kernel.element, bytes, g.a2, row, lanes, g.k2);
}

void pack_b_panels(const Plan& plan, char* out, int column, int lanes) {
  const Gemm& g = plan.g;
  const GemmKernel& kernel = plan.kernel;
  const size_t bytes = plan.panel_bytes(false);
  if (g.k) kernel.pack_b(out, bytes, g.b, column, lanes, g.k);
  if (g.k2) kernel.pack_b(out + size_t(plan.depth1) * kernel.nr * kernel.element, bytes, g.b2, column, lanes, g.k2);
}

/// c[row …, column …] from packed panels that begin at that row and that column.
void multiply(const Plan& plan, const char* a, const char* b, int row, int rows, int column, int columns, int thread) {
  const Gemm& g = plan.g;
  const GemmKernel& kernel = plan.kernel;
  float* scratch = static_cast<float*>(thread_scratch(thread, SLOT_TILE, 0));
  for (int i = 0; i < rows; i += kernel.m_block) {
    for (int j = 0; j < columns; j += kernel.n_block) {
      char* c = static_cast<char*>(g.c) + (size_t(row + i) * g.ldc + column + j) * dtype_bytes(g.c_dtype);
      kernel.tile({a + i / kernel.mr * plan.panel_bytes(true), b + j / kernel.nr * plan.panel_bytes(false), smaller(kernel.m_block, rows - i),
                   smaller(kernel.n_block, columns - j), plan.depth(), plan.depth(), plan.depth(), c, g.c_dtype, g.ldc, g.alpha, g.beta,
                   plan.bias ? plan.bias + column + j : nullptr, scratch, plan.stream});
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
  const GemmKernel& kernel = plan.kernel;
  const int width = plan.width(plan.strips_of_a), other_width = plan.width(!plan.strips_of_a);
  const size_t strip_bytes = divide_up(plan.strip, width) * plan.panel_bytes(plan.strips_of_a);
  const size_t shared_bytes = divide_up(plan.group, other_width) * plan.panel_bytes(!plan.strips_of_a);
  const size_t tile_bytes = (size_t(kernel.m_block) * kernel.n_block + size_t(kernel.mr) * round_up(plan.g.k2, kernel.nr)) * sizeof(float);
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
    share(plan.crew, divide_up(g.m, plan.strip), [&](size_t index, int thread) {
      const int row = int(index) * plan.strip, rows = smaller(plan.strip, g.m - row);
      char* packed = static_cast<char*>(thread_scratch(thread, SLOT_PACKED_A, 0));
      pack_a_panels(plan, packed, row, rows, thread, group == 0);
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
      pack_a_panels(plan, plan.shared + index * PANELS_AT_A_TIME * plan.panel_bytes(true), group + row, smaller(step, rows - row), thread, true);
    });
    share(plan.crew, divide_up(g.n, plan.strip), [&](size_t index, int thread) {
      const int column = int(index) * plan.strip, columns = smaller(plan.strip, g.n - column);
      char* packed = static_cast<char*>(thread_scratch(thread, SLOT_PACKED_A, 0));
      pack_b_panels(plan, packed, column, columns);
      multiply(plan, plan.shared, packed, group, rows, column, columns, thread);
    });
  }
}

}  // namespace

tt_status gemm_blocked(const Gemm& g, Crew crew) {
  const GemmKernel& kernel = *choose_kernel(g);
  const bool stream = size_t(g.m) * g.n * dtype_bytes(g.c_dtype) > STREAM_FROM;
  Plan plan = {g, kernel, crew, round_up(g.k, kernel.k_align), round_up(g.k2, kernel.k_align), nullptr, stream, true, 0, 0, nullptr, nullptr};
  if (tt_status status = widen_bias(&plan.bias, g, crew)) return status;
  choose_blocks(plan);
  if (tt_status status = reserve(plan)) return status;
  if (g.k2 && g.a2_out)
    if (tt_status status = pack_down(plan)) return status;
  plan.strips_of_a ? run_strips_of_a(plan) : run_strips_of_b(plan);
  return TT_OK;
}

}  // namespace tt
