// A few ops of the library against sums in doubles: products, LoRA, a norm, attention, a step of the optimizer.
#pragma once
#include "../include/tritune.h"
#include "numbers.h"
#include "open.h"

namespace test {

/// The functions that ops need, found in an open library; `missing` is the first that is not there.
struct Ops {
  decltype(&tt_matmul) matmul;
  decltype(&tt_linear_forward) linear;
  decltype(&tt_rms_norm_forward) rms_norm;
  decltype(&tt_attention_forward) attention;
  decltype(&tt_adamw) adamw;

  explicit Ops(void* library) {
    find(matmul, library, "tt_matmul");
    find(linear, library, "tt_linear_forward");
    find(rms_norm, library, "tt_rms_norm_forward");
    find(attention, library, "tt_attention_forward");
    find(adamw, library, "tt_adamw");
  }

 private:
  template <class Function> static void find(Function& out, void* library, const char* name) {
    out = reinterpret_cast<Function>(symbol(library, name));
  }
};

/// c = a·b or with either transposed, in batches; the product is in `out`, for who compares bits.
inline bool check_matmul(const Ops& ops, tt_dtype dtype, bool trans_a, bool trans_b, Floats& out) {
  const int batch = 2, m = 37, n = 45, k = 129;
  Floats a = numbers(size_t(batch) * m * k, 1), b = numbers(size_t(batch) * k * n, 2);
  const bool narrow = dtype == TT_BF16;
  const std::vector<uint16_t> a16 = narrow ? bf16_of(a) : std::vector<uint16_t>(), b16 = narrow ? bf16_of(b) : std::vector<uint16_t>();
  out.assign(size_t(batch) * m * n, NAN);
  const void* left = narrow ? static_cast<const void*>(a16.data()) : a.data();
  const void* right = narrow ? static_cast<const void*>(b16.data()) : b.data();
  if (ops.matmul(out.data(), left, right, batch, m, n, k, size_t(m) * n, size_t(m) * k, size_t(k) * n, trans_a, trans_b, 0.5f, 0, TT_F32, dtype, nullptr) != TT_OK) return false;
  Doubles wanted(out.size());
  for (int i = 0; i < batch; i++)
    for (int row = 0; row < m; row++)
      for (int col = 0; col < n; col++) {
        double sum = 0;
        for (int t = 0; t < k; t++) {
          const double x = a[size_t(i) * m * k + (trans_a ? size_t(t) * m + row : size_t(row) * k + t)];
          const double y = b[size_t(i) * k * n + (trans_b ? size_t(col) * k + t : size_t(t) * n + col)];
          sum += x * y;
        }
        wanted[(size_t(i) * m + row) * n + col] = 0.5 * sum;
      }
  return close("product", out, wanted);
}

/// Few rows of bf16 to bf16: results are stored one by one, and nothing is written past them.
inline bool check_few_rows(const Ops& ops) {
  const int n = 7, k = 20;
  const size_t guard = 64;
  const uint16_t untouched = 0x7fff;
  for (int m = 1; m <= 6; m++) {
    Floats a = numbers(size_t(m) * k, 17), b = numbers(size_t(n) * k, 18);
    const std::vector<uint16_t> a16 = bf16_of(a), b16 = bf16_of(b);
    std::vector<uint16_t> c16(size_t(m) * n + guard, untouched);
    if (ops.matmul(c16.data(), a16.data(), b16.data(), 1, m, n, k, 0, 0, 0, 0, 1, 1, 0, TT_BF16, TT_BF16, nullptr) != TT_OK) return false;
    for (size_t i = size_t(m) * n; i < c16.size(); i++)
      if (c16[i] != untouched) {
        printf("        %d rows: wrote past the end of the product\n", m);
        return false;
      }
    Floats c(size_t(m) * n);
    Doubles wanted(c.size());
    for (int i = 0; i < m * n; i++) {
      const uint32_t bits = uint32_t(c16[size_t(i)]) << 16;
      memcpy(&c[size_t(i)], &bits, 4);
      for (int t = 0; t < k; t++) wanted[size_t(i)] += double(a[size_t(i / n * k + t)]) * b[size_t(i % n * k + t)];
    }
    if (!close("product", c, wanted, 1.0 / 128)) return false;
  }
  return true;
}

inline bool check_linear(const Ops& ops) {
  const int rows = 19, in = 70, width = 130, rank = 4;
  const float scale = 2;
  const Floats x = numbers(size_t(rows) * in, 3), w = numbers(size_t(width) * in, 4), bias = numbers(width, 5);
  const Floats a = numbers(size_t(rank) * in, 6), b = numbers(size_t(width) * rank, 7);
  Floats y(size_t(rows) * width, NAN), xa(size_t(rows) * rank, NAN);
  if (ops.linear(y.data(), xa.data(), x.data(), w.data(), bias.data(), a.data(), b.data(), nullptr, rows, in, width, rank, scale, 0, TT_F32, nullptr) != TT_OK) return false;
  Doubles wanted(y.size()), middle(xa.size());
  for (int row = 0; row < rows; row++) {
    const float* at = &x[size_t(row) * in];
    for (int r = 0; r < rank; r++)
      for (int i = 0; i < in; i++) middle[size_t(row) * rank + r] += double(at[i]) * a[size_t(r) * in + i];
    for (int o = 0; o < width; o++) {
      double sum = bias[o];
      for (int i = 0; i < in; i++) sum += double(at[i]) * w[size_t(o) * in + i];
      for (int r = 0; r < rank; r++) sum += scale * middle[size_t(row) * rank + r] * b[size_t(o) * rank + r];
      wanted[size_t(row) * width + o] = sum;
    }
  }
  return close("y", y, wanted) && close("xa", xa, middle);
}

inline bool check_rms_norm(const Ops& ops) {
  const int rows = 23, cols = 77;
  const double eps = 1e-5;
  const Floats x = numbers(size_t(rows) * cols, 8), residual = numbers(size_t(rows) * cols, 9), w = numbers(cols, 10);
  Floats y(x.size(), NAN), h(x.size(), NAN), rstd(rows, NAN);
  if (ops.rms_norm(y.data(), h.data(), rstd.data(), x.data(), residual.data(), w.data(), rows, cols, float(eps), TT_F32, nullptr) != TT_OK) return false;
  Doubles wanted_y(x.size()), wanted_h(x.size()), wanted_rstd(rows);
  for (int row = 0; row < rows; row++) {
    double squares = 0;
    for (int c = 0; c < cols; c++) {
      const size_t i = size_t(row) * cols + c;
      wanted_h[i] = double(x[i]) + residual[i];
      squares += wanted_h[i] * wanted_h[i];
    }
    wanted_rstd[row] = 1 / sqrt(squares / cols + eps);
    for (int c = 0; c < cols; c++) wanted_y[size_t(row) * cols + c] = wanted_h[size_t(row) * cols + c] * wanted_rstd[row] * w[c];
  }
  return close("y", y, wanted_y) && close("h", h, wanted_h) && close("rstd", rstd, wanted_rstd);
}

/// Two documents, two heads of queries for each of keys, causal, with a window.
inline bool check_attention(const Ops& ops) {
  const int tokens = 40, heads = 4, kv_heads = 2, dim = 24, window = 9;
  const int32_t offsets[] = {0, 17, tokens};
  const float scale = 0.3f;
  const Floats q = numbers(size_t(tokens) * heads * dim, 11);
  const Floats k = numbers(size_t(tokens) * kv_heads * dim, 12), v = numbers(size_t(tokens) * kv_heads * dim, 13);
  Floats o(q.size(), NAN), lse(size_t(heads) * tokens, NAN);
  if (ops.attention(o.data(), lse.data(), q.data(), k.data(), v.data(), offsets, offsets, 2, tokens, tokens, heads, kv_heads, dim, scale, 1, window, 0, TT_F32, nullptr) != TT_OK) return false;
  Doubles wanted(o.size()), wanted_lse(lse.size());
  for (int document = 0; document < 2; document++)
    for (int t = offsets[document]; t < offsets[document + 1]; t++)
      for (int head = 0; head < heads; head++) {
        const size_t kv = size_t(head / (heads / kv_heads)) * dim, to = (size_t(t) * heads + head) * dim;
        const int first = t - window + 1 > offsets[document] ? t - window + 1 : offsets[document];
        double sum = 0;
        for (int s = first; s <= t; s++) {
          double score = 0;
          for (int d = 0; d < dim; d++) score += double(q[to + d]) * k[size_t(s) * kv_heads * dim + kv + d];
          const double weight = exp(score * scale);
          sum += weight;
          for (int d = 0; d < dim; d++) wanted[to + d] += weight * v[size_t(s) * kv_heads * dim + kv + d];
        }
        for (int d = 0; d < dim; d++) wanted[to + d] /= sum;
        wanted_lse[size_t(head) * tokens + t] = log(sum);
      }
  return close("o", o, wanted) && close("lse", lse, wanted_lse);
}

inline bool check_adamw(const Ops& ops) {
  const size_t n = 1003;
  const float lr = 1e-2f, beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f, decay = 0.1f, bias1 = 0.19f, bias2 = 0.002f, grad_scale = 0.5f;
  const Floats before = numbers(n, 14), gradient = numbers(n, 15), m_before = numbers(n, 16);
  Floats w = before, m = m_before, v(n);
  for (size_t i = 0; i < n; i++) v[i] = m_before[i] * m_before[i];
  const Floats v_before = v;
  if (ops.adamw(w.data(), nullptr, m.data(), v.data(), gradient.data(), n, lr, beta1, beta2, eps, decay, bias1, bias2, grad_scale, TT_F32, nullptr) != TT_OK) return false;
  Doubles wanted_w(n), wanted_m(n), wanted_v(n);
  for (size_t i = 0; i < n; i++) {
    const double g = double(grad_scale) * gradient[i];
    wanted_m[i] = double(beta1) * m_before[i] + (1 - double(beta1)) * g;
    wanted_v[i] = double(beta2) * v_before[i] + (1 - double(beta2)) * g * g;
    const double decayed = before[i] * (1 - double(lr) * decay);
    wanted_w[i] = decayed - double(lr) * (wanted_m[i] / bias1) / (sqrt(wanted_v[i] / bias2) + eps);
  }
  return close("w", w, wanted_w) && close("m", m, wanted_m) && close("v", v, wanted_v);
}

}  // namespace test
