// RMSNorm and LayerNorm, forward (with the residual addition fused) and backward. Memory-bound: one read, one write.
//
// A row belongs to a team of threads: a warp, or a block. Where 16-byte accesses are possible and the row fits, the team
// holds it in registers ("held"); any other row is walked again for every pass and comes from L1 or L2 ("walked").
//
// Parameter gradients: a fixed number of teams deals with the rows in turn, every thread keeps the columns it owns, and
// each team leaves one row of partial sums that are added in order. No atomics, so the same bits every time.
#include "rows.h"

namespace tt {
namespace {

constexpr int HELD = 4;                  // 16-byte accesses a thread holds of a row
constexpr int MOST_FORWARD = 512, MOST_BACKWARD = 256, WALKERS = 256;
constexpr int TEAMS = 8;                 // rows of a block when a warp is enough for a row

/// A null mean means RMSNorm; b, residual and h_out may be null.
template <class T> struct Forward {
  T *y, *h_out;
  float *mean, *rstd;
  const T *x, *residual, *w, *b;
};
template <class T> struct Backward {
  T* dx;
  float *dw, *db;  // one row of partial sums a team, or null
  const T *dy, *dh, *h, *w;
  const float *mean, *rstd;
};

template <class T, bool CENTRED> __global__ void __launch_bounds__(MOST_FORWARD) norm_forward_held(Forward<T> io, int rows, int cols, float eps) {
  constexpr int N = Pack<T>::size;
  __shared__ float shared[MOST_FORWARD / 32];
  const int row = int(blockIdx.x * blockDim.y + threadIdx.y), team = int(blockDim.x), chunks = cols / N;
  if (row >= rows) return;  // a warp as a whole: blocks of several rows have a warp a row
  const size_t start = size_t(row) * size_t(cols);
  Lanes<T, N> held[HELD];
  float v[N], total = 0;
  TT_UNROLL
  for (int i = 0; i < HELD; i++) {
    const int chunk = int(threadIdx.x) + i * team;
    if (chunk < chunks) held[i] = take<N>(io.x + start + chunk * N);
  }
  if (io.residual) {
    TT_UNROLL
    for (int i = 0; i < HELD; i++) {
      const int chunk = int(threadIdx.x) + i * team;
      if (chunk >= chunks) continue;
      float r[N];
      widen(v, held[i]);
      read<N>(r, io.residual + start + chunk * N);
      TT_UNROLL
      for (int e = 0; e < N; e++) v[e] += r[e];
      held[i] = narrow<N, T>(v);  // the rounded sum is normalised: it is what the backward sees
      *reinterpret_cast<Lanes<T, N>*>(io.h_out + start + chunk * N) = held[i];
    }
  }
  float mean = 0;
  if (CENTRED) {
    TT_UNROLL
    for (int i = 0; i < HELD; i++) {
      if (int(threadIdx.x) + i * team >= chunks) continue;
      widen(v, held[i]);
      TT_UNROLL
      for (int e = 0; e < N; e++) total += v[e];
    }
    mean = block_sum(total, shared, team) / float(cols);
    total = 0;
  }
  TT_UNROLL
  for (int i = 0; i < HELD; i++) {
    if (int(threadIdx.x) + i * team >= chunks) continue;
    widen(v, held[i]);
    TT_UNROLL
    for (int e = 0; e < N; e++) total += (v[e] - mean) * (v[e] - mean);
  }
  const float rstd = 1.f / sqrtf(block_sum(total, shared, team) / float(cols) + eps);
  if (threadIdx.x == 0) {
    io.rstd[row] = rstd;
    if (CENTRED) io.mean[row] = mean;
  }
  TT_UNROLL
  for (int i = 0; i < HELD; i++) {
    const int chunk = int(threadIdx.x) + i * team;
    if (chunk >= chunks) continue;
    float w[N];
    widen(v, held[i]);
    read<N>(w, io.w + chunk * N);
    TT_UNROLL
    for (int e = 0; e < N; e++) v[e] = (v[e] - mean) * rstd * w[e];
    if (CENTRED && io.b) {
      read<N>(w, io.b + chunk * N);
      TT_UNROLL
      for (int e = 0; e < N; e++) v[e] += w[e];
    }
    write<N>(io.y + start + chunk * N, v);
  }
}

/// Every pass reads again what the same thread read, or wrote to h_out, before.
template <class T, int N, bool CENTRED> __global__ void __launch_bounds__(WALKERS) norm_forward_walked(Forward<T> io, int cols, float eps) {
  __shared__ float shared[WALKERS / 32];
  const size_t row = blockIdx.x, start = row * size_t(cols);
  const int first = int(threadIdx.x) * N, step = WALKERS * N;
  const T* h = io.x + start;
  float v[N], total = 0, squares = 0;
  if (io.residual) {
    for (int c = first; c < cols; c += step) {
      float r[N];
      read<N>(v, io.x + start + c);
      read<N>(r, io.residual + start + c);
      TT_UNROLL
      for (int e = 0; e < N; e++) v[e] += r[e];
      write<N>(io.h_out + start + c, v);
    }
    h = io.h_out + start;
  }
  float mean = 0;
  if (CENTRED) {
    for (int c = first; c < cols; c += step) {
      read<N>(v, h + c);
      TT_UNROLL
      for (int e = 0; e < N; e++) total += v[e];
    }
    mean = block_sum(total, shared, WALKERS) / float(cols);
  }
  for (int c = first; c < cols; c += step) {
    read<N>(v, h + c);
    TT_UNROLL
    for (int e = 0; e < N; e++) squares += (v[e] - mean) * (v[e] - mean);
  }
  const float rstd = 1.f / sqrtf(block_sum(squares, shared, WALKERS) / float(cols) + eps);
  if (threadIdx.x == 0) {
    io.rstd[row] = rstd;
    if (CENTRED) io.mean[row] = mean;
  }
  for (int c = first; c < cols; c += step) {
    float w[N];
    read<N>(v, h + c);
    read<N>(w, io.w + c);
    TT_UNROLL
    for (int e = 0; e < N; e++) v[e] = (v[e] - mean) * rstd * w[e];
    if (CENTRED && io.b) {
      read<N>(w, io.b + c);
      TT_UNROLL
      for (int e = 0; e < N; e++) v[e] += w[e];
    }
    write<N>(io.y + start + c, v);
  }
}

// With g = dy·w and n = (h − mean)·rstd: dx = rstd·(g − [mean of g] − n·[mean of g·n]) (+ dh); dw = Σ dy·n, db = Σ dy.

template <class T, bool CENTRED> __global__ void __launch_bounds__(MOST_BACKWARD) norm_backward_held(Backward<T> io, int rows, int cols) {
  constexpr int N = Pack<T>::size;
  __shared__ float shared[MOST_BACKWARD / 32];
  const int number = int(blockIdx.x * blockDim.y + threadIdx.y), teams = int(gridDim.x * blockDim.y), team = int(blockDim.x), chunks = cols / N;
  float dw[HELD][N] = {}, db[CENTRED ? HELD : 1][N] = {};
  for (int row = number; row < rows; row += teams) {
    const size_t start = size_t(row) * size_t(cols);
    const float rstd = io.rstd[row], mean = CENTRED ? io.mean[row] : 0.f;
    Lanes<T, N> held_dy[HELD], held_h[HELD];
    float d[N], n[N], w[N], g_n = 0, g = 0;
    TT_UNROLL
    for (int i = 0; i < HELD; i++) {
      const int chunk = int(threadIdx.x) + i * team;
      if (chunk >= chunks) continue;
      held_dy[i] = take<N>(io.dy + start + chunk * N);
      held_h[i] = take<N>(io.h + start + chunk * N);
    }
    TT_UNROLL
    for (int i = 0; i < HELD; i++) {
      const int chunk = int(threadIdx.x) + i * team;
      if (chunk >= chunks) continue;
      widen(d, held_dy[i]);
      widen(n, held_h[i]);
      read<N>(w, io.w + chunk * N);
      TT_UNROLL
      for (int e = 0; e < N; e++) {
        n[e] = (n[e] - mean) * rstd;
        dw[i][e] += d[e] * n[e];
        if (CENTRED) db[i][e] += d[e];
        d[e] *= w[e];
        g_n += d[e] * n[e];
        if (CENTRED) g += d[e];
      }
    }
    g_n = block_sum(g_n, shared, team) / float(cols);
    if (CENTRED) g = block_sum(g, shared, team) / float(cols);
    TT_UNROLL
    for (int i = 0; i < HELD; i++) {
      const int chunk = int(threadIdx.x) + i * team;
      if (chunk >= chunks) continue;
      widen(d, held_dy[i]);
      widen(n, held_h[i]);
      read<N>(w, io.w + chunk * N);
      TT_UNROLL
      for (int e = 0; e < N; e++) d[e] = ((d[e] * w[e] - g) - (n[e] - mean) * rstd * g_n) * rstd;
      if (io.dh) {
        read<N>(w, io.dh + start + chunk * N);
        TT_UNROLL
        for (int e = 0; e < N; e++) d[e] += w[e];
      }
      write<N>(io.dx + start + chunk * N, d);
    }
  }
  const size_t partial = size_t(number) * size_t(cols);
  TT_UNROLL
  for (int i = 0; i < HELD; i++) {
    const int chunk = int(threadIdx.x) + i * team;
    if (chunk >= chunks) continue;
    TT_UNROLL
    for (int e = 0; e < N; e++) {
      if (io.dw) io.dw[partial + chunk * N + e] = dw[i][e];
      if (CENTRED && io.db) io.db[partial + chunk * N + e] = db[i][e];
    }
  }
}

template <class T, int N, bool CENTRED> __global__ void __launch_bounds__(WALKERS, 2) norm_backward_walked(Backward<T> io, int rows, int cols) {
  __shared__ float shared[WALKERS / 32];
  const int first = int(threadIdx.x) * N, step = WALKERS * N;
  const size_t partial = blockIdx.x * size_t(cols);
  for (int row = int(blockIdx.x); row < rows; row += int(gridDim.x)) {
    const size_t start = size_t(row) * size_t(cols);
    const float rstd = io.rstd[row], mean = CENTRED ? io.mean[row] : 0.f;
    const bool begin = row == int(blockIdx.x);
    float d[N], n[N], w[N], g_n = 0, g = 0;
    for (int c = first; c < cols; c += step) {
      read<N>(d, io.dy + start + c);
      read<N>(n, io.h + start + c);
      read<N>(w, io.w + c);
      TT_UNROLL
      for (int e = 0; e < N; e++) {
        n[e] = (n[e] - mean) * rstd;
        if (io.dw) io.dw[partial + c + e] = (begin ? 0.f : io.dw[partial + c + e]) + d[e] * n[e];
        if (CENTRED && io.db) io.db[partial + c + e] = (begin ? 0.f : io.db[partial + c + e]) + d[e];
        d[e] *= w[e];
        g_n += d[e] * n[e];
        if (CENTRED) g += d[e];
      }
    }
    g_n = block_sum(g_n, shared, WALKERS) / float(cols);
    if (CENTRED) g = block_sum(g, shared, WALKERS) / float(cols);
    for (int c = first; c < cols; c += step) {
      read<N>(d, io.dy + start + c);
      read<N>(n, io.h + start + c);
      read<N>(w, io.w + c);
      TT_UNROLL
      for (int e = 0; e < N; e++) d[e] = ((d[e] * w[e] - g) - (n[e] - mean) * rstd * g_n) * rstd;
      if (io.dh) {
        read<N>(w, io.dh + start + c);
        TT_UNROLL
        for (int e = 0; e < N; e++) d[e] += w[e];
      }
      write<N>(io.dx + start + c, d);
    }
  }
}

// ---- column sums --------------------------------------------------------------------------------------------------------

constexpr int COLUMNS = 32, SUMMERS = 8;

/// A block sums 32 columns; its 8 rows of threads take every 8th row each, then one adds the 8 sums up.
__global__ void __launch_bounds__(COLUMNS * SUMMERS) column_sums(float* out, const float* partials, int rows, size_t stride, int cols) {
  __shared__ float sums[SUMMERS][COLUMNS];
  const int column = int(blockIdx.x) * COLUMNS + int(threadIdx.x);
  float sum = 0;
  if (column < cols)
    for (int row = int(threadIdx.y); row < rows; row += SUMMERS) sum += partials[size_t(row) * stride + column];
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || column >= cols) return;
  for (int i = 1; i < SUMMERS; i++) sum += sums[i][threadIdx.x];
  out[column] += sum;
}

// ---- launches -----------------------------------------------------------------------------------------------------------

/// Threads and rows of a block for rows of `chunks` 16-byte pieces.
dim3 team_shape(int chunks) {
  const unsigned threads = unsigned((chunks + HELD - 1) / HELD + 31) / 32 * 32;
  return threads == 32 ? dim3(32, TEAMS) : dim3(threads);
}

template <class T> bool in_packs(int cols, std::initializer_list<const void*> pointers) {
  if (cols % Pack<T>::size != 0) return false;
  for (const void* p : pointers)
    if (!aligned16(p)) return false;
  return true;
}

template <class T, bool CENTRED> void launch_forward(const Forward<T>& io, int rows, int cols, float eps, cudaStream_t stream) {
  constexpr int N = Pack<T>::size;
  const bool packs = in_packs<T>(cols, {io.y, io.h_out, io.x, io.residual, io.w, io.b});
  if (packs && cols / N <= HELD * MOST_FORWARD) {
    auto kernel = norm_forward_held<T, CENTRED>;
    const dim3 block = team_shape(cols / N);
    TT_LAUNCH(kernel, dim3((unsigned(rows) + block.y - 1) / block.y), block, 0, stream, io, rows, cols, eps);
  } else if (packs) {
    auto kernel = norm_forward_walked<T, N, CENTRED>;
    TT_LAUNCH(kernel, dim3(unsigned(rows)), dim3(WALKERS), 0, stream, io, cols, eps);
  } else {
    auto kernel = norm_forward_walked<T, 1, CENTRED>;
    TT_LAUNCH(kernel, dim3(unsigned(rows)), dim3(WALKERS), 0, stream, io, cols, eps);
  }
}

/// What runs the backward: decided once, because the number of teams is the number of partial rows.
struct Plan {
  bool packs, held;
  dim3 block;
  unsigned blocks;
  int teams() const { return int(blocks * block.y); }
};

template <class T> Plan plan_backward(const Gpu& gpu, const Backward<T>& io, int rows, int cols) {
  Plan plan;
  plan.packs = in_packs<T>(cols, {io.dx, io.dy, io.dh, io.h, io.w});
  plan.held = plan.packs && cols / Pack<T>::size <= HELD * MOST_BACKWARD;
  plan.block = plan.held ? team_shape(cols / Pack<T>::size) : dim3(WALKERS);
  // 512 threads a multiprocessor keep enough loads under way, and the partial sums small beside the rows.
  const unsigned threads = plan.block.x * plan.block.y, most = unsigned(gpu.multiprocessors) * (512 / threads), wanted = (unsigned(rows) + plan.block.y - 1) / plan.block.y;
  plan.blocks = wanted < most ? wanted : most;
  return plan;
}

template <class T, bool CENTRED> void launch_backward(const Plan& plan, const Backward<T>& io, int rows, int cols, cudaStream_t stream) {
  auto held = norm_backward_held<T, CENTRED>;
  auto packs = norm_backward_walked<T, Pack<T>::size, CENTRED>;
  auto single = norm_backward_walked<T, 1, CENTRED>;
  auto kernel = plan.held ? held : plan.packs ? packs : single;
  TT_LAUNCH(kernel, dim3(plan.blocks), plan.block, 0, stream, io, rows, cols);
}

// ---- entry points -------------------------------------------------------------------------------------------------------

tt_status check(const char* name, int32_t rows, int32_t cols, tt_dtype dtype) {
  TT_REQUIRE(is_compute_dtype(dtype), "%s: dtype must be f32 (0) or bf16 (1), got %d", name, dtype);
  TT_REQUIRE(rows >= 0, "%s: rows must not be negative, got %d", name, rows);
  TT_REQUIRE(cols > 0, "%s: cols must be positive, got %d", name, cols);
  TT_REQUIRE_HOLD(name, size_t(rows), size_t(cols));
  return TT_OK;
}

/// The pointers of a call before their type is known.
struct AnyForward {
  void *y, *h_out;
  float *mean, *rstd;
  const void *x, *residual, *w, *b;
};
struct AnyBackward {
  void* dx;
  float *dw, *db;
  const void *dy, *dh, *h, *w;
  const float *mean, *rstd;
};

tt_status forward(const char* name, const AnyForward& io, int32_t rows, int32_t cols, float eps, tt_dtype dtype, tt_stream to) {
  if (tt_status bad = check(name, rows, cols, dtype)) return bad;
  TT_REQUIRE(!io.residual == !io.h_out, "%s: residual and h_out must both be given or both be null", name);
  TT_REQUIRE(io.y && io.rstd && io.x && io.w, "%s: %s is null", name, !io.y ? "y" : !io.rstd ? "rstd" : !io.x ? "x" : "w");
  TT_READY(name);
  if (rows == 0) return TT_OK;
  cudaStream_t stream = stream_of(gpu, to);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    const Forward<T> typed = {static_cast<T*>(io.y), static_cast<T*>(io.h_out), io.mean, io.rstd, static_cast<const T*>(io.x),
                              static_cast<const T*>(io.residual), static_cast<const T*>(io.w), static_cast<const T*>(io.b)};
    if (io.mean) launch_forward<T, true>(typed, rows, cols, eps, stream);
    else launch_forward<T, false>(typed, rows, cols, eps, stream);
  });
  return launched(name, stream);
}

template <class T> tt_status backward_of(const char* name, const Gpu& gpu, const AnyBackward& io, int32_t rows, int32_t cols, cudaStream_t stream) {
  Backward<T> typed = {static_cast<T*>(io.dx), nullptr, nullptr, static_cast<const T*>(io.dy), static_cast<const T*>(io.dh),
                       static_cast<const T*>(io.h), static_cast<const T*>(io.w), io.mean, io.rstd};
  const Plan plan = plan_backward(gpu, typed, rows, cols);
  const size_t partials = size_t(plan.teams()) * size_t(cols), bytes = partials * ((io.dw ? 1 : 0) + (io.db ? 1 : 0)) * sizeof(float);
  Scratch scratch(stream);
  if (bytes) {
    if (!scratch.reserve(bytes)) return no_memory(name, bytes);
    if (io.dw) typed.dw = scratch.as<float>();
    if (io.db) typed.db = scratch.as<float>() + (io.dw ? partials : 0);
  }
  if (io.mean) launch_backward<T, true>(plan, typed, rows, cols, stream);
  else launch_backward<T, false>(plan, typed, rows, cols, stream);
  if (tt_status bad = add_partial_rows(name, io.dw, typed.dw, plan.teams(), size_t(cols), cols, stream)) return bad;
  if (tt_status bad = add_partial_rows(name, io.db, typed.db, plan.teams(), size_t(cols), cols, stream)) return bad;
  return launched(name, stream);
}

tt_status backward(const char* name, const AnyBackward& io, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream to) {
  if (tt_status bad = check(name, rows, cols, dtype)) return bad;
  TT_REQUIRE(io.dx && io.dy && io.h, "%s: %s is null", name, !io.dx ? "dx" : !io.dy ? "dy" : "h");
  TT_REQUIRE(io.w && io.rstd, "%s: %s is null", name, !io.w ? "w" : "rstd");
  TT_READY(name);
  if (rows == 0) return TT_OK;
  cudaStream_t stream = stream_of(gpu, to);
  return with_type(dtype, [&](auto type) { return backward_of<decltype(type)>(name, gpu, io, rows, cols, stream); });
}

}  // namespace

tt_status add_partial_rows(const char* op, float* out, const float* partials, int rows, size_t stride, int cols, cudaStream_t stream) {
  if (!out) return TT_OK;
  TT_LAUNCH(column_sums, dim3(unsigned(cols + COLUMNS - 1) / COLUMNS), dim3(COLUMNS, SUMMERS), 0, stream, out, partials, rows, stride, cols);
  TT_CUDA(op, cudaGetLastError());
  return TT_OK;
}

}  // namespace tt

using namespace tt;

extern "C" tt_status tt_rms_norm_forward(void* y, void* h_out, float* rstd, const void* x, const void* residual, const void* w, int32_t rows, int32_t cols,
                                         float eps, tt_dtype dtype, tt_stream stream) {
  return forward("tt_rms_norm_forward", {y, h_out, nullptr, rstd, x, residual, w, nullptr}, rows, cols, eps, dtype, stream);
}

extern "C" tt_status tt_rms_norm_backward(void* dx, float* dw, const void* dy, const void* dh, const void* h, const void* w, const float* rstd, int32_t rows,
                                          int32_t cols, tt_dtype dtype, tt_stream stream) {
  return backward("tt_rms_norm_backward", {dx, dw, nullptr, dy, dh, h, w, nullptr, rstd}, rows, cols, dtype, stream);
}

extern "C" tt_status tt_layer_norm_forward(void* y, void* h_out, float* mean, float* rstd, const void* x, const void* residual, const void* w, const void* b,
                                           int32_t rows, int32_t cols, float eps, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE(mean, "tt_layer_norm_forward: mean is null");
  return forward("tt_layer_norm_forward", {y, h_out, mean, rstd, x, residual, w, b}, rows, cols, eps, dtype, stream);
}

extern "C" tt_status tt_layer_norm_backward(void* dx, float* dw, float* db, const void* dy, const void* dh, const void* h, const void* w, const float* mean,
                                            const float* rstd, int32_t rows, int32_t cols, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE(mean, "tt_layer_norm_backward: mean is null");
  return backward("tt_layer_norm_backward", {dx, dw, db, dy, dh, h, w, mean, rstd}, rows, cols, dtype, stream);
}
