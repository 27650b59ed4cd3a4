// The twin of cuBLASLt: the same calls on host memory, column-major as there, one loop. It refuses attributes it does not know,
// layouts that do not fit the product, and matrices less aligned than the preference said.
#pragma once
#include <math.h>

#include "../cuda/gemm/cublaslt_api.h"

namespace emu {
namespace lt_twin {

using namespace tt::lt;

/// Any handle: an operation, a layout or a preference.
struct Object {
  int kind;  // 'o', 'l', 'p'
  int values[64] = {};
  const void* bias = nullptr;
  uint64_t rows = 0, cols = 0, workspace = 0;
  int64_t ld = 0, stride = 0;
};
inline Object* object(Handle h) { return reinterpret_cast<Object*>(h); }
inline int make(Handle* out, int kind) {
  auto* made = new Object;
  made->kind = kind;
  *out = reinterpret_cast<Handle>(made);
  return 0;
}
inline int destroy(Handle h) { return delete object(h), 0; }

inline size_t version() { return 130101; }
inline int create(Handle* out) { return make(out, 'h'); }
inline int operation_create(Handle* out, int compute, int scale) { return compute == COMPUTE_32F && scale == R_32F ? make(out, 'o') : 7; }
inline int operation_set(Handle h, int attribute, const void* value, size_t bytes) {
  Object& o = *object(h);
  if (o.kind != 'o') return 7;
  if (attribute == DESC_BIAS_POINTER && bytes == sizeof(void*)) return memcpy(&o.bias, value, bytes), 0;
  const bool known = attribute == DESC_TRANSA || attribute == DESC_TRANSB || attribute == DESC_EPILOGUE || attribute == DESC_BIAS_DATA_TYPE;
  if (!known || bytes != sizeof(int)) return 7;
  return memcpy(&o.values[attribute], value, bytes), 0;
}
inline int layout_create(Handle* out, int type, uint64_t rows, uint64_t cols, int64_t ld) {
  if (uint64_t(ld) < rows) return 7;
  make(out, 'l');
  Object& o = *object(*out);
  o.values[0] = type, o.rows = rows, o.cols = cols, o.ld = ld;
  o.values[LAYOUT_BATCH_COUNT] = 1;
  return 0;
}
inline int layout_set(Handle h, int attribute, const void* value, size_t bytes) {
  Object& o = *object(h);
  if (o.kind == 'l' && attribute == LAYOUT_BATCH_COUNT && bytes == sizeof(int)) return memcpy(&o.values[attribute], value, bytes), 0;
  if (o.kind == 'l' && attribute == LAYOUT_STRIDED_BATCH_OFFSET && bytes == sizeof(int64_t)) return memcpy(&o.stride, value, bytes), 0;
  return 7;
}
inline int preference_create(Handle* out) { return make(out, 'p'); }
inline int preference_set(Handle h, int attribute, const void* value, size_t bytes) {
  Object& o = *object(h);
  if (o.kind != 'p') return 7;
  if (attribute == PREFERENCE_MAX_WORKSPACE && bytes == sizeof(uint64_t)) return memcpy(&o.workspace, value, bytes), 0;
  if ((attribute != PREFERENCE_REDUCTION_MASK && (attribute < PREFERENCE_ALIGNMENT_A || attribute > PREFERENCE_ALIGNMENT_D)) || bytes != sizeof(int)) return 7;
  return memcpy(&o.values[attribute], value, bytes), 0;
}

/// Whether the layouts are those of D (m,n) = op(A)·op(B).
inline bool fits(const Object& op, const Object& a, const Object& b, const Object& d) {
  const bool ta = op.values[DESC_TRANSA] == OP_T, tb = op.values[DESC_TRANSB] == OP_T;
  const uint64_t m = ta ? a.cols : a.rows, k = ta ? a.rows : a.cols, k2 = tb ? b.cols : b.rows, n = tb ? b.rows : b.cols;
  const int batch = d.values[LAYOUT_BATCH_COUNT];
  return k == k2 && m == d.rows && n == d.cols && a.values[0] == b.values[0] && a.values[LAYOUT_BATCH_COUNT] == batch && b.values[LAYOUT_BATCH_COUNT] == batch;
}
/// The alignments that were promised ride along in the algorithm, so that matmul can hold the caller to them.
inline int heuristic(Handle, Handle operation, Handle a, Handle b, Handle c, Handle d, Handle preference, int wanted, Heuristic* out, int* found) {
  const Object &op = *object(operation), &p = *object(preference);
  *found = 0;
  if (wanted < 1 || c != d || !fits(op, *object(a), *object(b), *object(d))) return 7;
  if (op.values[DESC_EPILOGUE] == EPILOGUE_BIAS && op.values[DESC_BIAS_DATA_TYPE] != object(d)->values[0]) return 15;
  memset(out, 0, sizeof *out);
  for (int i = 0; i < 3; i++) out->algorithm.data[i] = uint64_t(p.values[PREFERENCE_ALIGNMENT_A + i]);
  out->workspace = p.workspace < 256 ? 0 : 256;
  *found = 1;
  return 0;
}

inline float element(const void* p, int type, int64_t i) {
  return type == R_32F ? static_cast<const float*>(p)[i] : tt::to_float(static_cast<const tt::bf16*>(p)[i]);
}
inline int matmul(Handle, Handle operation, const void* alpha, const void* pa, Handle la, const void* pb, Handle lb, const void* beta, const void* pc, Handle, void* pd,
                  Handle ld, const Algorithm* algorithm, void* workspace, size_t workspace_bytes, cudaStream_t) {
  const Object &op = *object(operation), &a = *object(la), &b = *object(lb), &d = *object(ld);
  const void* const pointers[] = {pa, pb, pd};
  for (int i = 0; i < 3; i++)
    if (!algorithm->data[i] || reinterpret_cast<uintptr_t>(pointers[i]) % algorithm->data[i]) return 7;
  if (!fits(op, a, b, d) || pc != pd || (workspace_bytes && !workspace)) return 7;
  if (workspace_bytes) memset(workspace, 0x7f, workspace_bytes);
  const bool ta = op.values[DESC_TRANSA] == OP_T, tb = op.values[DESC_TRANSB] == OP_T;
  const int64_t depth = int64_t(ta ? a.rows : a.cols);
  for (int64_t batch = 0; batch < d.values[LAYOUT_BATCH_COUNT]; batch++)
    for (int64_t column = 0; column < int64_t(d.cols); column++)
      for (int64_t row = 0; row < int64_t(d.rows); row++) {
        float sum = 0;
        for (int64_t k = 0; k < depth; k++)
          sum += element(pa, a.values[0], batch * a.stride + (ta ? row * a.ld + k : k * a.ld + row)) *
                 element(pb, b.values[0], batch * b.stride + (tb ? k * b.ld + column : column * b.ld + k));
        const int64_t at = batch * d.stride + column * d.ld + row;
        sum *= *static_cast<const float*>(alpha);
        if (op.values[DESC_EPILOGUE] == EPILOGUE_BIAS) sum += element(op.bias, op.values[DESC_BIAS_DATA_TYPE], row);
        const float add = *static_cast<const float*>(beta);
        if (add != 0) sum += add * element(pc, d.values[0], at);
        if (d.values[0] == R_32F) static_cast<float*>(pd)[at] = sum;
        else static_cast<tt::bf16*>(pd)[at] = tt::from_float<tt::bf16>(sum);
      }
  return 0;
}

}  // namespace lt_twin

inline tt::lt::Functions cublaslt() {
  using namespace lt_twin;
  return {version, create, operation_create, operation_set, destroy, layout_create, layout_set, destroy, preference_create, preference_set, destroy, heuristic, matmul};
}

}  // namespace emu
