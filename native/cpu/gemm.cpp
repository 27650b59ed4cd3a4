// The driver of the matrix products: chooses the kernel and the blocking, packs, and shares the tiles among the threads.
//
// b is packed once per call by all threads into shared memory; a block of a is packed by the thread that is about to use
// it, so it is still in its L2. Tiles come from a queue because cores differ in speed; blocks and the order of every sum
// depend on the sizes and the number of threads only, so results do not depend on who computed them.
#include "gemm.h"

namespace tt {
namespace {

constexpr int SMALL_M = 16;                        // up to here the weights are read once, unpacked
constexpr size_t PACKED_B_LIMIT = size_t(24) << 20;  // columns are taken in groups whose packed b fits this
constexpr int MAX_DEPTH = 2048;                    // deeper f32 results are summed in several passes over c: a block of a must fit L2
constexpr int UNITS_PER_THREAD = 4;                // enough for the queue to even out slow cores
constexpr int MAX_THREADS = 256;

/// Who works on a product: the whole pool, or one of its threads.
struct Crew { bool alone; int thread; };

template <class F> void share(Crew crew, size_t tiles, const F& body) {
  if (!crew.alone) return parallel(tiles, body);
  for (size_t tile = 0; tile < tiles; tile++) body(tile, crew.thread);
}

void* crew_scratch(Crew crew, int thread_slot, int shared_slot, size_t bytes) {
  return crew.alone ? thread_scratch(crew.thread, thread_slot, bytes) : shared_scratch(shared_slot, bytes);
}

int round_up(int x, int step) { return (x + step - 1) / step * step; }
int divide_up(int x, int y) { return (x + y - 1) / y; }
int smaller(int x, int y) { return x < y ? x : y; }
int larger(int x, int y) { return x > y ? x : y; }

tt_status no_scratch() { return fail(TT_OUT_OF_MEMORY, "no memory for the packed operands of a matrix product"); }

const GemmKernel* choose_kernel(const Gemm& g) {
  if (isa() == ISA_AMX && (g.a.dtype == TT_BF16 || g.b.dtype == TT_BF16)) return amx::gemm_kernel_bf16();
  return TT_DISPATCH(gemm_kernel_f32);
}

/// The bias as f32; *out stays NULL when there is none.
tt_status widen_bias(const float** out, const Gemm& g, Crew crew) {
  *out = nullptr;
  if (!g.bias) return TT_OK;
  if (g.bias_dtype == TT_F32) {
    *out = static_cast<const float*>(g.bias);
    return TT_OK;
  }
  float* wide = static_cast<float*>(crew_scratch(crew, SLOT_GEMM_SPARE, SLOT_BIAS, size_t(g.n) * sizeof(float)));
  if (!wide) return no_scratch();
  TT_DISPATCH(widen_row, wide, g.bias, g.bias_dtype, g.n, 1);
  *out = wide;
  return TT_OK;
}

const char* lane_start(const Operand& x, size_t lane) {
  return static_cast<const char*>(x.data) + lane * (x.k_major ? 1 : x.ld) * dtype_bytes(x.dtype);
}

tt_status small_rows(const Gemm& g, Crew crew) {
  SmallGemm s = {g.m, g.n, g.k, g.k2, nullptr, size_t(g.k) + g.k2, g.b, g.b2, g.c, g.c_dtype, g.ldc, g.alpha, g.beta, nullptr};
  float* x = static_cast<float*>(crew_scratch(crew, SLOT_PACKED_A, SLOT_PACKED_B, (size_t(g.m) * s.ldx + 1) * sizeof(float)));
  if (!x) return no_scratch();
  for (int row = 0; row < g.m; row++) {
    float* out = x + size_t(row) * s.ldx;
    TT_DISPATCH(widen_row, out, lane_start(g.a, row), g.a.dtype, g.k, g.a.scale * g.b.scale);
    if (g.k2) TT_DISPATCH(widen_row, out + g.k, lane_start(g.a2, row), g.a2.dtype, g.k2, g.a2.scale * g.b2.scale);
  }
  s.x = x;
  if (tt_status status = widen_bias(&s.bias, g, crew)) return status;
  constexpr int COLUMNS = 64;
  share(crew, divide_up(g.n, COLUMNS), [&](size_t tile, int) {
    int first = int(tile) * COLUMNS;
    TT_DISPATCH(gemm_small_rows, s, first, smaller(first + COLUMNS, g.n));
  });
  return TT_OK;
}

/// A unit of work is `rows` × `columns` of c; the columns of b are packed in groups.
struct Blocks { int rows, columns, group; };

Blocks choose_blocks(const GemmKernel& kernel, const Gemm& g, int depth, Crew crew) {
  size_t column_bytes = size_t(larger(depth, 1)) * kernel.element;
  int group = int(PACKED_B_LIMIT / column_bytes < size_t(g.n) ? PACKED_B_LIMIT / column_bytes : size_t(g.n));
  group = larger(group / kernel.n_block, 1) * kernel.n_block;
  if (group >= g.n) group = g.n;
  // Rows are divided first: threads that share a block of rows would each pack it.
  int threads = crew.alone ? 1 : thread_count(), wanted = threads == 1 ? 1 : threads * UNITS_PER_THREAD;
  int down = larger(divide_up(g.m, kernel.m_block), smaller(wanted, g.m / (4 * kernel.mr)));
  int across = 1;
  if (threads > 1 && down < 2 * threads) across = larger(1, smaller(divide_up(wanted, down), group / (2 * kernel.nr)));
  return {round_up(divide_up(g.m, down), kernel.mr), round_up(divide_up(group, across), kernel.nr), group};
}

void pack_panel(char* panel, const GemmKernel& kernel, bool of_a, const Operand& x, const Operand& x2, int lane, int lanes, int k, int k2) {
  auto pack = of_a ? kernel.pack_a : kernel.pack_b;
  int width = of_a ? kernel.mr : kernel.nr;
  if (k) pack(panel, x, lane, lanes, k);
  if (k2) pack(panel + size_t(round_up(k, kernel.k_align)) * width * kernel.element, x2, lane, lanes, k2);
}

tt_status blocked(const Gemm& g, Crew crew) {
  const GemmKernel& kernel = *choose_kernel(g);
  const int depth = round_up(g.k, kernel.k_align) + round_up(g.k2, kernel.k_align);
  const Blocks blocks = choose_blocks(kernel, g, depth, crew);
  const size_t a_panel = size_t(kernel.mr) * depth * kernel.element, b_panel = size_t(kernel.nr) * depth * kernel.element;
  const size_t a_bytes = blocks.rows / kernel.mr * a_panel, tile_bytes = size_t(kernel.m_block) * kernel.n_block * sizeof(float);

  const float* bias;
  if (tt_status status = widen_bias(&bias, g, crew)) return status;
  char* packed_b = static_cast<char*>(crew_scratch(crew, SLOT_PACKED_B_OWN, SLOT_PACKED_B, divide_up(blocks.group, kernel.nr) * b_panel + 64));
  if (!packed_b) return no_scratch();
  int block_of_thread[MAX_THREADS];  // which block of rows a thread has packed
  for (int t = 0; t < thread_count(); t++) {
    if (crew.alone && t != crew.thread) continue;
    block_of_thread[t] = -1;
    if (!thread_scratch(t, SLOT_PACKED_A, a_bytes + 64) || !thread_scratch(t, SLOT_TILE, tile_bytes)) return no_scratch();
  }

  for (int group = 0; group < g.n; group += blocks.group) {
    const int columns = smaller(blocks.group, g.n - group), across = divide_up(columns, blocks.columns);
    share(crew, divide_up(columns, kernel.nr), [&](size_t panel, int) {
      int column = int(panel) * kernel.nr;
      pack_panel(packed_b + panel * b_panel, kernel, false, g.b, g.b2, group + column, smaller(kernel.nr, columns - column), g.k, g.k2);
    });
    share(crew, size_t(divide_up(g.m, blocks.rows)) * across, [&](size_t index, int thread) {
      const int block = int(index) / across, row = block * blocks.rows, column = int(index) % across * blocks.columns;
      const int rows = smaller(blocks.rows, g.m - row);
      char* packed_a = static_cast<char*>(thread_scratch(thread, SLOT_PACKED_A, 0));
      if (block_of_thread[thread] != block) {
        for (int i = 0; i < rows; i += kernel.mr)
          pack_panel(packed_a + i / kernel.mr * a_panel, kernel, true, g.a, g.a2, row + i, smaller(kernel.mr, rows - i), g.k, g.k2);
        block_of_thread[thread] = block;
      }
      const int end = smaller(column + blocks.columns, columns);
      for (int j = column; j < end; j += kernel.n_block) {
        char* c = static_cast<char*>(g.c) + (size_t(row) * g.ldc + group + j) * dtype_bytes(g.c_dtype);
        kernel.tile({packed_a, packed_b + j / kernel.nr * b_panel, rows, smaller(kernel.n_block, end - j), depth, c, g.c_dtype, g.ldc, g.alpha, g.beta,
                     bias ? bias + group + j : nullptr, static_cast<float*>(thread_scratch(thread, SLOT_TILE, 0))});
      }
    });
  }
  return TT_OK;
}

tt_status run(const Gemm& g, Crew crew) {
  if (g.m == 0 || g.n == 0) return TT_OK;
  if (g.m <= SMALL_M && !g.a.k_major && !g.b.k_major && !(g.k2 && (g.a2.k_major || g.b2.k_major))) return small_rows(g, crew);
  if (g.k <= MAX_DEPTH || g.c_dtype != TT_F32) return blocked(g, crew);
  // Deep sums (weight gradients over many tokens): the packed panels stay of bounded size.
  Gemm part = g;
  for (int k = 0; k < g.k; k += MAX_DEPTH) {
    part.k = smaller(MAX_DEPTH, g.k - k);
    part.a.data = static_cast<const char*>(g.a.data) + size_t(k) * (g.a.k_major ? g.a.ld : 1) * dtype_bytes(g.a.dtype);
    part.b.data = static_cast<const char*>(g.b.data) + size_t(k) * (g.b.k_major ? g.b.ld : 1) * dtype_bytes(g.b.dtype);
    if (tt_status status = blocked(part, crew)) return status;
    part.beta = 1;
    part.bias = nullptr;
    part.k2 = 0;
  }
  return TT_OK;
}

}  // namespace

tt_status gemm(const Gemm& g) { return run(g, {false, 0}); }
tt_status gemm_on_thread(const Gemm& g, int thread) { return run(g, {true, thread}); }

}  // namespace tt
