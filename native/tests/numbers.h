// Numbers for tests: the same on every machine, and compared as a share of the largest. Nothing here is random at run time.
#pragma once
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <string>
#include <vector>

namespace test {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

/// About uniform in −1…1; `seed` tells inputs apart.
inline Floats numbers(size_t count, uint32_t seed) {
  Floats out(count);
  uint32_t state = seed * 2654435761u + 12345u;
  for (float& value : out) {
    state = state * 1664525u + 1013904223u;
    value = float(int32_t(state) >> 8) / float(1 << 23);
  }
  return out;
}

inline std::vector<uint16_t> bf16_of(Floats& values) {
  std::vector<uint16_t> out(values.size());
  for (size_t i = 0; i < values.size(); i++) {
    uint32_t bits;
    memcpy(&bits, &values[i], 4);
    out[i] = uint16_t(bits >> 16);
    bits &= 0xffff0000u;
    memcpy(&values[i], &bits, 4);  // what the product is computed from
  }
  return out;
}

/// Prints the first that is further off than `tolerance`, as a share of the largest. NaN is further off than anything.
inline bool close(const char* what, const Floats& got, const Doubles& wanted, double tolerance = 1e-5) {
  double largest = 0;
  for (double value : wanted) largest = fmax(largest, fabs(value));
  for (size_t i = 0; i < wanted.size(); i++) {
    if (fabs(double(got[i]) - wanted[i]) <= tolerance * largest) continue;
    printf("        %s[%zu]: got %.9g, wanted %.9g (largest %.3g)\n", what, i, double(got[i]), wanted[i], largest);
    return false;
  }
  return got.size() == wanted.size();
}

inline bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace test
