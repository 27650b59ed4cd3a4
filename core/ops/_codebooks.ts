/**
 * The code tables of bitsandbytes: nf4 (Dettmers et al. 2023, arXiv 2305.14314), fp4 and the dynamic 8-bit maps (Dettmers
 * et al. 2022, arXiv 2110.02861), and the choice of a code. All in f32, so that bytes are equal on every device.
 */

const { fround } = Math

/** Values of the codes 0 … 15. */
export const NF4: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
].map(fround)

/**
 * Above threshold k the code is larger than k; equal is not above, and NaN is above none. Four of bitsandbytes' decimals lie
 * halfway between two f32: these are what a C compiler reads there.
 */
const NF4_THRESHOLDS: readonly number[] = [
  -0.84809643030166626, -0.6106329262256622, -0.4599952697753906, -0.33967943489551544, -0.23460740596055984,
  -0.13791173323988914, -0.045525018125772476, 0.03979014977812767, 0.1202552542090416, 0.2035212516784668,
  0.2920137718319893, 0.3893125355243683, 0.50166338682174683, 0.6427869200706482, 0.86147838830947876,
].map(fround)

const FP4_MAGNITUDES: readonly number[] = [0, 0.0625, 8, 12, 4, 6, 2, 3].map((value) => fround(value / 12))
/** Bit 3 is the sign. */
export const FP4: readonly number[] = [...FP4_MAGNITUDES, ...FP4_MAGNITUDES.map((value) => -value)]

const FP4_THRESHOLDS: readonly number[] = [
  0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333,
].map(fround)
/** Codes in the order of their values. */
const FP4_ORDER: readonly number[] = [0, 1, 6, 7, 4, 5, 2, 3]

/** Of x/absmax in −1 … 1. */
export function nf4Code(value: number): number {
  return countAbove(NF4_THRESHOLDS, value)
}

export function fp4Code(value: number): number {
  return FP4_ORDER[countAbove(FP4_THRESHOLDS, Math.abs(value))] + (value < 0 ? 8 : 0)
}

/** The 256 values of the signed (−0.993 … 1) or the unsigned (0 … 1) dynamic map, ascending. */
export function dynamicMap(signed: boolean): readonly number[] {
  return signed ? (signedMap ??= buildMap(true)) : (unsignedMap ??= buildMap(false))
}

/** The code of the value nearest to `value` in a map; the lower one between two, 0 for NaN. */
export function nearestCode(map: readonly number[], value: number): number {
  // Halving: the number of midpoints below the value.
  let code = 0
  for (let step = 128; step > 0; step >>= 1)
    if (value > fround((map[code + step - 1] + map[code + step]) / 2)) code += step
  return code
}

/** Half to even, as every device rounds. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value)
  const rest = value - below
  if (rest !== 0.5) return Math.round(value)
  return below % 2 === 0 ? below : below + 1
}

let signedMap: readonly number[] | undefined
let unsignedMap: readonly number[] | undefined

/** Seven decades; decade i has 2^i values of each sign, or 2^(i+1) when there is no sign: bit for bit what torch gives. */
function buildMap(signed: boolean): readonly number[] {
  const map = [0, 1]
  for (let i = 0; i < 7; i++) {
    const steps = 2 ** (signed ? i : i + 1)
    const step = fround(fround(1 - fround(0.1)) / steps)
    // torch.linspace counts from the nearer end.
    const bound = (k: number): number =>
      k < (steps + 1) >> 1 ? fround(fround(0.1) + step * k) : fround(1 - step * (steps - k))
    const decade = fround(10 ** (i - 6))
    for (let k = 0; k < steps; k++) {
      const value = fround(fround(fround(bound(k) + bound(k + 1)) / 2) * decade)
      map.push(value)
      if (signed) map.push(-value)
    }
  }
  return map.toSorted((a, b) => a - b)
}

function countAbove(thresholds: readonly number[], value: number): number {
  let code = 0
  for (const threshold of thresholds) if (value > threshold) code++
  return code
}
