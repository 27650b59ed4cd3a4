/**
 * AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), as torch.optim.AdamW computes it.
 *
 * State is f32, or 8-bit codes as bitsandbytes keeps them (Dettmers et al. 2022, arXiv 2110.02861). A bf16 weight gets
 * an f32 master copy, which is what is trained; the weight is its rounding. All parameters are one call where the device
 * has one.
 */
import { runMany } from '../tensor/op.ts'
import { ADAMW_8BIT_BLOCK, adamw8bitCall, adamw8bitOp } from '../ops/adamw-8bit.ts'
import { adamwCall, adamwOp, type AdamwParams } from '../ops/adamw.ts'
import { cast } from '../ops/cast.ts'
import { type GradientTransform, learningRateOf } from './transform.ts'
import { noGrad } from '../tensor/tape.ts'
import { type Tensor, zeros } from '../tensor/tensor.ts'

/** Options of `adamw()`; the defaults of β₁, β₂, ε are 0.9, 0.999 and 1e-8, and nothing decays. */
export interface AdamWOptions {
  readonly beta1?: number
  readonly beta2?: number
  readonly eps?: number
  /** Decoupled decay. */
  readonly weightDecay?: number
  readonly decayVectors?: boolean
  /** Which parameters decay, by name; default: all (that `decayVectors` lets). */
  readonly decays?: (name: string) => boolean
  /** Moments of 4 or of about 1 byte an element. */
  readonly states?: 'f32' | '8bit'
  /** With 8-bit states: smaller parameters keep f32 ones, as in bitsandbytes. */
  readonly smallest8bit?: number
  /** Elements of a parameter of which a part is given; default: all are. */
  readonly sizeOf?: ((name: string) => number | undefined) | undefined
}

interface Moments {
  readonly kind: 'f32'
  readonly m: Tensor
  readonly v: Tensor
  readonly master: Tensor | null
}

interface Moments8bit {
  readonly kind: '8bit'
  readonly m8: Tensor
  readonly v8: Tensor
  readonly mAbsmax: Tensor
  readonly vAbsmax: Tensor
  readonly master: Tensor | null
}

/**
 * AdamW as the last link of a chain: moves the weights by their gradients (arXiv 1711.05101, as torch.optim.AdamW;
 * 8-bit states as bitsandbytes, arXiv 2110.02861). Its state is two moments for each element, and an f32 master copy
 * of bf16 weights.
 *
 * @example
 * ```ts
 * import { adamw, backward, mul, parameter, sum, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([1]))
 * using optimizer = adamw({ weightDecay: 0.01 }).init(new Map([['w', w]]))
 * backward(sum(mul(w, w)))
 * optimizer.apply({ step: 1, learningRate: 0.1, gradScale: 1, metrics: {} })
 * console.log(w.item() < 1) // → true
 * ```
 */
export function adamw({
  beta1 = 0.9,
  beta2 = 0.999,
  eps = 1e-8,
  weightDecay = 0,
  decayVectors = true,
  decays = () => true,
  states = 'f32',
  smallest8bit = 4096,
  sizeOf,
}: AdamWOptions = {}): GradientTransform {
  return {
    name: 'adamw',
    init(parameters) {
      const moments = new Map<string, Moments | Moments8bit>()
      for (const [name, weight] of parameters) {
        const small = states === 'f32' || (sizeOf?.(name) ?? weight.size) < smallest8bit
        moments.set(name, small ? createMoments(weight) : createMoments8bit(weight))
      }
      return {
        apply(update) {
          const { step, gradScale } = update
          const calls: ReturnType<typeof adamwCall>[] = []
          const calls8bit: ReturnType<typeof adamw8bitCall>[] = []
          for (const [name, weight] of parameters) {
            const state = moments.get(name)
            const { grad } = weight
            if (!grad || !state) continue
            const params: AdamwParams = {
              lr: learningRateOf(update, name),
              beta1,
              beta2,
              eps,
              weightDecay: decays(name) && (decayVectors || weight.shape.length > 1) ? weightDecay : 0,
              bias1: 1 - beta1 ** step,
              bias2: 1 - beta2 ** step,
              gradScale,
            }
            if (state.kind === 'f32') calls.push(adamwCall({ ...state, weight, grad }, params))
            else calls8bit.push(adamw8bitCall({ ...state, weight, grad }, params))
          }
          runMany(adamwOp, calls)
          runMany(adamw8bitOp, calls8bit)
        },
        tensors() {
          const all = new Map<string, Tensor>()
          for (const [name, state] of moments)
            for (const [part, tensor] of partsOf(state)) all.set(`${part}.${name}`, tensor)
          return all
        },
        [Symbol.dispose]() {
          for (const state of moments.values()) for (const [, tensor] of partsOf(state)) tensor.dispose()
        },
      }
    },
  }
}

/**
 * AdamW with 8-bit moments: `adamw({ states: '8bit' })`.
 *
 * @example
 * ```ts
 * import { adamw8bit, parameter, tensorScope, zeros } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const w = parameter(zeros([64, 64]))
 * using optimizer = adamw8bit().init(new Map([['w', w]])) // about a quarter of the memory of f32 moments
 * console.log([...optimizer.tensors().keys()].length > 0) // → true
 * ```
 */
export function adamw8bit(options: Omit<AdamWOptions, 'states'> = {}): GradientTransform {
  return adamw({ ...options, states: '8bit' })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Under the names in files. */
function partsOf(state: Moments | Moments8bit): [string, Tensor][] {
  const { master } = state
  const parts: [string, Tensor | null][] =
    state.kind === 'f32'
      ? [
          ['m', state.m],
          ['v', state.v],
        ]
      : [
          ['m8', state.m8],
          ['v8', state.v8],
          ['m_absmax', state.mAbsmax],
          ['v_absmax', state.vAbsmax],
        ]
  return [...parts, ['master', master] as const].flatMap(([name, tensor]) => (tensor ? [[name, tensor]] : []))
}

function createMoments(weight: Tensor): Moments {
  const options = { dtype: 'f32', device: weight.device } as const
  return {
    kind: 'f32',
    m: zeros(weight.shape, options),
    v: zeros(weight.shape, options),
    master: createMaster(weight),
  }
}

/** Zeros: whatever the codes are, the absmax of every block is 0. */
function createMoments8bit(weight: Tensor): Moments8bit {
  const { shape, device } = weight
  const blocks = [Math.ceil(weight.size / ADAMW_8BIT_BLOCK)]
  return {
    kind: '8bit',
    m8: zeros(shape, { dtype: 'u8', device }),
    v8: zeros(shape, { dtype: 'u8', device }),
    mAbsmax: zeros(blocks, { device }),
    vAbsmax: zeros(blocks, { device }),
    master: createMaster(weight),
  }
}

function createMaster(weight: Tensor): Tensor | null {
  return weight.dtype === 'f32' ? null : noGrad(() => cast(weight, 'f32'))
}
