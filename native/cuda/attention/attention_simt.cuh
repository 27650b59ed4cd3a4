// Tiles of f32 in shared memory and their products by ordinary arithmetic: attention for f32, and for what the tensor cores refuse.
#pragma once
#include "attention_tiles.cuh"

namespace tt {
namespace attention {

/// WIDTH: head size rounded up to an instance. A tile has ROWS rows; 8 threads share row r (and r + 16), each has every eighth column.
template <int WIDTH> struct Simt {
  static constexpr int ROWS = WIDTH > 128 ? 16 : 32, THREADS = 128, SHARE = 8, M = ROWS / 16, N = ROWS / SHARE, C = WIDTH / SHARE;
  static constexpr int PITCH = WIDTH + 1, P_PITCH = ROWS + 1;  // odd: rows fall into different banks
  static constexpr int TILE = ROWS * PITCH, P_TILE = ROWS * P_PITCH;

  /// Rows `from` … of a (tokens, heads, size) tensor; what is past `rows` or `size` becomes zero.
  static TT_GPU void load(float* tile, const void* tensor, const Attention& a, int64_t from, int64_t stride, int rows) {
    for (int i = int(threadIdx.x); i < ROWS * WIDTH; i += THREADS) {
      const int row = i / WIDTH, d = i % WIDTH;
      float value = 0.f;
      if (row < rows && d < a.size) {
        const int64_t at = from + row * stride + d;
        value = a.is_bf16 ? to_float(static_cast<const bf16*>(tensor)[at]) : static_cast<const float*>(tensor)[at];
      }
      tile[row * PITCH + d] = value;
    }
  }
  /// c[i][j] = Σ_d x[row + 16i][d]·y[part + 8j][d]
  static TT_GPU void dot(float (&c)[M][N], const float* x, const float* y, int size, int row, int part) {
    TT_UNROLL
    for (int i = 0; i < M; i++)
      TT_UNROLL
      for (int j = 0; j < N; j++) c[i][j] = 0.f;
    for (int d = 0; d < size; d++) {
      float own[M];
      TT_UNROLL
      for (int i = 0; i < M; i++) own[i] = x[(row + i * 16) * PITCH + d];
      TT_UNROLL
      for (int j = 0; j < N; j++) {
        const float other = y[(part + j * SHARE) * PITCH + d];
        TT_UNROLL
        for (int i = 0; i < M; i++) c[i][j] += own[i] * other;
      }
    }
  }
  /// c[i][j] += Σ_k p[row + 16i][k]·y[k][part + 8j]
  static TT_GPU void add(float (&c)[M][C], const float* p, const float* y, int row, int part) {
    for (int k = 0; k < ROWS; k++) {
      float own[M];
      TT_UNROLL
      for (int i = 0; i < M; i++) own[i] = p[(row + i * 16) * P_PITCH + k];
      TT_UNROLL
      for (int j = 0; j < C; j++) {
        const float other = y[k * PITCH + part + j * SHARE];
        TT_UNROLL
        for (int i = 0; i < M; i++) c[i][j] += own[i] * other;
      }
    }
  }
  static TT_GPU void clear(float (&c)[M][C]) {
    TT_UNROLL
    for (int i = 0; i < M; i++)
      TT_UNROLL
      for (int j = 0; j < C; j++) c[i][j] = 0.f;
  }
  /// Row `i` of c times `factor` to element `at` of a tensor.
  static TT_GPU void store(void* tensor, const Attention& a, int64_t at, const float (&c)[C], float factor, int part) {
    TT_UNROLL
    for (int j = 0; j < C; j++) {
      const int d = part + j * SHARE;
      if (d >= a.size) continue;
      if (a.is_bf16) static_cast<bf16*>(tensor)[at + d] = from_float<bf16>(c[j] * factor);
      else static_cast<float*>(tensor)[at + d] = c[j] * factor;
    }
  }
};

/// The score that softmax sees, and the derivative by the scaled product.
TT_GPU float score_of(const Attention& a, float product) {
  const float scaled = product * a.scale;
  return a.softcap > 0 ? a.softcap * tanhf(scaled / a.softcap) : scaled;
}
TT_GPU float slope_of(const Attention& a, float score) {
  const float t = a.softcap > 0 ? score / a.softcap : 0.f;
  return 1.f - t * t;
}

}  // namespace attention
}  // namespace tt
