/**
 * The output head: logits, and the loss of the next token. Without adapters on it, the loss is the op that never holds tokens ×
 * vocabulary; with them, and where labels are smoothed, chunks of rows go through the layer and are computed again on the way back.
 */
import type { Layer } from '../contracts/layer.ts'
import { TrituneError } from '../errors.ts'
import { add, equal, greater, mul, sub } from '../ops/binary.ts'
import { cast } from '../ops/cast.ts'
import { linearCrossEntropy } from '../ops/linear-cross-entropy.ts'
import { matmul } from '../ops/matmul.ts'
import { reshape, slice } from '../ops/movement.ts'
import { amax, mean, sum } from '../ops/reduce.ts'
import { affine, exp, log } from '../ops/unary.ts'
import { checkpoint } from '../tensor/autograd.ts'
import { currentNoise, withNoise } from '../tensor/noise.ts'
import { expectNumber } from '../tensor/expect.ts'
import { noGrad } from '../tensor/tape.ts'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { isQuantized } from './dense-weight.ts'
import { withRowsFrom } from './document-adapters.ts'
import { forwardLayer, isAdapted } from './forward-layer.ts'
import { replacedLayer } from './replaced-layer.ts'
import { softcapped } from './softcap.ts'

/**
 * hidden (rows, C) → (rows, V) f32. bf16 logits would tie, so only adapters on the head round them.
 *
 * @example
 * ```ts
 * import { headLogits, noGrad, tensorScope } from 'tritune/core'
 * import { createBatch, loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * using _scope = tensorScope()
 * const logits = noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids: [1, 2, 3] }))))
 * console.log(logits.shape[0], logits.shape[1] === model.info.vocabSize) // → 3 true
 * ```
 */
export function headLogits(layer: Layer, hidden: Tensor): Tensor {
  const head = replacedLayer(layer)
  const { weight, bias } = head
  const logits =
    isAdapted(head) || isQuantized(weight) || bias
      ? cast(forwardLayer(head, hidden), 'f32')
      : matmul(hidden, weight, { transposeB: true, wide: true })
  return softcapped(logits, head.softcap)
}

/**
 * Options of `headCrossEntropy()`: the factor on the sum over tokens, Gemma's softcap, smoothing, and how much memory rows of logits
 * may take.
 */
export interface HeadLossOptions {
  readonly scale: number
  /** cap·tanh(logit/cap); 0: none. Default: what the head has. */
  readonly softcap?: number
  /** Share of each label that all ids get alike, in [0, 1) (arXiv 1512.00567); 0: none. */
  readonly smoothing?: number
  /** Rows whose logits there are at once, behind adapters of the head and with smoothing; default: so many as make eight million logits. */
  readonly rowsAtOnce?: number
}

/**
 * hidden (rows, C), targets (rows) i32 → scale·Σ nll, one f32. Negative targets are not trained.
 *
 * @example
 * ```ts
 * import { headCrossEntropy, noGrad, tensor, tensorScope } from 'tritune/core'
 * import { createBatch, loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * using _scope = tensorScope()
 * const targets = tensor([2, 3, -100], { dtype: 'i32' }) // the token after each; the last has none
 * const loss = noGrad(() =>
 *   headCrossEntropy(model.head, model.hidden(createBatch({ ids: [1, 2, 3] })), targets, { scale: 1 / 2 }),
 * )
 * console.log(loss.item() > 0) // → true
 * ```
 */
export function headCrossEntropy(
  layer: Layer,
  hidden: Tensor,
  targets: Tensor,
  {
    scale,
    softcap = layer.softcap ?? 0,
    smoothing = 0,
    rowsAtOnce = Math.max(1, Math.floor(2 ** 23 / layer.outputs)),
  }: HeadLossOptions,
): Tensor {
  expectNumber('headCrossEntropy', 'smoothing', smoothing, { min: 0, max: 1, below: true })
  const head = replacedLayer(layer)
  const { weight, bias } = head
  if (smoothing === 0 && !isAdapted(head) && !isQuantized(weight) && !bias)
    return linearCrossEntropy(hidden, weight, targets, { scale, softcap })
  const rows = targets.size
  if (rows === 0) throw new TrituneError('E_SHAPE', 'the loss of no tokens was asked for')
  const noise = currentNoise()
  let total: Tensor | null = null
  for (let start = 0; start < rows; start += rowsAtOnce) {
    const end = Math.min(rows, start + rowsAtOnce)
    const part = targets.rowsView(start, end - start)
    // A chunk must not see the dropout of the rows before it.
    const shifted = noise && { ...noise, offset: (noise.offset ?? 0) + start }
    const [loss] = withNoise(shifted, () =>
      checkpoint(
        (h) => [
          rowsLoss(
            withRowsFrom(start, () => forwardLayer(head, h)),
            part,
            { scale, softcap, smoothing },
          ),
        ],
        slice(hidden, { start, end }),
      ),
    )
    total = total ? add(total, loss) : loss
  }
  return total ?? tensor([0], { device: hidden.device })
}

/** scale·Σ (logΣexp(z) − (1 − ε)·z[target] − ε·mean(z)) of logits (rows, V) in their dtype. */
function rowsLoss(
  logits: Tensor,
  targets: Tensor,
  {
    scale,
    softcap,
    smoothing,
  }: { readonly scale: number; readonly softcap: number; readonly smoothing: number },
): Tensor {
  const [rows, vocabulary] = logits.shape
  const { device } = logits
  const z = softcapped(cast(logits, 'f32'), softcap)
  const [picked, trained, largest] = noGrad(() => {
    const column = reshape(cast(targets, 'f32'), [rows, 1])
    const ids = tensor(
      Float32Array.from({ length: vocabulary }, (_, i) => i),
      { shape: [1, vocabulary], device },
    )
    return [equal(ids, column), greater(column, -0.5), amax(z, { axis: 1, keepDims: true })]
  })
  const shifted = sub(z, largest)
  const spread = log(sum(exp(shifted), { axis: 1, keepDims: true }))
  const own = sum(mul(shifted, picked), { axis: 1, keepDims: true })
  const wanted =
    smoothing === 0
      ? own
      : add(
          affine(own, { scale: 1 - smoothing }),
          affine(mean(shifted, { axis: 1, keepDims: true }), { scale: smoothing }),
        )
  return reshape(affine(sum(mul(sub(spread, wanted), trained)), { scale }), [])
}
