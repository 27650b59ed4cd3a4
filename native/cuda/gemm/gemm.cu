// gemm(): chooses the kernel of a matrix product, and adds up the parts of one that was split along its depth.
#include "cublaslt.h"
#include "gemm_task.h"
#include "gemm_wgmma.h"

namespace tt {
namespace {

// ---- other engines: a row each, asked in this order --------------------------------------------------------------------

const GemmEngine engines[] = {
    {"wgmma", GEMM_WGMMA, wgmma_unavailable, wgmma_supports, gemm_wgmma},
    {"cublaslt", GEMM_CUBLASLT, cublaslt_unavailable, cublaslt_supports, gemm_cublaslt},
};

/// The engine that does this product, or null: our kernels do. Fails when one is asked for by name that cannot run at all.
tt_status choose_engine(const char* op, const Gpu& gpu, const Gemm& g, const GemmEngine** chosen) {
  const GemmChoice wanted = options().gemm;
  *chosen = nullptr;
  if (wanted == GEMM_MMA || options().gemm_tile != TILE_AUTO || g.drop_below) return TT_OK;  // no engine can mask what it adds
  for (const GemmEngine& engine : engines) {
    if (wanted == GEMM_OWN && engine.choice == GEMM_CUBLASLT) continue;
    if (wanted != GEMM_AUTO && wanted != GEMM_OWN && wanted != engine.choice) continue;
    const char* reason = engine.unavailable(gpu);
    if (reason && wanted == engine.choice) return fail(TT_UNSUPPORTED, "%s: gemm=%s cannot be used: %s", op, engine.name, reason);
    if (reason || !engine.supports(gpu, g)) continue;
    *chosen = &engine;
    return TT_OK;
  }
  return TT_OK;
}

// ---- what our kernels can read -----------------------------------------------------------------------------------------

/// Whether 16-byte reads of both operands stay inside their rows and aligned.
bool can_read_packs(const Gemm& g) {
  const size_t pack = 16 / dtype_bytes(g.dtype);
  if (!aligned16(g.a) || !aligned16(g.b) || g.lda % pack || g.ldb % pack || g.stride_a % pack || g.stride_b % pack) return false;
  // Past the end along m or n lies padding, whose products nobody stores; along k it would be added.
  const bool k_contiguous = !g.trans_a || g.trans_b;
  if (k_contiguous && size_t(g.k) % pack) return false;
  if (!g.rank) return true;
  return aligned16(g.u) && aligned16(g.l) && size_t(g.rank) % pack == 0 && (g.trans_b || size_t(g.n) % pack == 0);
}

/// Whether runs of four results can be stored at once.
bool can_store_runs(const GemmTask& t) {
  const Gemm& g = t.g;
  if (t.swapped || g.n % 4 || g.ldc % 4 || g.stride_c % 4 || !aligned16(g.c)) return false;
  return !g.copy || (g.ld_copy % 4 == 0 && aligned16(g.copy));
}

/// The same product as cᵀ = op(b)ᵀ·op(a)ᵀ. The kernels have no aᵀ·bᵀ, so a·b cannot be turned.
bool can_swap(const Gemm& g) { return (g.trans_a || g.trans_b) && !g.drop_below; }
GemmTask swapped(const Gemm& g) {
  GemmTask task;
  task.swapped = true;
  task.g = g;
  Gemm& s = task.g;
  s.m = g.n;
  s.n = g.m;
  s.a = g.b;
  s.b = g.a;
  s.lda = g.ldb;
  s.ldb = g.lda;
  s.stride_a = g.stride_b;
  s.stride_b = g.stride_a;
  s.trans_a = !g.trans_b;
  s.trans_b = !g.trans_a;
  s.u = g.l;
  s.l = g.u;
  return task;
}

// ---- the choice ----------------------------------------------------------------------------------------------------------

struct TileShape {
  GemmTile tile;
  int rows, columns, depth;
  size_t shared;   // bytes a block needs
  int resident;    // blocks that share a multiprocessor, if there is as much shared memory
  double speed;    // of the multiply-adds, relative
};
constexpr TileShape MMA_TILES[] = {
    {TILE_256, 128, 256, MMA_DEPTH_256, 147456, 1, 1.0},
    {TILE_128, 128, 128, MMA_DEPTH_128, 49152, 2, 0.9},
    {TILE_64, 64, 64, MMA_DEPTH_64, 49152, 4, 0.55},
};
constexpr TileShape F32_TILES[] = {
    {TILE_128, 128, 128, F32_DEPTH_128, 0, 2, 1.0},
    {TILE_64, 64, 64, F32_DEPTH_64, 0, 4, 0.7},
};

constexpr TileShape THIN_TILE = {TILE_THIN, THIN_ROWS, THIN_MOST_COLUMNS, MMA_DEPTH_64, 73728, 3, 1.0};

int resident_on(const Gpu& gpu, const TileShape& shape) {
  const int fit = shape.shared ? int(gpu.shared_per_block / shape.shared) : shape.resident;
  return fit < 1 ? 1 : fit < shape.resident ? fit : shape.resident;
}

/// Into how many parts the depth goes so that every multiprocessor has work; each part keeps at least 4 steps.
int splits_for(const Gpu& gpu, int64_t tiles, int steps, int resident) {
  const int64_t room = int64_t(gpu.multiprocessors) * resident;
  int64_t splits = room / (tiles < 1 ? 1 : tiles);
  if (splits > steps / 4) splits = steps / 4;
  return splits > 64 ? 64 : splits < 1 ? 1 : int(splits);
}

bool can_do_rows(const Gemm& g) { return g.m <= ROWS_MOST && !g.trans_a && g.trans_b && !g.drop_below; }
bool can_do_thin(const Gemm& g) { return g.dtype == TT_BF16 && (g.n <= THIN_MOST_COLUMNS || (g.m <= THIN_MOST_COLUMNS && can_swap(g))); }

struct Choice {
  GemmTile tile = TILE_PLAIN;
  int splits = 1;
};

/// Of the tiles that fit the device: the least number of waves × time of a wave.
template <size_t N> Choice cheapest(const Gpu& gpu, const Gemm& g, const TileShape (&shapes)[N], GemmTile forced) {
  Choice best;
  double best_cost = 0;
  for (const TileShape& shape : shapes) {
    if (shape.shared > gpu.shared_per_block || (forced != TILE_AUTO && forced != shape.tile)) continue;
    const int64_t tiles = int64_t(ceil_div(g.m, shape.rows)) * ceil_div(g.n, shape.columns) * g.batch;
    const int resident = resident_on(gpu, shape), steps = ceil_div(g.k, shape.depth), splits = splits_for(gpu, tiles, steps, resident);
    const double at_once = double(gpu.multiprocessors) * resident, waves = ceil(double(tiles * splits) / at_once);
    // A block also pays for filling its pipeline and for storing, about 128 of depth; a split product is read and written once more.
    const double depth = double(ceil_div(steps, splits)) * shape.depth + g.rank + 128 + (splits > 1 ? 64 : 0);
    const double cost = waves * resident * shape.rows * shape.columns * depth / shape.speed;
    if (best.tile == TILE_PLAIN || cost < best_cost) {
      best = {shape.tile, splits};
      best_cost = cost;
    }
  }
  return best;
}

/// Thin products read one wide operand once: as many blocks as the device holds share it.
Choice thin(const Gpu& gpu, const Gemm& g) {
  const int64_t tiles = int64_t(ceil_div(g.n <= THIN_MOST_COLUMNS ? g.m : g.n, THIN_ROWS)) * g.batch;
  return {TILE_THIN, splits_for(gpu, tiles, ceil_div(g.k, MMA_DEPTH_64), resident_on(gpu, THIN_TILE))};
}

/// The kernel for a product whose operands `packs` says can be read 16 bytes at a time.
Choice choose(const Gpu& gpu, const Gemm& g, bool packs) {
  if (g.drop_below && g.dtype == TT_F32) return {TILE_PLAIN, 1};
  if (packs && can_do_rows(g)) return {TILE_ROWS, 1};
  if (g.dtype == TT_F32) return cheapest(gpu, g, F32_TILES, TILE_AUTO);
  if (!packs) return {TILE_PLAIN, 1};
  if (can_do_thin(g))
    return thin(gpu, g);
  return cheapest(gpu, g, MMA_TILES, TILE_AUTO);
}

/// The tile that the option gemm_tile asks for, or why it cannot be used.
tt_status force(const char* op, const Gpu& gpu, const Gemm& g, bool packs, GemmTile tile, Choice* choice) {
  const bool f32 = g.dtype == TT_F32;
  const char* reason = nullptr;
  if (tile != TILE_PLAIN && !packs && (!f32 || tile == TILE_ROWS)) reason = "the operands cannot be read 16 bytes at a time";
  else if (tile != TILE_PLAIN && f32 && g.drop_below) reason = "masked f32 products are plain";
  else if (tile == TILE_ROWS && !can_do_rows(g)) reason = "it is for at most 8 rows of a and a transposed b";
  else if (tile == TILE_THIN && !can_do_thin(g)) reason = "it is for bf16 and at most 64 columns";
  else if (tile == TILE_256 && (f32 || gpu.shared_per_block < MMA_TILES[0].shared)) reason = "it is for bf16 and 144 KB of shared memory";
  if (reason) return fail(TT_UNSUPPORTED, "%s: the gemm_tile that is set cannot be used: %s", op, reason);
  *choice = tile == TILE_THIN ? thin(gpu, g) : tile < TILE_THIN ? Choice{tile, 1} : f32 ? cheapest(gpu, g, F32_TILES, tile) : cheapest(gpu, g, MMA_TILES, tile);
  return TT_OK;
}

// ---- split products ------------------------------------------------------------------------------------------------------

constexpr int ADD_THREADS = 256;

/// c = the epilogue of Σ over splits of partial, in order.
__global__ void __launch_bounds__(ADD_THREADS) gemm_add_splits(const __grid_constant__ Gemm g, const float* partial, int splits) {
  const size_t size = size_t(g.m) * g.n, step = size_t(gridDim.x) * ADD_THREADS;
  const float* from = partial + blockIdx.z * size_t(splits) * size;
  for (size_t i = blockIdx.x * size_t(ADD_THREADS) + threadIdx.x; i < size; i += step) {
    float sum = 0;
    for (int s = 0; s < splits; s++) sum += from[s * size + i];
    const int row = int(i / size_t(g.n)), column = int(i % size_t(g.n));
    gemm_write(g, int(blockIdx.z), row, column, gemm_masked(g, row, column, sum));
  }
}

tt_status run_own(const char* op, const Gpu& gpu, const Gemm& g, cudaStream_t stream) {
  const bool packs = can_read_packs(g);
  const GemmTile forced = GemmTile(options().gemm_tile);
  Choice choice = choose(gpu, g, packs);
  if (forced != TILE_AUTO)
    if (tt_status bad = force(op, gpu, g, packs, forced, &choice)) return bad;
  if (options().gemm_splits && choice.tile != TILE_PLAIN && choice.tile != TILE_ROWS) choice.splits = options().gemm_splits;

  GemmTask task;
  task.g = g;
  if ((choice.tile == TILE_THIN && g.n > THIN_MOST_COLUMNS) || (g.trans_a && g.trans_b && choice.tile > TILE_ROWS)) task = swapped(g);
  task.splits = choice.splits;
  task.wide = can_store_runs(task);
  Scratch partial(stream);
  if (choice.splits > 1) {
    const size_t bytes = size_t(choice.splits) * g.batch * g.m * g.n * sizeof(float);
    if (!partial.reserve(bytes)) return no_memory(op, bytes);
    task.partial = partial.as<float>();
  }
  tt_status status = TT_OK;
  if (choice.tile == TILE_PLAIN) status = gemm_plain(op, gpu, task, stream);
  else if (choice.tile == TILE_ROWS) status = gemm_rows(op, gpu, task, stream);
  else if (g.dtype == TT_F32) status = gemm_f32(op, gpu, task, choice.tile, stream);
  else if (choice.tile == TILE_THIN) status = gemm_thin(op, gpu, task, stream);
  else status = gemm_mma(op, gpu, task, choice.tile, stream);
  if (status) return status;
  if (choice.splits > 1) {
    auto kernel = gemm_add_splits;
    TT_LAUNCH(kernel, dim3(grid_for(gpu, size_t(g.m) * g.n, ADD_THREADS), 1, unsigned(g.batch)), dim3(ADD_THREADS), 0, stream, g,
              static_cast<const float*>(task.partial), choice.splits);
  }
  return launched(op, stream);
}

}  // namespace

tt_status gemm(const char* op, const Gpu& gpu, const Gemm& g, cudaStream_t stream) {
  if (g.m == 0 || g.n == 0 || g.batch == 0) return TT_OK;
  if (g.rank && (g.trans_a || g.batch != 1)) return fail(TT_UNSUPPORTED, "%s: a second product goes with one product of a as it lies", op);
  const GemmEngine* engine;
  if (tt_status bad = choose_engine(op, gpu, g, &engine)) return bad;
  if (engine) {
    if (tt_status bad = engine->run(op, gpu, g, stream)) return bad;
    return launched(op, stream);
  }
  constexpr int MOST = 1024;  // a grid's z holds 65535: batches times splits
  for (int first = 0; first < g.batch; first += MOST) {
    Gemm part = g;
    part.batch = g.batch - first < MOST ? g.batch - first : MOST;
    part.a = static_cast<const char*>(g.a) + first * g.stride_a * dtype_bytes(g.dtype);
    part.b = static_cast<const char*>(g.b) + first * g.stride_b * dtype_bytes(g.dtype);
    part.c = static_cast<char*>(g.c) + first * g.stride_c * dtype_bytes(g.c_dtype);
    if (tt_status bad = run_own(op, gpu, part, stream)) return bad;
  }
  return TT_OK;
}

}  // namespace tt
