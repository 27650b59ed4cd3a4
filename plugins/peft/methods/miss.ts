/**
 * MiSS, shards of a weight that share one matrix (Kang and Yin 2024, arXiv 2409.15371; PEFT's MISS, once Bone).
 *
 *   balance (true)   y = x·Wᵀ + b + (Σᵢ xᵢ)·M            x in shards xᵢ of r inputs (the last one filled up with 0), M (r, out) 0 at the start
 *   mini             the same with M (r, mini_r), repeated along the outputs
 *   bat              each r outputs o have an Mₒ (r, r): W'ₒᵢ = Wₒᵢ + Wₒᵢ·Mₒ + Mₒ for each shard i
 *
 * Balance and mini add up the shards first: one thin product, no matrix as large as W. Bat needs one, made anew when it is used.
 */
import {
  type Adapter,
  add,
  baseForward,
  type BaseLayer,
  cast,
  concat,
  createRandom,
  currentNoise,
  decimal,
  defineOptions,
  denseWeight,
  dropout,
  expand,
  type FloatDType,
  flag,
  integer,
  type LayerAdapterDefinition,
  matmul,
  optional,
  permute,
  reshape,
  siteOf,
  slice,
  sub,
  sum,
  type Tensor,
  TrituneError,
  type ValidatableConfig,
  zeros,
} from '../../../core/mod.ts'
import * as v from 'valibot'
import { denseChange, throughDense } from '../delta/dense.ts'
import { NO_BIAS, NO_MODULES, peftFields } from '../delta/fields.ts'
import { folded } from '../delta/fold.ts'
import { invert } from '../delta/invert.ts'
import { filled, kaiming } from '../delta/leaves.ts'

// ---- definition -------------------------------------------------------------------------------------------------

/** Options of a MiSS, in PEFT's names. */
export interface MissOptions {
  /** Inputs in a shard. */
  readonly r: number
  /** Columns of M with `init_weights: mini`. */
  readonly mini_r: number
  readonly miss_dropout: number
  /** true: balance; bat, mini: the other two; false: balance with a random M, so that it does something from the start. */
  readonly init_weights: boolean | 'bat' | 'mini'
}

const options: ValidatableConfig<MissOptions> = defineOptions<MissOptions>({
  r: optional(integer({ min: 1 }), 64),
  mini_r: optional(integer({ min: 1 }), 1),
  miss_dropout: optional(decimal({ min: 0, below: 1 }), 0),
  init_weights: optional(
    v.union([v.picklist(['bat', 'mini']), flag()], 'expected true, false, bat or mini'),
    true,
  ),
})

/** The definition for plugins, YAML and `attachAdapter`. */
export const miss: LayerAdapterDefinition<MissOptions> = {
  name: 'miss',
  options,
  kinds: ['linear', 'head'],
  peft: peftFields<MissOptions>({
    type: 'MISS',
    options,
    names: ['r', 'mini_r', 'miss_dropout', 'init_weights'],
    fixed: { bias: NO_BIAS, modules_to_save: NO_MODULES },
  }),
  create(layer, own, { seed }) {
    const { path, inputs } = layer
    if (own.r > inputs)
      throw new TrituneError('E_ADAPTER', `${path}: r ${own.r} is larger than the ${inputs} inputs`, {
        remedy: 'lower r',
      })
    return own.init_weights === 'bat' ? createBat(layer, own) : createBalance(layer, own, seed)
  },
}

// ---- layer: balance and mini ------------------------------------------------------------------------------------

function createBalance(
  { path, inputs, outputs, device }: BaseLayer,
  { r, mini_r, miss_dropout, init_weights }: MissOptions,
  seed: number,
): Adapter {
  const columns = init_weights === 'mini' ? mini_r : outputs
  if (outputs % columns !== 0)
    throw new TrituneError('E_ADAPTER', `${path}: mini_r ${mini_r} does not divide the ${outputs} outputs`, {
      remedy: `give a mini_r that divides the outputs of all targets, or target fewer`,
    })
  const site = siteOf(path)
  const block =
    init_weights === false
      ? kaiming(createRandom(seed, site), [r, columns], device)
      : filled(0, [r, columns], device)
  const shards = Math.ceil(inputs / r)

  /** (…, out); of mini (…, out/mini_r, mini_r), broadcast. */
  const product = (x: Tensor): Tensor => {
    const seen = currentNoise() ? dropout(x, { p: miss_dropout, site }) : x
    return matmul(shardSum(seen, r), cast(block, x.dtype as FloatDType))
  }
  /** y in groups of mini_r outputs, each with the same change. */
  const added = (y: Tensor, change: Tensor): Tensor =>
    columns === outputs
      ? add(y, change)
      : reshape(
          add(
            reshape(y, [y.size / outputs, outputs / columns, columns]),
            reshape(change, [y.size / outputs, 1, columns]),
          ),
          y.shape,
        )
  const whole = (): Tensor => {
    const once = transpose2(repeatColumns(block, outputs))
    const all = reshape(expand(reshape(once, [outputs, 1, r]), [outputs, shards, r]), [outputs, shards * r])
    return shards * r === inputs ? all : slice(all, { axis: 1, end: inputs })
  }
  return {
    kind: 'miss',
    forward: (x, base) => added(baseForward(base, x), product(x)),
    delta: (x) => repeatColumns(product(x), outputs),
    parameters: () => ({ miss_block: block }),
    merge: (weight) => folded(weight, (wide) => add(wide, whole())),
    unmerge: (weight) => folded(weight, (wide) => sub(wide, whole())),
    [Symbol.dispose]: () => block.dispose(),
  }
}

// ---- layer: bat -------------------------------------------------------------------------------------------------

function createBat({ path, inputs, outputs, device }: BaseLayer, { r }: MissOptions): Adapter {
  if (inputs % r !== 0 || outputs % r !== 0)
    throw new TrituneError('E_ADAPTER', `${path}: r ${r} does not divide the layer (${outputs}, ${inputs})`, {
      remedy: 'init_weights: bat needs an r that divides inputs and outputs of every target',
    })
  const [high, wide] = [outputs / r, inputs / r]
  const block = filled(0, [high, r, r], device)
  /** (out, in) ↔ (out/r, (r·in/r), r): rows of one Mₒ together. */
  const grouped = (weight: Tensor): Tensor => reshape(weight, [high, r * wide, r])
  const flat = (weight: Tensor): Tensor => reshape(weight, [outputs, inputs])
  /** Mₒ for each shard, (out/r, r·in/r, r) */
  const tiled = (): Tensor =>
    reshape(expand(reshape(block, [high, r, 1, r]), [high, r, wide, r]), [high, r * wide, r])
  const change = (weight: Tensor): Tensor => flat(add(matmul(grouped(weight), block), tiled()))
  return {
    kind: 'miss',
    forward: (x, base) => throughDense(x, base, () => change(wideWeight(base))),
    delta: (x, base) => denseChange(x, () => change(wideWeight(base))),
    parameters: () => ({ miss_block: block }),
    merge: (weight) => folded(weight, (own) => add(own, change(own))),
    unmerge: (weight) =>
      folded(weight, (own) =>
        flat(matmul(sub(grouped(own), tiled()), invert(block, { plusIdentity: true }))),
      ),
    [Symbol.dispose]: () => block.dispose(),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function wideWeight(base: BaseLayer): Tensor {
  return cast(denseWeight(base), 'f32')
}

/** (…, in) → (…, r): shards of r added up, the last one filled up with 0. */
function shardSum(x: Tensor, r: number): Tensor {
  const inputs = x.shape.at(-1) ?? 0
  const lead = x.shape.slice(0, -1)
  const missing = (r - (inputs % r)) % r
  const filledUp =
    missing === 0
      ? x
      : concat([x, zeros([...lead, missing], { dtype: x.dtype, device: x.device })], { axis: -1 })
  return sum(reshape(filledUp, [...lead, (inputs + missing) / r, r]), { axis: -2 })
}

/** (…, n) → (…, width): the columns again and again. */
function repeatColumns(x: Tensor, width: number): Tensor {
  const columns = x.shape.at(-1) ?? 0
  if (columns === width) return x
  const lead = x.shape.slice(0, -1)
  return reshape(expand(reshape(x, [...lead, 1, columns]), [...lead, width / columns, columns]), [
    ...lead,
    width,
  ])
}

function transpose2(x: Tensor): Tensor {
  return permute(x, [1, 0])
}
