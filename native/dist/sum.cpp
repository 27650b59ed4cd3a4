#include "sum.h"

#include <stdlib.h>
#include <string.h>

#include "../include/tritune_dist.h"

namespace tt::dist {

namespace {

/// Bytes of one piece on one rank. A longer message goes one way at a time: 16 MiB over 1 Gb/s take 141 ms in these pieces, which is what the
/// cable allows, and 275 ms in pieces of 4 MiB (bench links).
constexpr uint64_t PIECE = uint64_t(64) << 10;

float widened(uint16_t value) {
  const uint32_t bits = uint32_t(value) << 16;
  float wide;
  memcpy(&wide, &bits, 4);
  return wide;
}

/// Nearest, ties to even; NaN stays NaN.
uint16_t rounded(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  if ((bits & 0x7fffffff) > 0x7f800000) return uint16_t((bits >> 16) | 0x40);
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <class T> double read(T value) { return double(value); }
template <> double read(uint16_t value) { return double(widened(value)); }
template <class T> T write(double value) { return T(value); }
template <> uint16_t write(double value) { return rounded(float(value)); }

template <class T>
void add_rows(T* out, const T* rows, uint64_t stride, int size, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    double sum = read(rows[i]);
    for (int rank = 1; rank < size; rank++) sum += read(rows[uint64_t(rank) * stride + i]);
    out[i] = write<T>(sum);
  }
}

/// out[i] = sum over the rows of rows[row][i].
void add(void* out, const void* rows, int size, uint64_t count, int32_t type) {
  if (type == TT_DIST_F32) add_rows(static_cast<float*>(out), static_cast<const float*>(rows), count, size, count);
  else if (type == TT_DIST_F64) add_rows(static_cast<double*>(out), static_cast<const double*>(rows), count, size, count);
  else add_rows(static_cast<uint16_t*>(out), static_cast<const uint16_t*>(rows), count, size, count);
}

struct Scratch {
  explicit Scratch(uint64_t bytes) : memory(static_cast<char*>(malloc(bytes))) {}
  ~Scratch() { free(memory); }
  char* memory;
};

uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

}  // namespace

uint64_t bytes_of(int32_t type) {
  return type == TT_DIST_F32 ? 4 : type == TT_DIST_F64 ? 8 : type == TT_DIST_BF16 ? 2 : 0;
}

int32_t sum_everywhere(const Mpi& mpi, int size, void* buffer, uint64_t count, int32_t type) {
  if (size == 1) return TT_DIST_OK;
  const uint64_t element = bytes_of(type), ranks = uint64_t(size);
  const uint64_t most = smaller(PIECE / element, (count + ranks - 1) / ranks);
  Scratch scratch((2 * ranks + 1) * most * element);
  if (!scratch.memory) return TT_DIST_MEMORY;
  char *sent = scratch.memory, *received = sent + ranks * most * element, *own = received + ranks * most * element;
  char* at = static_cast<char*>(buffer);
  for (uint64_t done = 0; done < count;) {
    const uint64_t here = smaller(count - done, ranks * most), part = (here + ranks - 1) / ranks;
    memcpy(sent, at + done * element, here * element);
    memset(sent + here * element, 0, (part * ranks - here) * element);
    if (int error = mpi.exchange(sent, int(part * element), received)) return error;
    add(own, received, size, part, type);
    if (int error = mpi.gather(own, int(part * element), sent)) return error;
    memcpy(at + done * element, sent, here * element);
    done += here;
  }
  return TT_DIST_OK;
}

int32_t sum_part(const Mpi& mpi, int size, const void* send, void* out, uint64_t count, int32_t type) {
  const uint64_t element = bytes_of(type), ranks = uint64_t(size), most = smaller(PIECE / element, count);
  Scratch scratch(2 * ranks * most * element);
  if (!scratch.memory) return TT_DIST_MEMORY;
  char *sent = scratch.memory, *received = sent + ranks * most * element;
  for (uint64_t done = 0; done < count; done += most) {
    const uint64_t here = smaller(count - done, most);
    for (uint64_t rank = 0; rank < ranks; rank++)
      memcpy(sent + rank * here * element, static_cast<const char*>(send) + (rank * count + done) * element, here * element);
    if (int error = mpi.exchange(sent, int(here * element), received)) return error;
    add(static_cast<char*>(out) + done * element, received, size, here, type);
  }
  return TT_DIST_OK;
}

}  // namespace tt::dist
