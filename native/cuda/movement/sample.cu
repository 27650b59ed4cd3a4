// tt_sample: repetition penalty, temperature, top-k, top-p and one draw a row; a block a row.
//
// The weights are the same f32 numbers as in native/cpu/movement/sample.cpp. Both filters only raise a bar: tokens whose weight is below it
// are left out, and of those on the bar some of the later ones. As weights are not negative, their bits order as they do.
// Counts and the masses that top-p compares are integers, which add up to the same in any order.
#include "../elementwise/flat.h"
#include "../runtime/philox.h"
#include "scan.h"

namespace tt {
namespace {

constexpr int THREADS = 512, WARPS = THREADS / 32;

struct Settings {
  int vocab, history_n, top_k;
  float temperature, top_p, repetition_penalty;
  const int32_t* history;
  Rng rng;
  Fault* fault;
  /// Weights count as multiples of 2^−mass_bits in top-p: as fine as 64 bits allow.
  int mass_bits;
};

/// What one block works on.
struct Row {
  float* weights;  // multiples of four, filled up with what is never chosen
  int packs;       // of four
};

/// e^x in the steps of the CPU library (Cephes), for x ≤ 0: equal weights give equal tokens.
TT_GPU float exp_as_cpu(float x) {
  x = fmaxf(-104.f, x);
  const float n = rintf(x * 1.44269504088896341f);
  const float r = fmaf(n, 2.12194440e-4f, fmaf(-n, 0.693359375f, x));
  float p = fmaf(1.9875691500e-4f, r, 1.3981999507e-3f);
  p = fmaf(p, r, 8.3334519073e-3f);
  p = fmaf(p, r, 4.1665795894e-2f);
  p = fmaf(p, r, 1.6666665459e-1f);
  p = fmaf(p, r, 5.0000001201e-1f);
  const float y = fmaf(p * r, r, r) + 1.f;
  const int whole = int(n), half = whole >> 1;
  return y * __uint_as_float(uint32_t(half + 127) << 23) * __uint_as_float(uint32_t(whole - half + 127) << 23);
}

/// visit(weight) for this thread's share, 64 bytes under way at a time.
template <class Visit> TT_GPU void for_weights(const Row& row, const Visit& visit) {
  constexpr int ROUND = 4;
  for (int first = int(threadIdx.x); first < row.packs; first += THREADS * ROUND) {
    Floats<4> loaded[ROUND];
    TT_UNROLL
    for (int r = 0; r < ROUND; r++)
      if (first + r * THREADS < row.packs) loaded[r] = load_floats<4>(row.weights + (first + r * THREADS) * 4);
      else loaded[r] = {};
    TT_UNROLL
    for (int r = 0; r < ROUND; r++) {
      TT_UNROLL
      for (int v = 0; v < 4; v++) visit(loaded[r].at[v]);
    }
  }
}

struct Best {
  float value;
  int id;  // −1: nothing above −Inf
};
TT_GPU Best better(const Best& a, const Best& b) {
  return b.id >= 0 && (a.id < 0 || b.value > a.value || (b.value == a.value && b.id < a.id)) ? b : a;
}

/// The largest logit, the lowest index among equals; NaN never wins.
TT_GPU Best argmax(const Row& row, int vocab, Best* shared) {
  Best best = {-INFINITY, -1};
  for (int i = int(threadIdx.x); i < vocab; i += THREADS)
    if (row.weights[i] > best.value) best = {row.weights[i], i};
  TT_UNROLL
  for (int o = 16; o; o >>= 1) {
    const Best other = {__shfl_xor_sync(0xffffffffu, best.value, o), __shfl_xor_sync(0xffffffffu, best.id, o)};
    best = better(best, other);
  }
  if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = best;
  __syncthreads();
  best = shared[0];
  for (int w = 1; w < WARPS; w++) best = better(best, shared[w]);
  __syncthreads();
  return best;
}

template <class T> TT_GPU void read_logits(const Row& row, const T* logits, const Settings& s) {
  for (int i = int(threadIdx.x); i < row.packs * 4; i += THREADS) row.weights[i] = i < s.vocab ? to_float(logits[i]) : -INFINITY;
  __syncthreads();
  if (s.history_n == 0) return;
  for (int i = int(threadIdx.x); i < s.history_n; i += THREADS) {
    const int32_t id = s.history[i];
    if (id < 0 || id >= s.vocab) {
      report_fault(s.fault, FAULT_HISTORY, id, s.vocab);
      continue;
    }
    // From the logit that came in: a token that occurred twice is penalised once.
    const float x = to_float(logits[id]);
    row.weights[id] = x > 0.f ? x / s.repetition_penalty : x * s.repetition_penalty;
  }
  __syncthreads();
}

/// Bits of the k-th largest weight, found 8 bits at a time; 0 when fewer than k are above 0.
TT_GPU uint32_t top_k_bar(const Row& row, uint32_t k) {
  __shared__ uint32_t counts[256], scratch[WARPS], found[2];
  uint32_t bar = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    if (threadIdx.x < 256) counts[threadIdx.x] = 0;
    if (threadIdx.x == 0) found[1] = 0;
    __syncthreads();
    for_weights(row, [&](float w) {
      const uint32_t bits = __float_as_uint(w);
      if (bits != 0 && (uint64_t(bits) >> (shift + 8)) == (uint64_t(bar) >> (shift + 8))) atomicAdd(&counts[bits >> shift & 255], 1u);
    });
    __syncthreads();
    // The digit at which the count from above reaches k.
    const uint32_t digit = 255u - threadIdx.x, mine = threadIdx.x < 256 ? counts[digit] : 0;
    uint32_t total;
    const uint32_t up_to = block_scan(mine, scratch, THREADS, &total);
    if (threadIdx.x < 256 && up_to >= k && up_to - mine < k) {
      found[0] = digit;
      found[1] = k - (up_to - mine);
    }
    __syncthreads();
    if (found[1] == 0) return 0;
    bar |= found[0] << shift;
    k = found[1];
    __syncthreads();
  }
  return bar;
}

/// Tokens that stay: those with more bits than `bar`, and the first `ties` of those with just as many.
struct Cut {
  uint32_t bar;
  int ties;
};

/// Σ of the weights whose bits are above `bar`, in f64.
TT_GPU double mass_above(const Row& row, uint32_t bar, double* shared) {
  double sum = 0;
  for_weights(row, [&](float w) {
    if (__float_as_uint(w) > bar) sum += double(w);
  });
  return block_sum(sum, shared, THREADS);
}

/// Keeps the heaviest tokens up to and with the one that crosses p. Tokens whose bits are not above `floor` are out already.
TT_GPU Cut top_p_cut(const Row& row, uint32_t floor, const Settings& s, double* shared) {
  using Mass = unsigned long long;
  __shared__ Mass masses[3][WARPS];
  const double enough = double(s.top_p) * mass_above(row, floor, shared);
  const float unit = __uint_as_float(uint32_t(s.mass_bits + 127) << 23);
  const double needed = enough * double(unit);
  // The highest bar at which the tokens on it and above are enough: between `low` and `high`, quartered in every pass.
  uint32_t low = floor + 1, high = 0x3f800000u;
  while (low < high) {
    const uint32_t quarter = (high - low + 3) / 4;
    const uint32_t bars[3] = {low + quarter, low + 2 * quarter, low + 3 * quarter};
    Mass sums[3] = {};
    for_weights(row, [&](float w) {
      const uint32_t bits = __float_as_uint(w);
      const Mass mass = Mass(w * unit);
      TT_UNROLL
      for (int b = 0; b < 3; b++) sums[b] += bits >= bars[b] ? mass : 0;
    });
    TT_UNROLL
    for (int b = 0; b < 3; b++) {
      TT_UNROLL
      for (int o = 16; o; o >>= 1) sums[b] += __shfl_xor_sync(0xffffffffu, sums[b], o);
      if ((threadIdx.x & 31) == 0) masses[b][threadIdx.x >> 5] = sums[b];
    }
    __syncthreads();
    int reached = 0;  // how many of the bars leave enough
    for (int b = 0; b < 3; b++) {
      Mass total = 0;
      for (int w = 0; w < WARPS; w++) total += masses[b][w];
      if (bars[b] <= high && double(total) >= needed) reached = b + 1;
    }
    __syncthreads();
    // Not bars[reached]: an array with a run-time index would live in memory.
    const uint32_t next = low + uint32_t(reached + 1) * quarter;
    low += uint32_t(reached) * quarter;
    if (reached < 3 && next <= high) high = next - 1;
  }
  const double above = mass_above(row, low, shared), one = double(__uint_as_float(low));
  double ties = ceil((enough - above) / one);
  while (ties > 1 && above + (ties - 1) * one >= enough) ties--;
  while (above + ties * one < enough && ties < s.vocab) ties++;
  return {low, ties < 1 ? 1 : ties > s.vocab ? s.vocab : int(ties)};
}

/// The token at which the running sum over the vocabulary, in index order, passes `uniform` of the whole. Warps own
/// neighbouring stretches.
TT_GPU int draw(const Row& row, const Cut& cut, double uniform) {
  __shared__ double masses[WARPS];
  __shared__ int counts[WARPS], chosen;
  const int warp = int(threadIdx.x >> 5), lane = int(threadIdx.x & 31), n = row.packs * 4;
  const int length = (n + 32 * WARPS - 1) / (32 * WARPS) * 32, begin = warp * length, end = begin + length < n ? begin + length : n;
  double mass = 0;
  int ties = 0;
  for (int i = begin + lane; i < end; i += 32) {
    const uint32_t bits = __float_as_uint(row.weights[i]);
    if (bits > cut.bar) mass += double(row.weights[i]);
    ties += bits == cut.bar && bits != 0;
  }
  mass = warp_sum(mass);
  ties = warp_scan(ties);
  if (lane == 31) {
    masses[warp] = mass;
    counts[warp] = ties;
  }
  __syncthreads();
  const double one = double(__uint_as_float(cut.bar));
  double total = 0;
  int left = cut.ties;
  for (int w = 0; w < WARPS; w++) {
    const int kept = counts[w] < left ? counts[w] : left;
    total += masses[w] + kept * one;
    left -= kept;
  }
  const double target = uniform * total;
  // The stretch in which the sum passes the target, or the last one with anything.
  double before = 0;
  int where = 0, ties_left = cut.ties;
  double sum = 0;
  left = cut.ties;
  for (int w = 0; w < WARPS; w++) {
    const int kept = counts[w] < left ? counts[w] : left;
    const double here = masses[w] + kept * one;
    if (here > 0) {
      where = w;
      before = sum;
      ties_left = left;
    }
    sum += here;
    left -= kept;
    if (sum > target) break;
  }
  if (warp == where) {
    int last = -1;
    for (int first = begin; first < end; first += 32) {
      const int i = first + lane;
      const float w = i < end ? row.weights[i] : 0.f;
      const uint32_t bits = __float_as_uint(w);
      const uint32_t tied = __ballot_sync(0xffffffffu, bits == cut.bar && bits != 0);
      const int rank = __popc(tied & ((1u << lane) - 1));
      const bool kept = bits > cut.bar || (bits == cut.bar && bits != 0 && rank < ties_left);
      ties_left -= __popc(tied);
      const double up_to = before + warp_scan(kept ? double(w) : 0.);
      const uint32_t all = __ballot_sync(0xffffffffu, kept), past = __ballot_sync(0xffffffffu, kept && up_to > target);
      if (all) last = first + 31 - __clz(int(all));
      if (past) last = first + __ffs(int(past)) - 1;
      if (past) break;
      before = __shfl_sync(0xffffffffu, up_to, 31);
    }
    if (lane == 0) chosen = last;
  }
  __syncthreads();
  return chosen;
}

template <class T> __global__ void __launch_bounds__(THREADS, 1) sample_kernel(int32_t* out, const T* logits, float* memory, Settings s) {
  __shared__ Best bests[WARPS];
  __shared__ double sums[WARPS];
  const int packs = (s.vocab + 3) / 4;
  const Row row = {memory + blockIdx.x * size_t(packs) * 4, packs};
  read_logits(row, logits + blockIdx.x * size_t(s.vocab), s);
  const Best best = argmax(row, s.vocab, bests);
  if (best.id < 0 && threadIdx.x == 0) report_fault(s.fault, FAULT_LOGITS, blockIdx.x, gridDim.x);
  if (best.id < 0 || s.temperature == 0.f || s.top_k == 1 || best.value == INFINITY) {
    if (threadIdx.x == 0) out[blockIdx.x] = best.id;
    return;
  }
  for (int i = int(threadIdx.x); i < packs * 4; i += THREADS) {
    const float x = (row.weights[i] - best.value) / s.temperature;
    row.weights[i] = x == x ? exp_as_cpu(x) : 0.f;
  }
  __syncthreads();
  Cut cut = {0, 0};
  if (s.top_k > 0 && s.top_k < s.vocab) {
    const uint32_t bar = top_k_bar(row, uint32_t(s.top_k));
    cut.bar = bar ? bar - 1 : 0;  // all ties of the last one stay
  }
  if (s.top_p < 1.f) cut = top_p_cut(row, cut.bar, s, sums);
  const uint64_t element = s.rng.offset + blockIdx.x;
  const Philox4 four = philox_block(s.rng, element >> 2);
  const uint32_t k = uint32_t(element) & 3, word = k == 0 ? four.word[0] : k == 1 ? four.word[1] : k == 2 ? four.word[2] : four.word[3];
  const int id = draw(row, cut, double(word) / 4294967296.0);
  if (threadIdx.x == 0) out[blockIdx.x] = id;
}

/// 2^bits times the largest sum, `vocab` ones, still is below 2^64.
int mass_bits_for(int32_t vocab) {
  int bits = 44;
  while ((uint64_t(vocab) >> (63 - bits)) != 0) bits--;
  return bits;
}

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_sample(int32_t* out, const void* logits, const int32_t* history, const uint32_t* rng, int32_t rows, int32_t vocab,
                               int32_t history_n, float temperature, int32_t top_k, float top_p, float repetition_penalty, tt_dtype dtype,
                               tt_stream stream) {
  TT_REQUIRE_DTYPE("tt_sample", dtype);
  TT_REQUIRE_SIZE("tt_sample", rows);
  TT_REQUIRE_SIZE("tt_sample", history_n);
  TT_REQUIRE(vocab > 0, "tt_sample: vocab must be positive, got %d", vocab);
  TT_REQUIRE(temperature >= 0 && isfinite(temperature), "tt_sample: temperature must be 0 or positive, got %g", double(temperature));
  TT_REQUIRE(top_k >= 0, "tt_sample: top_k must be 0 (off) or positive, got %d", top_k);
  TT_REQUIRE(top_p > 0 && top_p <= 1, "tt_sample: top_p must be above 0 and at most 1, got %g", double(top_p));
  TT_REQUIRE(repetition_penalty > 0 && isfinite(repetition_penalty), "tt_sample: repetition_penalty must be positive, got %g",
             double(repetition_penalty));
  TT_REQUIRE_HOLD("tt_sample", size_t(rows), size_t(vocab));
  if (rows == 0) return TT_OK;
  TT_REQUIRE_POINTER("tt_sample", out);
  TT_REQUIRE_POINTER("tt_sample", logits);
  TT_REQUIRE(rng || temperature == 0, "tt_sample: rng is null, and temperature is not 0");
  TT_READY("tt_sample");
  cudaStream_t s = stream_of(gpu, stream);
  const Settings settings = {vocab, history ? history_n : 0, top_k, temperature, top_p, repetition_penalty, history, rng_from(rng), gpu.fault, mass_bits_for(vocab)};
  const size_t bytes = size_t(rows) * ((size_t(vocab) + 3) / 4) * 16;
  Scratch memory(s);
  if (!memory.reserve(bytes)) return no_memory("tt_sample", bytes);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    auto kernel = sample_kernel<T>;
    TT_LAUNCH(kernel, dim3(unsigned(rows)), dim3(THREADS), 0, s, out, static_cast<const T*>(logits), memory.as<float>(), settings);
  });
  return launched("tt_sample", s);
}
