// Softcap, log-softmax, loss and gradient of logits that come in pieces of GEMM_PIECE columns, straight from the product.
//
// The exponentials of a piece are taken relative to its own largest value, so the logits are gone when the piece is; when a
// row is complete, one factor for each piece makes the gradient of what was kept.
#include "cross_entropy.h"

#include <math.h>

#include "../vectors/vector-math.h"

namespace tt {
namespace TT_ISA {
namespace {

constexpr float LOWEST = -3e38f;

int smaller(int a, int b) { return a < b ? a : b; }

/// Softcaps a row of a piece in place; its largest value.
float cap_and_max(float* z, int n, float softcap) {
  vf best = set1(LOWEST), cap = set1(softcap), inverse = set1(1 / softcap);
  for (int i = 0; i < n; i += W) {
    const int count = smaller(n - i, W);
    vf x = count == W ? load(z + i) : load_n(z + i, count);
    if (softcap > 0) {
      x = cap * tanh_v(x * inverse);
      store_n(z + i, x, count);
    }
    best = max_or_second(best, count == W ? x : keep_n(x, set1(LOWEST), count));
  }
  return max_lanes_finite(best);
}

/// Σ exp(z − shift); what is kept of them replaces the values.
template <bool KEEP> float exponentials(float* z, int n, float shift, float softcap) {
  vf total[2] = {}, s = set1(shift), one = set1(1), inverse_cap = set1(1 / softcap);
  for (int i = 0; i < n; i += W) {
    const int count = smaller(n - i, W);
    const bool full = count == W;
    vf x = full ? load(z + i) : load_n(z + i, count), e = exp_below_zero_v(x - s);
    vf& sum = total[i / W % 2];
    sum += full ? e : keep_n(e, vf{}, count);
    if (KEEP) {
      if (softcap > 0) {
        vf ratio = x * inverse_cap;
        e *= (one - ratio * ratio);
      }
      full ? store(z + i, e) : store_n(z + i, e, count);
    }
  }
  return sum_lanes(total[0] + total[1]);
}

/// Nobody reads the values before the whole chunk is made, so they go past the caches where they fill whole lines.
template <class T> void keep(T* to, const float* from, int n) {
  int i = 0;
  if (reinterpret_cast<uintptr_t>(to) % 64 == 0)
    for (; i + W <= n; i += W) stream(to + i, load(from + i));
  for (; i < n; i += W) store_n(to + i, load_n(from + i, smaller(n - i, W)), smaller(n - i, W));
}

}  // namespace

void cross_entropy_piece(const Exponentials& to, const GemmPiece& piece) {
  for (int i = 0; i < piece.rows; i++) {
    const int row = piece.row + i, target = to.targets[to.list[row]] - piece.column;
    float* z = piece.values + size_t(i) * piece.ld;
    const float top = cap_and_max(z, piece.columns, to.softcap);
    const bool has_target = target >= 0 && target < piece.columns;
    if (has_target) to.target_logit[row] = z[target];
    PieceSum& sum = to.sums[size_t(row) * to.pieces + piece.column / GEMM_PIECE];
    sum.shift = top;
    if (!to.data) {
      sum.sum = exponentials<false>(z, piece.columns, top, to.softcap);
      continue;
    }
    sum.sum = exponentials<true>(z, piece.columns, top, to.softcap);
    if (has_target) z[target] = 0;
    const size_t at = size_t(row) * to.vocab + piece.column;
    if (to.dtype == TT_F32) keep(static_cast<float*>(to.data) + at, z, piece.columns);
    else keep(static_cast<bf16*>(to.data) + at, z, piece.columns);
  }
  stream_fence();
}

RowResult cross_entropy_row(float* factors, const Exponentials& of, int row, float scale) {
  const PieceSum* pieces = of.sums + size_t(row) * of.pieces;
  float top = pieces[0].shift, total = 0;
  // Written so that a NaN is taken over.
  for (int p = 1; p < of.pieces; p++)
    if (!(pieces[p].shift <= top)) top = pieces[p].shift;
  for (int p = 0; p < of.pieces; p++) {
    factors[p] = expf(pieces[p].shift - top);
    total += pieces[p].sum * factors[p];
  }
  for (int p = 0; p < of.pieces; p++) factors[p] *= scale / total;
  const float z = of.target_logit[row], ratio = of.softcap > 0 ? z / of.softcap : 0;
  // p − 1 of the target is computed apart: rounding p first would lose what is left when p is close to 1.
  return {logf(total) + (top - z), scale * (expf(z - top) / total - 1) * (1 - ratio * ratio)};
}

namespace {

/// In place from front to back: a bf16 row is written behind the values still to be read.
template <class T> void gradient(T* out, const float* e, int vocab, const float* factors) {
  for (int i = 0; i < vocab; i += W) {
    const int n = smaller(vocab - i, W);
    store_n(out + i, load_n(e + i, n) * set1(factors[i / GEMM_PIECE]), n);
  }
}

}  // namespace

void cross_entropy_gradient(const Exponentials& of, int row, const float* factors, float target_gradient, tt_dtype dtype) {
  float* e = static_cast<float*>(of.data) + size_t(row) * of.vocab;
  const int target = of.targets[of.list[row]];
  if (dtype == TT_F32) {
    gradient(e, e, of.vocab, factors);
    e[target] = target_gradient;
  } else {
    bf16* out = reinterpret_cast<bf16*>(e);
    gradient(out, e, of.vocab, factors);
    store_n(out + target, set1(target_gradient), 1);
  }
}

void narrow_row(void* dst, const float* src, const void* w, float factor, int n, tt_dtype dtype) {
  for (int i = 0; i < n; i += W) {
    const int lanes = smaller(n - i, W);
    vf x = load_n(src + i, lanes);
    if (dtype == TT_F32) {
      if (w) x = fma_v(set1(factor), load_n(static_cast<const float*>(w) + i, lanes), x);
      store_n(static_cast<float*>(dst) + i, x, lanes);
    } else {
      if (w) x = fma_v(set1(factor), load_n(static_cast<const bf16*>(w) + i, lanes), x);
      store_n(static_cast<bf16*>(dst) + i, x, lanes);
    }
  }
}

}  // namespace TT_ISA
}  // namespace tt
