// tt_rope: rotary positions (Su et al., arXiv:2104.09864), rotate-half: channel i turns together with i + rotary/2.
#include "rows.h"

namespace tt {
namespace {

constexpr int THREADS = 256;

template <class T> struct Rope {
  T* y;
  const T* x;
  const float *cos, *sin;
  const int32_t* positions;
  int tokens, heads, head_dim, half, table_rows;
  float direction;  // −1 turns back
};

/// blockDim.y tokens a block; the threads of a token share its heads' pieces: N pairs that turn, or N channels that are copied.
template <class T, int N> __global__ void __launch_bounds__(THREADS) rope_kernel(Rope<T> io, Fault* fault) {
  const int token = int(blockIdx.x * blockDim.y + threadIdx.y);
  if (token >= io.tokens) return;
  const int position = io.positions[token];
  if (position < 0 || position >= io.table_rows) {
    if (threadIdx.x == 0) report_fault(fault, FAULT_POSITION, position, io.table_rows);
    return;
  }
  const float *cos = io.cos + size_t(position) * size_t(io.half), *sin = io.sin + size_t(position) * size_t(io.half);
  const int turned = io.half / N, copied = io.y == io.x ? 0 : (io.head_dim - 2 * io.half) / N, pieces = turned + copied;
  for (int i = int(threadIdx.x); i < io.heads * pieces; i += int(blockDim.x)) {
    const int head = i / pieces, piece = i % pieces;
    const size_t start = (size_t(token) * size_t(io.heads) + size_t(head)) * size_t(io.head_dim);
    float a[N], b[N], c[N], s[N];
    if (piece >= turned) {
      const size_t at = start + size_t(2 * io.half + (piece - turned) * N);
      *reinterpret_cast<Lanes<T, N>*>(io.y + at) = take<N>(io.x + at);
      continue;
    }
    read<N>(a, io.x + start + piece * N);
    read<N>(b, io.x + start + io.half + piece * N);
    TT_UNROLL
    for (int e = 0; e < N; e += N < 4 ? 1 : 4) {
      if constexpr (N == 1) {
        c[0] = cos[piece];
        s[0] = sin[piece];
      } else {
        const Pack<float> cp = load_pack(cos + piece * N + e), sp = load_pack(sin + piece * N + e);
        TT_UNROLL
        for (int k = 0; k < 4; k++) {
          c[e + k] = cp.at[k];
          s[e + k] = sp.at[k];
        }
      }
    }
    float u[N], v[N];
    TT_UNROLL
    for (int e = 0; e < N; e++) {
      u[e] = a[e] * c[e] - b[e] * (s[e] * io.direction);
      v[e] = b[e] * c[e] + a[e] * (s[e] * io.direction);
    }
    write<N>(io.y + start + piece * N, u);
    write<N>(io.y + start + io.half + piece * N, v);
  }
}

template <class T> void launch(const Gpu& gpu, const Rope<T>& io, cudaStream_t stream) {
  constexpr int N = Pack<T>::size;
  const bool packs = io.half % N == 0 && io.head_dim % N == 0 && aligned16(io.x) && aligned16(io.y) && aligned16(io.cos) && aligned16(io.sin);
  const int pieces = io.heads * (io.head_dim - io.half) / (packs ? N : 1);
  unsigned along = 32;
  while (int(along) < pieces && along < THREADS) along *= 2;
  const dim3 block(along, THREADS / along), grid((unsigned(io.tokens) + block.y - 1) / block.y);
  auto fast = rope_kernel<T, N>;
  auto single = rope_kernel<T, 1>;
  auto kernel = packs ? fast : single;
  TT_LAUNCH(kernel, grid, block, 0, stream, io, gpu.fault);
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_rope(void* y, const void* x, const float* cos, const float* sin, const int32_t* positions, int32_t tokens, int32_t heads,
                             int32_t head_dim, int32_t rotary_dim, int32_t table_rows, int32_t inverse, tt_dtype dtype, tt_stream to) {
  TT_REQUIRE(is_compute_dtype(dtype), "tt_rope: dtype must be f32 (0) or bf16 (1), got %d", dtype);
  TT_REQUIRE(tokens >= 0, "tt_rope: tokens must not be negative, got %d", tokens);
  TT_REQUIRE(heads > 0 && head_dim > 0, "tt_rope: heads and head_dim must be positive, got %d and %d", heads, head_dim);
  TT_REQUIRE(rotary_dim >= 0 && rotary_dim <= head_dim && rotary_dim % 2 == 0, "tt_rope: rotary_dim must be even and 0..%d, got %d", head_dim,
             rotary_dim);
  TT_READY("tt_rope");
  TT_REQUIRE(table_rows >= 0, "tt_rope: table_rows must not be negative, got %d", table_rows);
  TT_REQUIRE_HOLD("tt_rope", size_t(tokens), size_t(heads), size_t(head_dim));
  TT_REQUIRE_HOLD("tt_rope", size_t(table_rows), size_t(rotary_dim));
  if (tokens == 0) return TT_OK;
  TT_REQUIRE(y && x && cos && sin && positions, "tt_rope: %s is null", !y ? "y" : !x ? "x" : !cos ? "cos" : !sin ? "sin" : "positions");
  cudaStream_t stream = stream_of(gpu, to);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    launch<T>(gpu, {static_cast<T*>(y), static_cast<const T*>(x), cos, sin, positions, tokens, heads, head_dim, rotary_dim / 2, table_rows, inverse ? -1.f : 1.f},
              stream);
  });
  return launched("tt_rope", stream);
}
