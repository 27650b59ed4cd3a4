/**
 * AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), as torch.optim.AdamW computes it.
 *
 * State is f32. A bf16 weight gets an f32 master copy, which is what is trained; the weight is its rounding.
 */
import { adamwStep } from './ops/adamw.ts'
import { cast } from './ops/cast.ts'
import type { GradientTransform } from './optim.ts'
import { noGrad } from './tape.ts'
import { type Tensor, zeros } from './tensor.ts'

export interface AdamWOptions {
  readonly beta1?: number
  readonly beta2?: number
  readonly eps?: number
  /** Decoupled decay; applied to tensors with two or more axes when `decayVectors` is false. */
  readonly weightDecay?: number
  readonly decayVectors?: boolean
}

interface Moments {
  readonly m: Tensor
  readonly v: Tensor
  readonly master: Tensor | null
}

export function adamw({
  beta1 = 0.9,
  beta2 = 0.999,
  eps = 1e-8,
  weightDecay = 0,
  decayVectors = true,
}: AdamWOptions = {}): GradientTransform {
  return {
    name: 'adamw',
    init(parameters) {
      const moments = new Map<string, Moments>()
      for (const [name, weight] of parameters) moments.set(name, createMoments(weight))
      return {
        apply({ step, learningRate, gradScale }) {
          for (const [name, weight] of parameters) {
            const state = moments.get(name)
            if (!weight.grad || !state) continue
            adamwStep(
              { weight, master: state.master, m: state.m, v: state.v, grad: weight.grad },
              {
                lr: learningRate,
                beta1,
                beta2,
                eps,
                weightDecay: decayVectors || weight.shape.length > 1 ? weightDecay : 0,
                bias1: 1 - beta1 ** step,
                bias2: 1 - beta2 ** step,
                gradScale,
              },
            )
          }
        },
        tensors() {
          const all = new Map<string, Tensor>()
          for (const [name, { m, v, master }] of moments) {
            all.set(`m.${name}`, m)
            all.set(`v.${name}`, v)
            if (master) all.set(`master.${name}`, master)
          }
          return all
        },
        [Symbol.dispose]() {
          for (const { m, v, master } of moments.values()) {
            m.dispose()
            v.dispose()
            master?.dispose()
          }
        },
      }
    },
  }
}

function createMoments(weight: Tensor): Moments {
  const options = { dtype: 'f32', device: weight.device } as const
  return {
    m: zeros(weight.shape, options),
    v: zeros(weight.shape, options),
    master: weight.dtype === 'f32' ? null : noGrad(() => cast(weight, 'f32')),
  }
}
