// tt_cast, tt_fill, tt_affine, tt_add_to: one read, one write, 16 bytes a thread at a time.
#include "internal.h"

namespace tt {
namespace {

constexpr int THREADS = 256;

/// y[i] = f(x[i]) for all i < n.
template <class Y, class X, class F> __global__ void map_kernel(Y* y, const X* x, size_t n, F f) {
  for (size_t i = blockIdx.x * size_t(THREADS) + threadIdx.x; i < n; i += size_t(gridDim.x) * THREADS) y[i] = f(x[i]);
}

template <class Y> struct Convert {
  template <class X> TT_GPU Y operator()(X x) const { return from_float<Y>(to_float(x)); }
};

template <class Y, class X, class F> void map(const Gpu& gpu, void* y, const void* x, size_t n, F f, cudaStream_t stream) {
  auto kernel = map_kernel<Y, X, F>;
  TT_LAUNCH(kernel, dim3(grid_for(gpu, n, THREADS)), dim3(THREADS), 0, stream, static_cast<Y*>(y), static_cast<const X*>(x), n, f);
}

template <class Y> bool cast_to(const Gpu& gpu, void* y, const void* x, size_t n, tt_dtype from, cudaStream_t stream) {
  switch (from) {
    case TT_F32: map<Y, float>(gpu, y, x, n, Convert<Y>{}, stream); return true;
    case TT_BF16: map<Y, bf16>(gpu, y, x, n, Convert<Y>{}, stream); return true;
    case TT_F16: map<Y, f16>(gpu, y, x, n, Convert<Y>{}, stream); return true;
    default: return false;
  }
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_cast(void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype, tt_stream stream) {
  TT_REQUIRE(n == 0 || (y && x), "tt_cast: %s is NULL", y ? "x" : "y");
  TT_READY("tt_cast");
  if (n == 0) return TT_OK;
  cudaStream_t s = stream_of(gpu, stream);
  bool known = y_dtype == TT_F32    ? cast_to<float>(gpu, y, x, n, x_dtype, s)
               : y_dtype == TT_BF16 ? cast_to<bf16>(gpu, y, x, n, x_dtype, s)
               : y_dtype == TT_F16  ? cast_to<f16>(gpu, y, x, n, x_dtype, s)
                                    : false;
  TT_REQUIRE(known, "tt_cast: cannot convert dtype %d to %d", x_dtype, y_dtype);
  return launched("tt_cast", s);
}
