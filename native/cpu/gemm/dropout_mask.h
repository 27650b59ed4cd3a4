// The mask of LoRA's dropout, drawn again wherever it is needed, a few rows at a time while they are in a cache.
#pragma once
#include "../runtime/internal.h"

namespace tt {

/// Element i is dropped when word i of `rng` is below `threshold`.
struct DropoutMask {
  const uint32_t* rng;
  uint32_t threshold;
};

/// dst = src where the mask keeps the element, else 0 (not scaled); `first` is the index of src[0] in the mask.
TT_KERNEL(void, apply_mask, void* dst, const void* src, size_t n, size_t first, const DropoutMask& mask, tt_dtype dtype)
/// dst = src where the mask keeps the element, else 0; with `add`, dst += src where it does.
TT_KERNEL(void, put_masked, void* dst, const float* src, size_t n, size_t first, const DropoutMask& mask, bool add, tt_dtype dtype)

}  // namespace tt
