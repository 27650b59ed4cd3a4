/**
 * VeRA (Kopiczko et al. 2023, arXiv 2310.11454): two random matrices for all layers, and two trained vectors for each.
 *
 *   y = x·Wᵀ + b + λb ∘ (B·(λd ∘ (A·drop(x))))      A (r, max in), B (max out, r) frozen; λd (r) d_initial, λb (out) 0 at the start
 *
 * A layer takes the first columns of A and the first rows of B. The change is fused with the layer as a LoRA of A and λb ∘ B ∘ λd: A as it
 * is, so there is no gradient of it to compute. Both come from PEFT's random numbers, so that a file without them is the same adapter.
 */
import {
  type Adapter,
  add,
  baseForward,
  type BaseLayer,
  cast,
  currentNoise,
  decimal,
  defineOptions,
  dropout,
  type FloatDType,
  flag,
  integer,
  linear,
  matmul,
  mul,
  optional,
  reshape,
  type SharedAdapterDefinition,
  siteOf,
  slice,
  sub,
  type Tensor,
  tensor,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import { NO_BIAS, NO_MODULES, peftFields } from '../delta/fields.ts'
import { folded } from '../delta/fold.ts'
import { filled, lasting } from '../delta/leaves.ts'
import { torchUniform } from '../delta/mersenne.ts'

// ---- definition -------------------------------------------------------------------------------------------------

/** Options of a VeRA, in PEFT's names. */
export interface VeraOptions {
  readonly r: number
  /** Seed of A and B. */
  readonly projection_prng_key: number
  /** A and B are in the file; without them whoever reads it draws them again. */
  readonly save_projection: boolean
  readonly vera_dropout: number
  /** λd at the start. */
  readonly d_initial: number
  /** false: λd and λb are 1, so that it does something from the start. */
  readonly init_weights: boolean
}

const options: ValidatableConfig<VeraOptions> = defineOptions<VeraOptions>({
  r: optional(integer({ min: 1 }), 256),
  projection_prng_key: optional(integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), 0),
  save_projection: optional(flag(), true),
  vera_dropout: optional(decimal({ min: 0, below: 1 }), 0),
  d_initial: optional(decimal(), 0.1),
  init_weights: optional(flag(), true),
})

/** The definition for plugins, YAML and `attachAdapter`. */
export const vera: SharedAdapterDefinition<VeraOptions> = {
  name: 'vera',
  options,
  kinds: ['linear', 'head'],
  peft: peftFields<VeraOptions>({
    type: 'VERA',
    options,
    names: ['r', 'projection_prng_key', 'save_projection', 'vera_dropout', 'd_initial', 'init_weights'],
    fixed: { bias: NO_BIAS, modules_to_save: NO_MODULES },
    lacks: ['exclude_modules'],
    derived: (_, { layers }) => ({ fan_in_fan_out: layers.some(({ transposed }) => transposed) }),
  }),
  createShared(layers, own) {
    const { r, projection_prng_key: key, save_projection, d_initial, init_weights } = own
    const [{ device }] = layers
    const most = (sizes: readonly number[]): number => sizes.reduce((a, b) => Math.max(a, b), 0)
    const [maxIn, maxOut] = [most(layers.map((one) => one.inputs)), most(layers.map((one) => one.outputs))]
    const draw = torchUniform(key)
    /** kaiming_uniform of torch: ±√6/√columns. */
    const random = (rows: number, columns: number): Tensor => {
      const bound = (Math.sqrt(3) * Math.SQRT2) / Math.sqrt(columns)
      return lasting(tensor(draw(rows * columns, -bound, bound), { shape: [rows, columns], device }))
    }
    const a = random(r, maxIn)
    const b = random(maxOut, r)
    return {
      adapters: layers.map((layer) =>
        adapterOf(layer, own, {
          a,
          b,
          d: filled(init_weights ? d_initial : 1, [r], device),
          e: filled(init_weights ? 0 : 1, [layer.outputs], device),
        }),
      ),
      parameters: (): Readonly<Record<string, Tensor>> => (save_projection ? { vera_A: a, vera_B: b } : {}),
      [Symbol.dispose]() {
        a.dispose()
        b.dispose()
      },
    }
  },
}

// ---- layer ------------------------------------------------------------------------------------------------------

interface Parts {
  readonly a: Tensor
  readonly b: Tensor
  /** λd */
  readonly d: Tensor
  /** λb */
  readonly e: Tensor
}

function adapterOf(
  { path, inputs, outputs }: BaseLayer,
  { vera_dropout }: VeraOptions,
  { a, b, d, e }: Parts,
): Adapter {
  const site = siteOf(path)
  const down = (): Tensor => (a.shape[1] === inputs ? a : slice(a, { axis: 1, end: inputs }))
  const up = (): Tensor => mul(mul(slice(b, { end: outputs }), d), reshape(e, [outputs, 1]))
  const chance = (): number => (currentNoise() ? vera_dropout : 0)
  return {
    kind: 'vera',
    forward: (x, base) =>
      baseForward(base, x, { lora: { a: down(), b: up(), scale: 1, dropout: chance(), site } }),
    delta(x) {
      const dtype = x.dtype as FloatDType
      const seen = currentNoise() ? dropout(x, { p: vera_dropout, site }) : x
      return linear(linear(seen, cast(down(), dtype)), cast(up(), dtype))
    },
    parameters: () => ({ vera_lambda_b: e, vera_lambda_d: d }),
    merge: (weight) => folded(weight, (wide) => add(wide, matmul(up(), down()))),
    unmerge: (weight) => folded(weight, (wide) => sub(wide, matmul(up(), down()))),
    [Symbol.dispose]() {
      d.dispose()
      e.dispose()
    },
  }
}
