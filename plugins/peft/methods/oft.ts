/**
 * OFT (Qiu et al. 2023, arXiv 2306.07280; with Cayley–Neumann rotations Qiu et al. 2025, arXiv 2506.19847).
 *
 *   y = (x·diag(R₁, …, R_r))·Wᵀ + b      Rᵢ (b, b) orthogonal, made from b(b−1)/2 numbers each
 *
 * The input turns, block by block, and the layer stays what it is: packed weights work as they are. No (in, in) rotation is made.
 */
import {
  type Adapter,
  add,
  affine,
  baseForward,
  type BaseLayer,
  createRandom,
  currentNoise,
  decimal,
  defineConfig,
  flag,
  integer,
  type LayerAdapterDefinition,
  minimum,
  mul,
  noGrad,
  nullable,
  optional,
  parameter,
  type PeftFormat,
  reciprocal,
  reshape,
  scoped,
  siteOf,
  sqrt,
  square,
  sum,
  type Tensor,
  tensor,
  transpose,
  TrituneError,
  type ValidatableConfig,
  zeros,
} from '../../../core/mod.ts'
import { copyElements } from '../../../core/tensor/tensor-bytes.ts'
import * as v from 'valibot'
import { NO_BIAS, NO_MODULES, peftFields } from '../delta/fields.ts'
import { folded } from '../delta/fold.ts'
import { lasting } from '../delta/leaves.ts'
import { blockMask } from '../rotation/block-dropout.ts'
import { neighbours, turnBlocks } from '../rotation/blocks.ts'
import { cayleyChange, neumannChange, neumannRotation, USUAL_TERMS } from '../rotation/cayley.ts'
import { identity } from '../rotation/constants.ts'
import { invertBlocks } from '../rotation/inverse.ts'
import { createSkewMaker } from '../rotation/skew.ts'
import { blocksInOne, joinBlocks } from '../rotation/wide-blocks.ts'
import { drawn } from '../drawn.ts'

// ---- definition -------------------------------------------------------------------------------------------------

/** Options of OFT, as PEFT's `OFTConfig` names them. */
export interface OftOptions {
  /** How many blocks; 0: as `oft_block_size` says. */
  readonly r: number
  /** Numbers in a block; default: 32, or where `r` is given as that says. What does not divide the inputs goes to the nearest that does. */
  readonly oft_block_size: number | null
  /** Share of the blocks that do not turn in a training step. */
  readonly module_dropout: number
  /** false: a random rotation (for tests). */
  readonly init_weights: boolean
  /** Keeps every rotation within `eps` of none. */
  readonly coft: boolean
  readonly eps: number
  /** One rotation for all blocks. */
  readonly block_share: boolean
  /** A short series instead of the inverse. */
  readonly use_cayley_neumann: boolean
  readonly num_cayley_neumann_terms: number
}

const oftOptions: ValidatableConfig<OftOptions> = defineConfig<OftOptions>(
  v.strictObject(
    {
      r: optional(integer({ min: 0 }), 0),
      oft_block_size: nullable(integer({ min: 0 })),
      module_dropout: optional(decimal({ min: 0, below: 1 }), 0),
      init_weights: optional(flag(), true),
      coft: optional(flag(), false),
      eps: optional(decimal({ above: 0 }), 6e-5),
      block_share: optional(flag(), false),
      use_cayley_neumann: optional(flag(), true),
      num_cayley_neumann_terms: optional(integer({ min: 1 }), USUAL_TERMS),
    },
    'expected a mapping',
  ),
  [
    ({ r, oft_block_size: size }) =>
      (r === 0 && size === 0) || (r !== 0 && size !== null && size !== 0)
        ? {
            path: ['oft_block_size'],
            what: `r is ${r} and oft_block_size is ${size}: one of them says how large blocks are, the other is 0`,
          }
        : undefined,
  ],
)

/** The definition for plugins and YAML. */
export const oft: LayerAdapterDefinition<OftOptions> = {
  name: 'oft',
  options: oftOptions,
  kinds: ['linear', 'head'],
  peft: oftFormat(),
  create: createOft,
}

// ---- layer ------------------------------------------------------------------------------------------------------

/** An OFT adapter of one layer. */
export interface OftAdapter extends Adapter {
  readonly kind: 'oft'
  /** (blocks, b(b−1)/2) f32; one row where the blocks share it. */
  readonly angles: Tensor
  merge(weight: Tensor): Tensor
  unmerge(weight: Tensor): Tensor
}

/** An OFT for one layer. */
export function createOft(
  layer: BaseLayer,
  options: OftOptions,
  { seed }: { readonly seed: number },
): OftAdapter {
  const { path, inputs, device } = layer
  const { block_share: isShared, module_dropout: dropout, init_weights: isPlain } = options
  const size = sizeOf(inputs, options)
  const blocks = inputs / size
  const rows = isShared ? 1 : blocks
  const shape = [rows, (size * (size - 1)) / 2]
  const random = createRandom(seed, siteOf(path))
  const start = drawn(rows * shape[1], () => 0.1 * random.normal())
  const angles = parameter(lasting(isPlain ? zeros(shape, { device }) : tensor(start, { shape, device })))
  const skew = createSkewMaker(size, device)
  const many = blocksInOne(blocks, size)

  const limited = (): Tensor => (options.coft ? limit(angles, options.eps) : angles)
  /** R − I of each block. */
  const changeOf = (numbers: Tensor): Tensor => {
    const q = skew.make(numbers)
    return options.use_cayley_neumann ? neumannChange(q, options.num_cayley_neumann_terms) : cayleyChange(q)
  }
  /** The numbers as the layer uses them now: as PEFT does, training goes on from the limit. */
  const settled = (): Tensor => {
    if (options.coft) {
      using within = noGrad(() => scoped(limited))
      copyElements(angles, within)
    }
    return angles
  }
  /** 0 for blocks that do not turn in this step; null: all do. */
  const blockFactors = (): Tensor | null => {
    const noise = currentNoise()
    if (!noise || dropout === 0 || isShared) return null
    const mask = blockMask(noise, { blocks, p: dropout, site: path })
    return tensor(mask, { shape: [blocks, 1, 1], device })
  }
  /** R − I as the layer uses it now. */
  const change = (): Tensor => {
    const whole = changeOf(settled())
    const factors = blockFactors()
    return factors ? mul(whole, factors) : whole
  }
  const rotation = (): Tensor =>
    options.use_cayley_neumann && options.num_cayley_neumann_terms === USUAL_TERMS && !blockFactors()
      ? neumannRotation(skew.make(settled()))
      : add(change(), identity(size, device))
  const turn = (x: Tensor, matrices: Tensor): Tensor => {
    if (matrices.shape[0] > 1 || blocks === 1)
      return turnBlocks(x, joinBlocks(matrices, many), neighbours(inputs, many * size))
    // Rows whose blocks all turn alike are as many rows of one block.
    const flat = reshape(x, [-1, many * size])
    return reshape(
      turnBlocks(flat, joinBlocks(matrices, many), neighbours(many * size, many * size)),
      x.shape,
    )
  }
  const turned = (weight: Tensor, matricesOf: (rotation: Tensor) => Tensor): Tensor =>
    folded(weight, (wide) => turn(wide, matricesOf(add(changeOf(limited()), identity(size, device)))))
  return {
    kind: 'oft',
    angles,
    forward: (x, base) => baseForward(base, turn(x, rotation())),
    delta: (x, base) => baseForward({ ...base, bias: null }, turn(x, change())),
    parameters: () => ({ 'oft_R.weight': angles }),
    merge: (weight) => turned(weight, transpose),
    // The series is not quite orthogonal, so its transpose would not take it back.
    unmerge: (weight) =>
      turned(
        weight,
        options.use_cayley_neumann ? (rotation) => transpose(invertBlocks(rotation)) : (rotation) => rotation,
      ),
    [Symbol.dispose]() {
      angles.dispose()
      skew[Symbol.dispose]()
    },
  }
}

// ---- format -----------------------------------------------------------------------------------------------------

function oftFormat(): PeftFormat<OftOptions> {
  const format = peftFields<OftOptions>({
    type: 'OFT',
    options: oftOptions,
    names: [
      'r',
      'oft_block_size',
      'module_dropout',
      'init_weights',
      'coft',
      'eps',
      'block_share',
      'use_cayley_neumann',
      'num_cayley_neumann_terms',
    ],
    fixed: { bias: NO_BIAS, modules_to_save: NO_MODULES },
    derived: (options, { layers }) => ({
      oft_block_size: blockSizeOf(options),
      fan_in_fan_out: layers.some(({ transposed }) => transposed),
    }),
  })
  return {
    ...format,
    read(fields, path) {
      if (!('oft_block_size' in fields))
        throw new TrituneError(
          'E_UNSUPPORTED',
          'an OFT of PEFT before 0.14 is another method: oft_block_size is missing',
          { remedy: 'train it again with PEFT 0.14 or later' },
        )
      return format.read(fields, path)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function blockSizeOf({ r, oft_block_size: size }: OftOptions): number {
  return size ?? (r === 0 ? 32 : 0)
}

/** Numbers in a block. PEFT takes the nearest size, or count, that divides the inputs. */
function sizeOf(inputs: number, options: OftOptions): number {
  const size = blockSizeOf(options)
  return size === 0 ? inputs / nearestDivisor(inputs, options.r) : nearestDivisor(inputs, size)
}

/** The smaller of two that are equally near. */
function nearestDivisor(inputs: number, wanted: number): number {
  if (wanted >= inputs) return inputs
  for (let away = 0; ; away++) {
    if (wanted - away >= 1 && inputs % (wanted - away) === 0) return wanted - away
    if (inputs % (wanted + away) === 0) return wanted + away
  }
}

/** Each row of angles with ‖Q‖ ≤ eps/√rows: the norm of the whole block, which has every number twice. */
function limit(angles: Tensor, eps: number): Tensor {
  const most = eps / Math.sqrt(angles.shape[0])
  const norms = affine(sqrt(sum(square(angles), { axis: 1, keepDims: true })), {
    scale: Math.SQRT2,
    shift: 1e-30,
  })
  return mul(angles, minimum(affine(reciprocal(norms), { scale: most }), 1))
}
