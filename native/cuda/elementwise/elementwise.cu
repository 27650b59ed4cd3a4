// tt_cast, tt_fill, tt_affine, tt_add_to: one read, one write.
#include "flat.h"

namespace tt {
namespace {

struct Same {
  TT_GPU float operator()(float x) const { return x; }
};
struct Affine {
  float scale, shift;
  TT_GPU float operator()(float x) const { return fmaf(x, scale, shift); }
};
struct Add {
  TT_GPU float operator()(float y, float x) const { return y + x; }
};
struct Constant {
  float value;
  TT_GPU float operator()() const { return value; }
};

template <class Y> void cast_to(const Gpu& gpu, cudaStream_t stream, void* y, const void* x, size_t n, tt_dtype from) {
  Y* to = static_cast<Y*>(y);
  switch (from) {
    case TT_F32: return flat(gpu, stream, to, n, Same{}, static_cast<const float*>(x));
    case TT_BF16: return flat(gpu, stream, to, n, Same{}, static_cast<const bf16*>(x));
    default: return flat(gpu, stream, to, n, Same{}, static_cast<const f16*>(x));
  }
}

void cast_integers(const Gpu& gpu, cudaStream_t stream, float* y, const void* x, size_t n, tt_dtype from) {
  switch (from) {
    case TT_I32: return flat(gpu, stream, y, n, Same{}, static_cast<const int32_t*>(x));
    case TT_U8: return flat(gpu, stream, y, n, Same{}, static_cast<const uint8_t*>(x));
    default: return flat(gpu, stream, y, n, Same{}, static_cast<const int8_t*>(x));
  }
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_cast(void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype, tt_stream stream) {
  auto is_float = [](tt_dtype dtype) { return dtype == TT_F32 || dtype == TT_BF16 || dtype == TT_F16; };
  TT_REQUIRE(x_dtype >= TT_F32 && x_dtype <= TT_I8, "tt_cast: unknown x_dtype %d", x_dtype);
  TT_REQUIRE(is_float(y_dtype), "tt_cast: y_dtype must be f32 (0), bf16 (1) or f16 (2), got %d", y_dtype);
  TT_REQUIRE(is_float(x_dtype) || y_dtype == TT_F32, "tt_cast: integers convert to f32 only, y_dtype is %d", y_dtype);
  TT_REQUIRE_HOLD("tt_cast", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_cast", y);
  TT_REQUIRE_POINTER("tt_cast", x);
  TT_READY("tt_cast");
  cudaStream_t s = stream_of(gpu, stream);
  if (y_dtype == x_dtype) TT_CUDA("tt_cast", cudaMemcpyAsync(y, x, n * dtype_bytes(y_dtype), cudaMemcpyDeviceToDevice, s));
  else if (!is_float(x_dtype)) cast_integers(gpu, s, static_cast<float*>(y), x, n, x_dtype);
  else if (y_dtype == TT_F32) cast_to<float>(gpu, s, y, x, n, x_dtype);
  else if (y_dtype == TT_BF16) cast_to<bf16>(gpu, s, y, x, n, x_dtype);
  else cast_to<f16>(gpu, s, y, x, n, x_dtype);
  return launched("tt_cast", s);
}

extern "C" tt_status tt_fill(void* y, size_t n, float value, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_fill", dtype);
  TT_REQUIRE_HOLD("tt_fill", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_fill", y);
  TT_READY("tt_fill");
  cudaStream_t s = stream_of(gpu, stream);
  with_type(dtype, [&](auto type) { flat(gpu, s, static_cast<decltype(type)*>(y), n, Constant{value}); });
  return launched("tt_fill", s);
}

extern "C" tt_status tt_affine(void* y, const void* x, size_t n, float scale, float shift, tt_dtype dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_affine", dtype);
  TT_REQUIRE_HOLD("tt_affine", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_affine", y);
  TT_REQUIRE_POINTER("tt_affine", x);
  TT_READY("tt_affine");
  cudaStream_t s = stream_of(gpu, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    flat(gpu, s, static_cast<T*>(y), n, Affine{scale, shift}, static_cast<const T*>(x));
  });
  return launched("tt_affine", s);
}

extern "C" tt_status tt_add_to(void* y, const void* x, size_t n, tt_dtype y_dtype, tt_dtype x_dtype, tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_add_to (y)", y_dtype);
  TT_REQUIRE_DTYPE("tt_add_to (x)", x_dtype);
  TT_REQUIRE_HOLD("tt_add_to", n);
  if (n == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_add_to", y);
  TT_REQUIRE_POINTER("tt_add_to", x);
  TT_READY("tt_add_to");
  cudaStream_t s = stream_of(gpu, stream);
  with_type(y_dtype, [&](auto y_type) {
    with_type(x_dtype, [&](auto x_type) {
      using Y = decltype(y_type);
      flat(gpu, s, static_cast<Y*>(y), n, Add{}, static_cast<const Y*>(y), static_cast<const decltype(x_type)*>(x));
    });
  });
  return launched("tt_add_to", s);
}
