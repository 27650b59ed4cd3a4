/**
 * BOFT (Liu et al. 2023, arXiv 2311.06243): orthogonal fine-tuning whose rotation is a butterfly of small blocks.
 *
 *   y = s ∘ ((x·B_{m−1}·…·B₀)·Wᵀ) + b      Bᵢ blocks of b numbers, each (I − Q)(I + Q)⁻¹ with Q = (R − Rᵀ)/2; s (out) ones at the start
 *
 * The input turns, stage by stage, and the layer stays what it is: packed weights work as they are. No (in, in) rotation is made.
 */
import {
  type Adapter,
  add,
  affine,
  baseForward,
  type BaseLayer,
  cast,
  createRandom,
  currentNoise,
  decimal,
  defineConfig,
  flag,
  type FloatDType,
  integer,
  type LayerAdapterDefinition,
  mul,
  type NoiseStream,
  nullable,
  optional,
  parameter,
  reciprocal,
  reshape,
  siteOf,
  sub,
  type Tensor,
  tensor,
  transpose,
  TrituneError,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import * as v from 'valibot'
import { NO_BIAS, NO_MODULES, peftFields } from '../delta/fields.ts'
import { folded } from '../delta/fold.ts'
import { lasting } from '../delta/leaves.ts'
import { blockMask } from '../rotation/block-dropout.ts'
import { turnButterfly, turnButterflyBack } from '../rotation/butterfly.ts'
import { cayleyChange } from '../rotation/cayley.ts'
import { identity } from '../rotation/constants.ts'

// ---- definition -------------------------------------------------------------------------------------------------

/** Options of BOFT, as PEFT's `BOFTConfig` names them. */
export interface BoftOptions {
  /** Numbers in a block; default: 4, or where `boft_block_num` is given as that says. It must divide the inputs of every layer. */
  readonly boft_block_size: number | null
  /** How many blocks; 0: as `boft_block_size` says. */
  readonly boft_block_num: number
  /** Stages of the butterfly: with each one, twice as many numbers mix. */
  readonly boft_n_butterfly_factor: number
  /** Share of the blocks of one stage that do not turn in a training step. */
  readonly boft_dropout: number
  /** false: a random rotation and scale (for tests). */
  readonly init_weights: boolean
}

const boftOptions: ValidatableConfig<BoftOptions> = defineConfig<BoftOptions>(
  v.strictObject(
    {
      boft_block_size: nullable(integer({ min: 0 })),
      boft_block_num: optional(integer({ min: 0 }), 0),
      boft_n_butterfly_factor: optional(integer({ min: 1 }), 1),
      boft_dropout: optional(decimal({ min: 0, below: 1 }), 0),
      init_weights: optional(flag(), true),
    },
    'expected a mapping',
  ),
  [
    ({ boft_block_size: size, boft_block_num: count }) =>
      (count === 0 && size === 0) || (count !== 0 && size !== null && size !== 0)
        ? {
            path: ['boft_block_size'],
            what: `it is ${size} and boft_block_num is ${count}: one of them says how large blocks are, the other is 0`,
          }
        : undefined,
  ],
)

/** The definition for plugins and YAML. */
export const boft: LayerAdapterDefinition<BoftOptions> = {
  name: 'boft',
  options: boftOptions,
  kinds: ['linear', 'head'],
  peft: peftFields<BoftOptions>({
    type: 'BOFT',
    options: boftOptions,
    names: ['boft_block_size', 'boft_block_num', 'boft_n_butterfly_factor', 'boft_dropout', 'init_weights'],
    fixed: { bias: NO_BIAS, modules_to_save: NO_MODULES },
    derived: (options, { layers }) => ({
      boft_block_size: blockSizeOf(options),
      fan_in_fan_out: layers.some(({ transposed }) => transposed),
    }),
  }),
  create: createBoft,
}

// ---- layer ------------------------------------------------------------------------------------------------------

/** A BOFT adapter of one layer. */
export interface BoftAdapter extends Adapter {
  readonly kind: 'boft'
  /** (stages, blocks, b, b) f32; only R − Rᵀ counts. */
  readonly r: Tensor
  /** (out, 1) f32 */
  readonly s: Tensor
  merge(weight: Tensor): Tensor
  unmerge(weight: Tensor): Tensor
}

/** A BOFT for one layer. E_ADAPTER when the blocks or the stages do not fit its inputs. */
export function createBoft(
  layer: BaseLayer,
  options: BoftOptions,
  { seed }: { readonly seed: number },
): BoftAdapter {
  const { path, inputs, outputs, device } = layer
  const { boft_n_butterfly_factor: stages, boft_dropout: dropout, init_weights: isPlain } = options
  const size = sizeOf(layer, options)
  const blocks = inputs / size
  const random = createRandom(seed, siteOf(path))
  const leaf = (shape: readonly number[], mean: number): Tensor => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
      isPlain ? mean : mean + 0.1 * random.normal(),
    )
    return parameter(lasting(tensor(values, { shape, device })))
  }
  const r = leaf([stages, blocks, size, size], 0)
  const s = leaf([outputs, 1], 1)

  /** The rotation of every block. */
  const factors = (): Tensor => {
    const all = reshape(r, [stages * blocks, size, size])
    let change = cayleyChange(affine(sub(all, transpose(all)), { scale: 0.5 }))
    const noise = currentNoise()
    if (noise && dropout > 0) change = mul(change, stageMask(noise))
    return reshape(add(change, identity(size, device)), [stages, blocks, size, size])
  }
  /** As in PEFT, one stage loses blocks. */
  const stageMask = (noise: NoiseStream): Tensor => {
    const site = path
    const chosen = createRandom(noise.seed, `stage/${site}/${noise.step}`).int(stages)
    const all = new Float32Array(stages * blocks).fill(1)
    all.set(blockMask(noise, { blocks, p: dropout, site }), chosen * blocks)
    return tensor(all, { shape: [stages * blocks, 1, 1], device })
  }
  return {
    kind: 'boft',
    r,
    s,
    forward(x, base) {
      const dtype = x.dtype as FloatDType
      const y = baseForward({ ...base, bias: null }, turnButterfly(x, factors()))
      const scaled = mul(y, cast(reshape(s, [outputs]), dtype))
      return base.bias ? add(scaled, base.bias) : scaled
    },
    // s∘((x·B − x)·Wᵀ) + (s − 1)∘(x·Wᵀ), differences taken in f32
    delta(x, base) {
      const dtype = x.dtype as FloatDType
      const scale = reshape(s, [outputs])
      const alone = { ...base, bias: null }
      const wide = cast(x, 'f32')
      const turned = baseForward(alone, cast(sub(turnButterfly(wide, factors()), wide), dtype))
      return add(mul(turned, cast(scale, dtype)), mul(baseForward(alone, x), cast(sub(scale, 1), dtype)))
    },
    parameters: () => ({ boft_R: r, boft_s: s }),
    merge: (weight) => folded(weight, (wide) => mul(turnButterflyBack(wide, factors()), s)),
    unmerge: (weight) => folded(weight, (wide) => mul(turnButterfly(wide, factors()), reciprocal(s))),
    [Symbol.dispose]() {
      r.dispose()
      s.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function blockSizeOf({ boft_block_size: size, boft_block_num: count }: BoftOptions): number {
  return size ?? (count === 0 ? 4 : 0)
}

/** Numbers in a block, if that and the stages fit: the rules of PEFT. */
function sizeOf({ path, inputs }: BaseLayer, options: BoftOptions): number {
  const { boft_block_num: count, boft_n_butterfly_factor: stages } = options
  const given = blockSizeOf(options)
  const [key, value] = given === 0 ? ['boft_block_num', count] : ['boft_block_size', given]
  const refuse = (what: string, remedy: string): never => {
    throw new TrituneError('E_ADAPTER', `${path}: ${what}`, { remedy })
  }
  if (inputs % value !== 0)
    refuse(`${key} ${value} does not divide its ${inputs} inputs`, `take a divisor of ${inputs}`)
  const size = given === 0 ? inputs / count : given
  const group = size * 2 ** (stages - 1)
  if (stages > 1 && (size % 2 !== 0 || inputs % group !== 0))
    refuse(
      `${stages} stages need an even block size (${size}) and a multiple of ${group} inputs (${inputs})`,
      'lower boft_n_butterfly_factor, or take smaller blocks',
    )
  return size
}
