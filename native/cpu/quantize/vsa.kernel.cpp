// Bit-plane kernels of single rows: 32 dimensions a word. All exact but weighted bundles, whose sums are f32 in the order of the rows.
#include "vsa.h"

#include "../vectors/bits.h"

namespace tt::TT_ISA {

void vsa_pack_row(uint32_t* y, const int8_t* x, size_t dims) {
  const size_t words = (dims + 31) / 32;
  for (size_t w = 0; w < words; w++) {
    int8_t buffer[32] = {};
    const int8_t* from = x + 32 * w;
    if (dims - 32 * w < 32) {
      memcpy(buffer, from, dims - 32 * w);
      from = buffer;
    }
    const Signs signs = signs_of(from);
    y[w] = signs.plus;
    y[words + w] = signs.minus;
  }
}

void vsa_unpack_row(int8_t* y, const uint32_t* x, size_t dims) {
  const size_t words = (dims + 31) / 32, whole = dims / 32;
  for (size_t w = 0; w < whole; w++) store_trits(y + 32 * w, x[w], x[words + w]);
  if (whole == words) return;
  int8_t trits[32];
  store_trits(trits, x[whole], x[words + whole]);
  memcpy(y + 32 * whole, trits, dims - 32 * whole);
}

// ---- two vectors --------------------------------------------------------------------------------------------------------

namespace {

struct Planes { vu plus, minus; };
// Where both are 0, as past the dimensions, each of these gives 0.
struct Times {
  TT_INLINE Planes of(Planes a, Planes b) { return {(a.plus & b.plus) | (a.minus & b.minus), (a.plus & b.minus) | (a.minus & b.plus)}; }
};
/// a + b modulo 3.
struct Sum {
  TT_INLINE Planes of(Planes a, Planes b) {
    const vu no_a = ~(a.plus | a.minus), no_b = ~(b.plus | b.minus);
    return {(a.plus & no_b) | (no_a & b.plus) | (a.minus & b.minus), (a.minus & no_b) | (no_a & b.minus) | (a.plus & b.plus)};
  }
};
/// a − b modulo 3.
struct Difference {
  TT_INLINE Planes of(Planes a, Planes b) { return Sum::of(a, {b.minus, b.plus}); }
};

template <class How> void combine(uint32_t* y, const uint32_t* a, const uint32_t* b, size_t words) {
  size_t w = 0;
  for (; w + W <= words; w += W) {
    const Planes v = How::of({load_words(a + w), load_words(a + words + w)}, {load_words(b + w), load_words(b + words + w)});
    store_words(y + w, v.plus);
    store_words(y + words + w, v.minus);
  }
  if (w == words) return;
  const size_t n = words - w;
  const Planes v = How::of({load_words_n(a + w, n), load_words_n(a + words + w, n)}, {load_words_n(b + w, n), load_words_n(b + words + w, n)});
  store_words_n(y + w, v.plus, n);
  store_words_n(y + words + w, v.minus, n);
}

}  // namespace

void vsa_combine_row(uint32_t* y, const uint32_t* a, const uint32_t* b, size_t words, int how) {
  if (how == TT_VSA_PRODUCT) combine<Times>(y, a, b, words);
  else if (how == TT_VSA_BIND) combine<Difference>(y, a, b, words);
  else combine<Sum>(y, a, b, words);
}

// ---- bundles ------------------------------------------------------------------------------------------------------------

namespace {

/// Counters cut into bits: slice s of a word holds bit s of 32 counters.
constexpr int SLICES = 16, COLUMNS = 4;
struct Counter { vu slice[SLICES]; };

/// low + 2·high = a + b + c
TT_INLINE void add3(vu& high, vu& low, vu a, vu b, vu c) {
  const vu u = a ^ b;
  high = (a & b) | (u & c);
  low = u ^ c;
}
/// Eight planes at once (Harley–Seal): seven sums of three for the lowest slices, and only what they carry ripples on.
TT_INLINE void add8(Counter& counter, int slices, const vu* v) {
  vu *s = counter.slice, two_a, two_b, four_a, four_b, eight;
  add3(two_a, s[0], s[0], v[0], v[1]);
  add3(two_b, s[0], s[0], v[2], v[3]);
  add3(four_a, s[1], s[1], two_a, two_b);
  add3(two_a, s[0], s[0], v[4], v[5]);
  add3(two_b, s[0], s[0], v[6], v[7]);
  add3(four_b, s[1], s[1], two_a, two_b);
  add3(eight, s[2], s[2], four_a, four_b);
  for (int i = 3; i < slices; i++) {
    const vu carry = s[i] & eight;
    s[i] ^= eight;
    eight = carry;
  }
}

}  // namespace

void vsa_bundle_row(uint32_t* y, const uint32_t* x, size_t count, size_t words) {
  int slices = 3;
  while (count >> slices) slices++;
  for (size_t first = 0; first < words; first += COLUMNS * W) {
    Counter plus[COLUMNS], minus[COLUMNS];
    for (int column = 0; column < COLUMNS; column++)
      for (int s = 0; s < slices; s++) plus[column].slice[s] = minus[column].slice[s] = vu{};
    for (size_t i = 0; i < count; i += 8)
      for (int column = 0; column < COLUMNS && first + size_t(column * W) < words; column++) {
        const size_t at = first + size_t(column * W), n = words - at < size_t(W) ? words - at : W;
        const uint32_t* from = x + i * 2 * words + at;
        vu up[8], down[8];
        if (n == size_t(W) && count - i >= 8) {
          TT_UNROLL for (size_t j = 0; j < 8; j++) {
            up[j] = load_words(from + j * 2 * words);
            down[j] = load_words(from + j * 2 * words + words);
          }
        } else {
          TT_UNROLL for (size_t j = 0; j < 8; j++) {
            up[j] = i + j < count ? load_words_n(from + j * 2 * words, n) : vu{};
            down[j] = i + j < count ? load_words_n(from + j * 2 * words + words, n) : vu{};
          }
        }
        add8(plus[column], slices, up);
        add8(minus[column], slices, down);
      }
    for (int column = 0; column < COLUMNS && first + size_t(column * W) < words; column++) {
      const size_t at = first + size_t(column * W), n = words - at < size_t(W) ? words - at : W;
      vu greater{}, less{};
      for (int s = slices - 1; s >= 0; s--) {
        const vu open = ~(greater | less), more = plus[column].slice[s], fewer = minus[column].slice[s];
        greater |= open & more & ~fewer;
        less |= open & fewer & ~more;
      }
      store_words_n(y + at, greater, n);
      store_words_n(y + words + at, less, n);
    }
  }
}

void vsa_bundle_weighted_row(uint32_t* y, const uint32_t* x, const float* weights, size_t count, size_t words) {
  constexpr size_t WORDS = 8;  // whose sums wait in L1
  constexpr int PARTS = 32 / W;
  for (size_t first = 0; first < words; first += WORDS) {
    const size_t some = words - first < WORDS ? words - first : WORDS;
    vf sums[WORDS][PARTS] = {};
    for (size_t i = 0; i < count; i++) {
      const uint32_t* from = x + i * 2 * words + first;
      const vf up = set1(weights[i]), down = -up;
      for (size_t w = 0; w < some; w++)
        TT_UNROLL for (int part = 0; part < PARTS; part++)
          // At most one of the two is not 0.
          sums[w][part] += vf(vi(where_bits(from[w] >> (part * W), up)) | vi(where_bits(from[words + w] >> (part * W), down)));
    }
    for (size_t w = 0; w < some; w++) {
      uint32_t greater = 0, less = 0;
      for (int part = 0; part < PARTS; part++) {
        greater |= bits_of_lanes(sums[w][part] > 0) << (part * W);
        less |= bits_of_lanes(sums[w][part] < 0) << (part * W);
      }
      y[first + w] = greater;
      y[first + w + words] = less;
    }
  }
}

// ---- permutation --------------------------------------------------------------------------------------------------------

namespace {

/// Up to 32 bits of one plane from bit `from`, which with `count` stays inside it.
TT_INLINE uint32_t bits_at(const uint32_t* plane, size_t words, size_t from, size_t count) {
  const size_t word = from / 32, shift = from % 32;
  uint64_t pair = plane[word];
  if (word + 1 < words) pair |= uint64_t(plane[word + 1]) << 32;
  return uint32_t(pair >> shift & ((uint64_t(1) << count) - 1));
}

/// Word w of the turned plane, from as many pieces as it takes.
uint32_t turned_word(const uint32_t* x, size_t dims, size_t shift, size_t w) {
  const size_t wanted = dims - 32 * w < 32 ? dims - 32 * w : 32;
  size_t from = (32 * w + dims - shift) % dims;
  uint32_t word = 0;
  for (size_t have = 0; have < wanted;) {
    const size_t left = dims - from, count = left < wanted - have ? left : wanted - have;
    word |= bits_at(x, (dims + 31) / 32, from, count) << have;
    have += count;
    from = from + count == dims ? 0 : from + count;
  }
  return word;
}

/// y[0 … n) = 32 bits each of x from bit `from` on; reads x up to the word that holds the last of them.
void shifted_words(uint32_t* y, const uint32_t* x, size_t from, size_t n) {
  const uint32_t* p = x + from / 32;
  const uint32_t right = uint32_t(from % 32);
  if (right == 0) {
    memcpy(y, p, n * 4);
    return;
  }
  size_t w = 0;
  for (; w + W <= n; w += W) store_words(y + w, load_words(p + w) >> right | load_words(p + w + 1) << (32 - right));
  for (; w < n; w++) y[w] = p[w] >> right | p[w + 1] << (32 - right);
}

}  // namespace

void vsa_permute_row(uint32_t* y, const uint32_t* x, size_t dims, size_t shift) {
  const size_t words = (dims + 31) / 32, whole = dims / 32;
  // Words below `low` come from the end of x, those from `high` on from its start; between them is the word of both.
  const size_t low = shift / 32, high = (shift + 31) / 32 < whole ? (shift + 31) / 32 : whole;
  for (int plane = 0; plane < 2; plane++, x += words, y += words) {
    shifted_words(y, x, dims - shift, low);
    for (size_t w = low; w < high; w++) y[w] = turned_word(x, dims, shift, w);
    if (high < whole) shifted_words(y + high, x, high * 32 - shift, whole - high);
    if (whole < words) y[whole] = turned_word(x, dims, shift, whole);
  }
}

}  // namespace tt::TT_ISA
