/**
 * The language-model head and its loss in one op, so that logits (tokens × vocabulary) never exist as a whole
 * (Wijmans et al. 2024, arXiv 2411.09009, in chunks). The gradients come out of the forward pass; backward scales them.
 *
 *   logits = softcap(h·Wᵀ)     nll = logΣexp(logits) − logits[target]     loss = scale·Σ nll
 */
import { TrituneError } from '../errors.ts'
import { expectOptions, expectFeatures, expectNumber, LARGEST_SOFTCAP } from '../tensor/expect.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import { gradientsEnabled, noGrad, scalarOf } from '../tensor/tape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { addTo } from './accumulate.ts'
import { mul } from './binary.ts'
import { cast } from './cast.ts'
import { reshape } from './movement.ts'
import { affine, scaleInPlace } from './unary.ts'

/** Target of a token that is not trained: −100, as in torch. Any negative number does. */
export const IGNORED_TARGET = -100

/**
 * Inputs of the op `linear_cross_entropy`: hidden states and the weight of the head (f32 or bf16, of one dtype), and
 * the token to predict in each row.
 */
export type LinearCrossEntropyInputs = {
  readonly h: Tensor // (rows, C)
  readonly weight: Tensor // (V, C)
  readonly targets: Tensor // (rows) i32; negative: not trained
}

/** Numbers of the op `linear_cross_entropy`, and which of its outputs are wanted. */
export interface LinearCrossEntropyParams {
  readonly scale: number
  /** cap·tanh(logit/cap); 0: none. */
  readonly softcap: number
  readonly wantsNll: boolean
  readonly wantsDh: boolean
  readonly wantsDw: boolean
}

/**
 * Outputs of the op `linear_cross_entropy`: the loss, the −log p of each row (0 where nothing is trained), and the
 * gradients, which are made in the same pass.
 */
export type LinearCrossEntropyOutputs = {
  readonly loss: Tensor // () f32
  readonly nll: Tensor | null // (rows) f32
  readonly dh: Tensor | null // (rows, C)
  readonly dw: Tensor | null // (V, C) f32
}

/** The op `linear_cross_entropy`. Use `linearCrossEntropy()`. Throws E_SHAPE for a target that is not below V. */
export const linearCrossEntropyOp: Op<
  LinearCrossEntropyInputs,
  LinearCrossEntropyParams,
  LinearCrossEntropyOutputs
> = defineOp({
  name: 'linear_cross_entropy',
  outputs({ h, weight, targets }, { scale, softcap, wantsNll, wantsDh, wantsDw }) {
    expectNumber('linear_cross_entropy', 'scale', scale)
    expectNumber('linear_cross_entropy', 'softcap', softcap, { min: 0, max: LARGEST_SOFTCAP })
    const [rows, channels] = h.shape
    expectDType('linear_cross_entropy', 'h', h, ['f32', 'bf16'])
    expectDType('linear_cross_entropy', 'weight', weight, [h.dtype])
    expectDType('linear_cross_entropy', 'targets', targets, ['i32'])
    expectShape('linear_cross_entropy h', h.shape, [rows, channels])
    expectShape('linear_cross_entropy weight', weight.shape, [weight.shape[0], channels])
    expectFeatures('linear_cross_entropy weight', weight.shape)
    expectShape('linear_cross_entropy targets', targets.shape, [rows])
    return {
      loss: { shape: [], dtype: 'f32' },
      nll: wantsNll ? { shape: [rows], dtype: 'f32' } : null,
      dh: wantsDh ? { shape: h.shape, dtype: h.dtype } : null,
      dw: wantsDw ? { shape: weight.shape, dtype: 'f32' } : null,
    }
  },
  accumulates: ['dw'],
  reference({ inputs: { h, weight, targets }, params: { scale, softcap }, outputs: { loss, nll, dh, dw } }) {
    const [vocabulary, channels] = weight.shape
    const logits = new Float64Array(vocabulary)
    for (let row = 0; row < targets.data.length; row++) {
      const target = targets.data[row]
      if (target < 0) continue
      if (target >= vocabulary)
        throw new TrituneError(
          'E_SHAPE',
          `linear_cross_entropy: target ${target} of row ${row} is not below ${vocabulary}`,
        )
      for (let v = 0; v < vocabulary; v++) {
        let dot = 0
        for (let c = 0; c < channels; c++) dot += h.data[row * channels + c] * weight.data[v * channels + c]
        logits[v] = softcap > 0 ? softcap * Math.tanh(dot / softcap) : dot
      }
      const lse = logSumExp(logits)
      loss.data[0] += scale * (lse - logits[target])
      if (nll) nll.data[row] = lse - logits[target]
      if (!dh && !dw) continue
      for (let v = 0; v < vocabulary; v++) {
        const slope = softcap > 0 ? 1 - (logits[v] / softcap) ** 2 : 1
        const dz = scale * (Math.exp(logits[v] - lse) - (v === target ? 1 : 0)) * slope
        for (let c = 0; c < channels; c++) {
          if (dh) dh.data[row * channels + c] += dz * weight.data[v * channels + c]
          if (dw) dw.data[v * channels + c] += dz * h.data[row * channels + c]
        }
      }
    }
  },
  saves: (_, { wantsDh, wantsDw }) => {
    const kept: (keyof LinearCrossEntropyOutputs)[] = []
    if (wantsDh) kept.push('dh')
    if (wantsDw) kept.push('dw')
    return kept
  },
  gradient({ saved, params: { scale }, grads, needs, accumulator }) {
    const factor = grads.loss ? scalarOf(grads.loss) : 0
    const dh = 'dh' in saved ? saved.dh : null
    if (grads.nll) {
      if (needs('weight'))
        throw new TrituneError('E_UNSUPPORTED', 'linear_cross_entropy: nll gives the weight no gradient', {
          remedy: 'use headLogProbs(), which computes rows of logits again',
        })
      return { h: dh && timesRows(dh, affine(grads.nll, { scale: 1 / scale, shift: factor })) }
    }
    if (!grads.loss) return {}
    const dw = 'dw' in saved ? saved.dw : null
    if (factor !== 1) for (const gradient of [dh, dw]) if (gradient) scaleInPlace(gradient, factor)
    const sum = accumulator('weight')
    if (sum && dw) addTo(sum, dw)
    return { h: dh, weight: sum }
  },
})

// ---- functions --------------------------------------------------------------------------------------------------

/**
 * h (rows, C), weight (V, C), targets (rows) i32 → scale·Σ nll, one f32. Negative targets are not trained.
 *
 * @example
 * ```ts
 * import { linearCrossEntropy, tensor, tensorScope, zeros } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const hidden = zeros([2, 4])
 * const head = zeros([10, 4]) // all logits are 0
 * const targets = tensor([3, -100], { dtype: 'i32' }) // the second row is not trained
 * const loss = linearCrossEntropy(hidden, head, targets, { scale: 1 })
 * console.log(Math.abs(loss.item() - Math.log(10)) < 1e-6) // → true
 * ```
 */
export function linearCrossEntropy(
  h: Tensor,
  weight: Tensor,
  targets: Tensor,
  options: { readonly scale: number; readonly softcap?: number },
): Tensor {
  for (const [name, input] of Object.entries({ h, weight, targets }))
    expectTensor('linear_cross_entropy', name, input)
  expectOptions('linear_cross_entropy', options)
  const { scale, softcap = 0 } = options
  const on = gradientsEnabled()
  const { loss, dh, dw } = run(
    linearCrossEntropyOp,
    { h, weight, targets },
    { scale, softcap, wantsNll: false, wantsDh: on && h.needsGrad, wantsDw: on && weight.needsGrad },
  )
  dh?.dispose()
  dw?.dispose()
  return loss
}

/**
 * h (rows, C), weight (V, C), targets (rows) i32 → log p of each target, (rows) f32, 0 where the target is negative. Gradients go to h; a
 * weight that needs one is E_UNSUPPORTED: `headLogProbs()` takes that too.
 *
 * @example
 * ```ts
 * import { linearLogProbs, tensor, tensorScope, zeros } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const targets = tensor([3, -100], { dtype: 'i32' })
 * const [first, second] = linearLogProbs(zeros([2, 4]), zeros([10, 4]), targets).toArray() // all logits are 0
 * console.log(Math.abs(first + Math.log(10)) < 1e-6, Math.abs(second)) // → true 0
 * ```
 */
export function linearLogProbs(
  h: Tensor,
  weight: Tensor,
  targets: Tensor,
  options: { readonly softcap?: number } = {},
): Tensor {
  for (const [name, input] of Object.entries({ h, weight, targets }))
    expectTensor('linear_cross_entropy', name, input)
  expectOptions('linear_cross_entropy', options)
  const on = gradientsEnabled()
  if (on && weight.needsGrad)
    throw new TrituneError('E_UNSUPPORTED', 'linearLogProbs() gives the weight no gradient', {
      remedy: 'use headLogProbs(), which computes rows of logits again',
    })
  const params = { scale: 1, softcap: options.softcap ?? 0, wantsNll: true, wantsDw: false }
  const wantsDh = on && h.needsGrad
  const { loss, nll, dh } = run(linearCrossEntropyOp, { h, weight, targets }, { ...params, wantsDh })
  loss.dispose()
  dh?.dispose()
  if (!nll) throw new TrituneError('E_NATIVE', 'linear_cross_entropy gave no nll')
  return affine(nll, { scale: -1 })
}

/** Negative log-likelihood of each target, (rows) f32, 0 where the target is negative. For evaluation: no gradient. */
export function linearNll(
  h: Tensor,
  weight: Tensor,
  targets: Tensor,
  options: { readonly softcap?: number } = {},
): Tensor {
  expectOptions('linear_cross_entropy', options)
  const { softcap = 0 } = options
  return noGrad(() => {
    const params = { scale: 1, softcap, wantsNll: true, wantsDh: false, wantsDw: false }
    const { loss, nll } = run(linearCrossEntropyOp, { h, weight, targets }, params)
    if (!nll) throw new TrituneError('E_NATIVE', 'linear_cross_entropy gave no nll')
    loss.dispose()
    return nll
  })
}

/** x (rows, C) with each row times its factor (rows), f32. */
function timesRows(x: Tensor, factors: Tensor): Tensor {
  return mul(x, reshape(cast(factors, x.dtype === 'bf16' ? 'bf16' : 'f32'), [factors.size, 1]))
}

function logSumExp(logits: Float64Array): number {
  let largest = -Infinity
  for (const logit of logits) largest = Math.max(largest, logit)
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - largest)
  return largest + Math.log(sum)
}
