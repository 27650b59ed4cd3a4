/**
 * LoKr, a Kronecker product (Yeh et al. 2023, arXiv 2309.14859; PEFT's LOKR).
 *
 *   ΔW = s·w1 ⊗ w2      w1 (l, m), w2 (k, n) with l·k = out and m·n = in, s = α/r
 *
 * w2 is w2a·w2b of rank r where that is smaller, and so is w1 with `decompose_both`. The product with x is two small ones, on x as
 * (…, m, n): ΔW is made for merging only.
 */
import {
  type Adapter,
  add,
  affine,
  baseForward,
  type BaseLayer,
  cast,
  createRandom,
  defineOptions,
  type FloatDType,
  flag,
  integer,
  type LayerAdapterDefinition,
  linear,
  matmul,
  mul,
  optional,
  type Random,
  reshape,
  siteOf,
  sub,
  type Tensor,
  transpose,
  TrituneError,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import * as v from 'valibot'
import { isModuleDropped, nothing, outputMask } from '../delta/dropped.ts'
import { NO_MODULES, peftFields } from '../delta/fields.ts'
import { folded } from '../delta/fold.ts'
import { filled, kaiming } from '../delta/leaves.ts'
import { lycorisFields, type LycorisOptions, strengthOf } from '../delta/lycoris-options.ts'

// ---- definition -------------------------------------------------------------------------------------------------

/** Options of a LoKr, in PEFT's names. */
export interface LokrOptions extends LycorisOptions {
  /** w1 is a product of rank r too, where that is smaller. */
  readonly decompose_both: boolean
  /** One of the two sizes that a dimension is split into; −1: both near its square root. */
  readonly decompose_factor: number
  /** What `rank_dropout` leaves is scaled up. */
  readonly rank_dropout_scale: boolean
  /** true: w1 is 0 at the start; lycoris: w2 is; false: all random, so that it does something from the start. */
  readonly init_weights: boolean | 'lycoris'
}

const options: ValidatableConfig<LokrOptions> = defineOptions<LokrOptions>({
  ...lycorisFields,
  decompose_both: optional(flag(), false),
  decompose_factor: optional(
    v.union([v.literal(-1), integer({ min: 1 })], 'expected -1 or a whole number above 0'),
    -1,
  ),
  rank_dropout_scale: optional(flag(), false),
  init_weights: optional(v.union([v.literal('lycoris'), flag()], 'expected true, false or lycoris'), true),
})

/** The definition for plugins, YAML and `attachAdapter`. */
export const lokr: LayerAdapterDefinition<LokrOptions> = {
  name: 'lokr',
  options,
  kinds: ['linear', 'head'],
  peft: peftFields<LokrOptions>({
    type: 'LOKR',
    options,
    names: [
      'r',
      'alpha',
      'rank_dropout',
      'module_dropout',
      'decompose_both',
      'decompose_factor',
      'rank_dropout_scale',
      'init_weights',
      'rank_pattern',
      'alpha_pattern',
    ],
    fixed: { modules_to_save: NO_MODULES, use_effective_conv2d: [false, true] },
  }),
  create: createLokr,
}

// ---- layer ------------------------------------------------------------------------------------------------------

function createLokr(layer: BaseLayer, own: LokrOptions, { seed }: { readonly seed: number }): Adapter {
  const { path, inputs, outputs } = layer
  const { rank, scale } = strengthOf(path, own)
  const split = sizesOf(layer, own.decompose_factor)
  const w = makeFactors(layer, split, own, rank, createRandom(seed, siteOf(path)))
  const { l, k, m, n } = split

  const first = (): Tensor => w.lokr_w1 ?? matmul(w.lokr_w1_a, w.lokr_w1_b)
  const second = (): Tensor => w.lokr_w2 ?? matmul(w.lokr_w2_a, w.lokr_w2_b)
  /** (…, m, n) → (…, l, k) by the cheapest order of products. */
  const product = (x: Tensor): Tensor => {
    const dtype = x.dtype as FloatDType
    const one = cast(affine(first(), { scale }), dtype)
    const { lokr_w2: two, lokr_w2_a: up, lokr_w2_b: down } = w
    if (!two) return linear(mixed(linear(x, cast(down, dtype)), one), cast(up, dtype))
    return inputs * k + outputs * m <= inputs * l + outputs * n
      ? mixed(linear(x, cast(two, dtype)), one)
      : linear(mixed(x, one), cast(two, dtype))
  }
  const delta = (x: Tensor): Tensor => {
    if (isModuleDropped(path, own.module_dropout)) return nothing(x, outputs)
    const y = reshape(product(reshape(x, [x.size / inputs, m, n])), [...x.shape.slice(0, -1), outputs])
    const mask = outputMask(layer, own.rank_dropout, own.rank_dropout_scale)
    return mask ? mul(y, cast(mask, y.dtype as FloatDType)) : y
  }
  const whole = (): Tensor =>
    reshape(mul(reshape(affine(first(), { scale }), [l, 1, m, 1]), reshape(second(), [1, k, 1, n])), [
      outputs,
      inputs,
    ])

  return {
    kind: 'lokr',
    forward: (x, base) =>
      isModuleDropped(path, own.module_dropout) ? baseForward(base, x) : add(baseForward(base, x), delta(x)),
    delta,
    parameters: () => w,
    merge: (weight) => folded(weight, (wide) => add(wide, whole())),
    unmerge: (weight) => folded(weight, (wide) => sub(wide, whole())),
    [Symbol.dispose]() {
      for (const factor of Object.values(w)) factor.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Sizes {
  /** out = l·k, in = m·n */
  readonly l: number
  readonly k: number
  readonly m: number
  readonly n: number
}

function sizesOf({ path, inputs, outputs }: BaseLayer, factor: number): Sizes {
  const [m, n] = splitDimension(inputs, factor)
  const [l, k] = splitDimension(outputs, factor)
  if (l * k !== outputs || m * n !== inputs)
    throw new TrituneError('E_ADAPTER', `${path}: ${outputs} × ${inputs} cannot be split by ${factor}`, {
      remedy: 'give another decompose_factor, or −1: the nearest two divisors',
    })
  return { l, k, m, n }
}

/** PEFT's `factorization`: `factor` and the rest where it divides, otherwise the two divisors nearest to each other, the first ≤ factor. */
export function splitDimension(dimension: number, factor: number): readonly [number, number] {
  if (factor > 0 && dimension % factor === 0) return [factor, dimension / factor]
  const most = factor === -1 ? dimension : factor
  let [m, n] = [1, dimension]
  const length = m + n
  while (m < n) {
    let next = m + 1
    while (dimension % next !== 0) next++
    const rest = dimension / next
    if (next + rest > length || next > most) break
    ;[m, n] = [next, rest]
  }
  return m > n ? [n, m] : [m, n]
}

type Factors = Readonly<Record<string, Tensor>>

function makeFactors(
  { device }: BaseLayer,
  { l, k, m, n }: Sizes,
  { decompose_both, init_weights }: LokrOptions,
  rank: number,
  random: Random,
): Factors {
  const fresh = (rows: number, columns: number, isZero: boolean): Tensor =>
    isZero ? filled(0, [rows, columns], device) : kaiming(random, [rows, columns], device)
  const [zeroFirst, zeroSecond] = [init_weights === true, init_weights === 'lycoris']
  const isFirstWhole = !(decompose_both && rank < Math.max(l, m) / 2)
  const isSecondWhole = rank >= Math.max(k, n) / 2
  return {
    ...(isFirstWhole
      ? { lokr_w1: fresh(l, m, zeroFirst) }
      : { lokr_w1_a: fresh(l, rank, zeroFirst), lokr_w1_b: fresh(rank, m, false) }),
    ...(isSecondWhole
      ? { lokr_w2: fresh(k, n, zeroSecond) }
      : { lokr_w2_a: fresh(k, rank, false), lokr_w2_b: fresh(rank, n, zeroSecond) }),
  }
}

/** (rows, c, width) → (rows, a, width): W (a, c) along the middle axis. */
function mixed(x: Tensor, weight: Tensor): Tensor {
  return transpose(linear(transpose(x), weight))
}
