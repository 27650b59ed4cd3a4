/**
 * SOAP (Vyas et al. 2024, arXiv 2409.11321), as its authors' code computes it: Adam in the eigenbases of Shampoo's preconditioner.
 *
 *   L ← βₛL + (1 − βₛ)·G·Gᵀ     R ← βₛR + (1 − βₛ)·Gᵀ·G     Q of each: its eigenvectors, made anew every few steps
 *   w ← w − rate·Q_L·Adam(Q_Lᵀ·G·Q_R)·Q_Rᵀ
 *
 * Of a long matrix, such as a factor of LoRA, only the short side has a basis: (r, r) numbers, and O(n·r²) work. A parameter of more than
 * two axes is a stack of matrices. Vectors, and matrices with no side that is short enough, get AdamW.
 */
import {
  adamw,
  decimal,
  defineOptions,
  flag,
  type GradientTransform,
  integer,
  jsonField,
  oneOf,
  optional,
  type Shape,
  type Tensor,
  type TransformDefinition,
  TrituneError,
} from '../../core/mod.ts'
import type { WeightDecay } from './elementwise.ts'
import { type Block, type BlockOptions, openBlock, type Side } from './soap-block.ts'

/** `auto`: of a matrix that is at least 8 times as long as wide the shorter side, of others both. */
export type SoapSides = 'auto' | 'smaller' | 'both'

/** Options of `soap()`; defaults as in the authors' code but for `maxPrecondDim`, which is 10000 there. */
export interface SoapOptions extends WeightDecay {
  /** Default: 0.95, both. */
  readonly beta1?: number
  readonly beta2?: number
  /** Of the Gram matrices; default: 0.95. */
  readonly shampooBeta?: number
  readonly eps?: number
  /** The bases are made anew every so many steps; default: 10. */
  readonly preconditionFrequency?: number
  /** A longer side has no basis; default: 256. Bases are found on the host, in O(n³). */
  readonly maxPrecondDim?: number
  readonly sides?: SoapSides
  readonly correctBias?: boolean
}

/**
 * SOAP as the last link of a chain. Its state is two moments for each element, and two (s, s) matrices for each side of s rows that has a
 * basis. Throws E_VALUE where no parameter has such a side: it would be AdamW.
 *
 * @example
 * ```ts
 * import { parameter, tensor, tensorScope } from 'tritune/core'
 * import { soap } from 'tritune/plugins/optim'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([1, 2, 3, 4], { shape: [2, 2] }))
 * w.grad = tensor([3, 0, 0, 1], { shape: [2, 2] })
 * using optimizer = soap().init(new Map([['w', w]]))
 * // The first gradient gives the bases and moves nothing.
 * for (let step = 1; step <= 2; step++) optimizer.apply({ step, learningRate: 0.1, gradScale: 1, metrics: {} })
 * console.log([...w.toArray()].map((x) => x.toFixed(2)).join(' ')) // → 0.90 2.00 3.00 3.90
 * ```
 */
export function soap(options: SoapOptions = {}): GradientTransform {
  return soapOf(options, { isPart: false })
}

/** Options of `optimizer: soap` in a run's file: the `adam_*` keys, and `optim_args` with the names of the authors' code. */
export interface SoapFields {
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly shampoo_beta: number
  readonly precondition_frequency: number
  readonly max_precond_dim: number
  readonly sides: SoapSides
  readonly correct_bias: boolean
}

export const soapDefinition: TransformDefinition<SoapFields> = {
  name: 'soap',
  divides: 'tensors',
  options: defineOptions({
    beta1: optional(decimal({ min: 0, below: 1 }), 0.95),
    beta2: optional(decimal({ min: 0, below: 1 }), 0.95),
    eps: optional(decimal({ above: 0 }), 1e-8),
    shampoo_beta: optional(decimal({ min: 0, below: 1 }), 0.95),
    precondition_frequency: optional(integer({ min: 1 }), 10),
    max_precond_dim: optional(integer({ min: 1 }), 256),
    sides: optional(oneOf(['auto', 'smaller', 'both']), 'auto'),
    correct_bias: optional(flag(), true),
  }),
  create: ({ beta1, beta2, eps, sides, ...fields }, { weightDecay, decays, sizeOf }) =>
    soapOf(
      {
        beta1,
        beta2,
        eps,
        sides,
        shampooBeta: fields.shampoo_beta,
        preconditionFrequency: fields.precondition_frequency,
        maxPrecondDim: fields.max_precond_dim,
        correctBias: fields.correct_bias,
        weightDecay,
        decays,
      },
      { isPart: sizeOf !== undefined },
    ),
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** `isPart`: of what a run trains; other processes have the rest, and this one may have no matrix. */
function soapOf(options: SoapOptions, { isPart }: { readonly isPart: boolean }): GradientTransform {
  const { beta1 = 0.95, beta2 = 0.95, eps = 1e-8, weightDecay = 0, decays = () => true } = options
  const { maxPrecondDim = 256, sides = 'auto' } = options
  const numbers: BlockOptions = {
    beta1,
    beta2,
    eps,
    weightDecay,
    decays,
    shampooBeta: options.shampooBeta ?? 0.95,
    preconditionFrequency: options.preconditionFrequency ?? 10,
    correctBias: options.correctBias ?? true,
  }
  return {
    name: 'soap',
    init(parameters) {
      const others = new Map<string, Tensor>()
      const alike = new Map<string, Alike>()
      for (const [name, weight] of parameters) {
        const found = sidesOf(weight.shape, maxPrecondDim, sides)
        if (found.length === 0) {
          others.set(name, weight)
          continue
        }
        const key = `${weight.shape.slice(-2).join(' ')} ${weight.device.name}`
        const group = alike.get(key) ?? { sides: found, members: [] }
        group.members.push({ name, weight })
        alike.set(key, group)
      }
      if (alike.size === 0 && parameters.size > 0 && !isPart)
        throw new TrituneError(
          'E_VALUE',
          `soap: nothing that is trained is a matrix with a side of at most ${maxPrecondDim}: this would be AdamW`,
          { remedy: 'raise max_precond_dim, or take optimizer: adamw_torch_fused' },
        )
      const blocks = [...alike.values()].flatMap(blocksOf(numbers))
      const rest = adamw({ beta1, beta2, eps, weightDecay, decays }).init(others)
      return {
        apply(step) {
          for (const block of blocks) block.apply(step)
          rest.apply(step)
        },
        tensors: () => new Map([...blocks.flatMap((block) => [...block.tensors()]), ...rest.tensors()]),
        saveState: () => Object.fromEntries(blocks.flatMap(({ steps }) => [...steps])),
        loadState(saved) {
          for (const { steps } of blocks)
            for (const name of steps.keys()) {
              const value = jsonField(saved, name)
              if (typeof value !== 'number')
                throw new TrituneError('E_RESUME', `the state of soap has no number of steps for "${name}"`)
              steps.set(name, value)
            }
        },
        [Symbol.dispose]() {
          for (const block of blocks) block[Symbol.dispose]()
          rest[Symbol.dispose]()
        },
      }
    },
  }
}

interface Alike {
  readonly sides: readonly Side[]
  readonly members: { readonly name: string; readonly weight: Tensor }[]
}

/** A matrix so many times as long as wide says more about its short side in each step than about the long one in the run. */
const LONG = 8

/** Which sides of a (…, rows, columns) parameter have a basis. */
function sidesOf(shape: Shape, most: number, asked: SoapSides): Side[] {
  if (shape.length < 2) return []
  const [rows, columns] = shape.slice(-2)
  const isLong = Math.max(rows, columns) >= LONG * Math.min(rows, columns)
  const smaller: Side = rows <= columns ? 'left' : 'right'
  const wanted: readonly Side[] =
    asked === 'smaller' || (asked === 'auto' && isLong) ? [smaller] : ['left', 'right']
  return wanted.filter((side) => (side === 'left' ? rows : columns) <= most)
}

/** Elements of a block: a CPU works on what its caches hold, a GPU wants much at once. */
const ELEMENTS_CPU = 2 ** 18
const ELEMENTS_GPU = 2 ** 24

/** Matrices of one shape on one device, so many in a block as fit. */
function blocksOf(options: BlockOptions): (alike: Alike) => Block[] {
  return ({ sides, members }) => {
    const [{ weight }] = members
    const [rows, columns] = weight.shape.slice(-2)
    const most = weight.device.kind === 'cuda' ? ELEMENTS_GPU : ELEMENTS_CPU
    const parts: (typeof members)[] = []
    let elements = Infinity
    for (const member of members) {
      if (elements + member.weight.size > most) {
        parts.push([])
        elements = 0
      }
      parts.at(-1)?.push(member)
      elements += member.weight.size
    }
    return parts.map((part) => openBlock(part, { rows, columns, sides }, weight.device, options))
  }
}
