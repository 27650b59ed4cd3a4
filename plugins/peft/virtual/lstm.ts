/**
 * A bidirectional LSTM over a handful of vectors (Hochreiter and Schmidhuber 1997), with the names, layout and initial values of torch.nn.LSTM.
 *
 *   i, f, g, o = x·W_ihᵀ + b_ih + h·W_hhᵀ + b_hh;  c = σ(f)∘c + σ(i)∘tanh(g);  h = σ(o)∘tanh(c)
 *
 * Composed of ops: for some dozens of steps, not for text.
 */
import {
  add,
  concat,
  currentNoise,
  type Device,
  dropout,
  linear,
  mul,
  type Random,
  sigmoid,
  siteOf,
  slice,
  tanh,
  type Tensor,
  zeros,
} from '../../../core/mod.ts'
import { uniformLeaf } from './leaves.ts'

export interface LstmOptions {
  readonly inputs: number
  readonly hidden: number
  readonly layers: number
  /** Between the layers, while training. */
  readonly dropout: number
  readonly device: Device
}

export interface Lstm {
  /** `<name>.weight_ih_l0`, …, those of the way back with `_reverse`. */
  readonly named: Readonly<Record<string, Tensor>>
  /** x (T, inputs) → (T, 2·hidden) */
  forward(x: Tensor): Tensor
}

interface Direction {
  readonly inputWeight: Tensor
  readonly hiddenWeight: Tensor
  readonly inputBias: Tensor
  readonly hiddenBias: Tensor
}

export function createLstm(random: Random, name: string, options: LstmOptions): Lstm {
  const { inputs, hidden, layers, dropout: p, device } = options
  const named: Record<string, Tensor> = {}
  const bound = 1 / Math.sqrt(hidden)
  const directionOf = (layer: number, suffix: string): Direction => {
    const leaf = (part: string, shape: readonly number[]): Tensor =>
      (named[`${name}.${part}_l${layer}${suffix}`] = uniformLeaf(random, bound, shape, device))
    return {
      inputWeight: leaf('weight_ih', [4 * hidden, layer === 0 ? inputs : 2 * hidden]),
      hiddenWeight: leaf('weight_hh', [4 * hidden, hidden]),
      inputBias: leaf('bias_ih', [4 * hidden]),
      hiddenBias: leaf('bias_hh', [4 * hidden]),
    }
  }
  const stack = Array.from({ length: layers }, (_, layer) => [
    directionOf(layer, ''),
    directionOf(layer, '_reverse'),
  ])
  return {
    named,
    forward(x) {
      let seen = x
      for (const [layer, [onward, back]] of stack.entries()) {
        if (layer > 0 && p > 0 && currentNoise())
          seen = dropout(seen, { p, site: siteOf(`${name}.${layer}`) })
        seen = concat([runDirection(onward, seen, hidden, false), runDirection(back, seen, hidden, true)], {
          axis: 1,
        })
      }
      return seen
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** x (T, in) → (T, hidden), from the first step on or from the last one back. */
function runDirection(
  { inputWeight, hiddenWeight, inputBias, hiddenBias }: Direction,
  x: Tensor,
  hidden: number,
  reverse: boolean,
): Tensor {
  const [steps] = x.shape
  const gates = linear(x, inputWeight, { bias: inputBias })
  const outputs: Tensor[] = []
  let [h, c] = [zeros([1, hidden], { device: x.device }), zeros([1, hidden], { device: x.device })]
  for (let i = 0; i < steps; i++) {
    const t = reverse ? steps - 1 - i : i
    const all = add(slice(gates, { start: t, end: t + 1 }), linear(h, hiddenWeight, { bias: hiddenBias }))
    const part = (k: number): Tensor => slice(all, { axis: 1, start: k * hidden, end: (k + 1) * hidden })
    c = add(mul(sigmoid(part(1)), c), mul(sigmoid(part(0)), tanh(part(2))))
    h = mul(sigmoid(part(3)), tanh(c))
    outputs[t] = h
  }
  return concat(outputs)
}
