// The part of a linear layer that is no matrix product: the bias gradient.
#include "linear.h"
#include "../vectors/vectors.h"

namespace tt {
namespace TT_ISA {
namespace {

template <class T> void sums(float* out, const T* x, int rows, size_t cols, int first, int last) {
  for (int column = first; column < last; column += 4 * W) {
    // Two levels of sums: the error grows with the number of groups, not of rows.
    vf total[4] = {};
    for (int row = 0; row < rows; row += 64) {
      vf part[4] = {};
      for (int r = row; r < rows && r < row + 64; r++) {
        for (int v = 0; v < 4; v++) {
          int left = last - column - v * W;
          if (left > 0) part[v] += load_n(x + size_t(r) * cols + column + v * W, left < W ? left : W);
        }
      }
      for (int v = 0; v < 4; v++) total[v] += part[v];
    }
    for (int v = 0; v < 4; v++) {
      int left = last - column - v * W, lanes = left < W ? left : W;
      float* to = out + column + v * W;
      if (left > 0) store_n(to, load_n(to, lanes) + total[v], lanes);
    }
  }
}

}  // namespace

void add_column_sums(float* out, const void* x, int rows, int cols, int first, int last, tt_dtype dtype) {
  if (dtype == TT_F32) sums(out, static_cast<const float*>(x), rows, size_t(cols), first, last);
  else sums(out, static_cast<const bf16*>(x), rows, size_t(cols), first, last);
}

}  // namespace TT_ISA
}  // namespace tt
