/**
 * The output head: logits, the loss of the next token, and log-probabilities of single tokens. Without adapters on it, the loss is the op
 * that never holds tokens × vocabulary; with them, and where labels are smoothed, chunks of rows go through the layer and are computed
 * again on the way back.
 */
import type { Layer } from '../contracts/layer.ts'
import { TrituneError } from '../errors.ts'
import { add, equal, greater, mul, sub } from '../ops/binary.ts'
import { cast } from '../ops/cast.ts'
import { linearQuantized } from '../ops/linear-quantized.ts'
import { linearCrossEntropy, linearLogProbs } from '../ops/linear-cross-entropy.ts'
import { matmul } from '../ops/matmul.ts'
import { concat, reshape, slice } from '../ops/movement.ts'
import { amax, mean, sum } from '../ops/reduce.ts'
import { affine, exp, log } from '../ops/unary.ts'
import { checkpoint } from '../tensor/autograd.ts'
import { currentNoise, withNoise } from '../tensor/noise.ts'
import { expectNumber } from '../tensor/expect.ts'
import { gradientsEnabled, noGrad } from '../tensor/tape.ts'
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
    isAdapted(head) || bias
      ? cast(forwardLayer(head, hidden), 'f32')
      : isQuantized(weight)
        ? linearQuantized(cast(hidden, 'f32'), weight)
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
  { scale, softcap = layer.softcap ?? 0, smoothing = 0, rowsAtOnce = rowsThatFit(layer) }: HeadLossOptions,
): Tensor {
  expectNumber('headCrossEntropy', 'smoothing', smoothing, { min: 0, max: 1, below: true })
  const head = replacedLayer(layer)
  const { weight, bias } = head
  if (smoothing === 0 && !isAdapted(head) && !isQuantized(weight) && !bias)
    return linearCrossEntropy(hidden, weight, targets, { scale, softcap })
  let total: Tensor | null = null
  for (const nll of inRows(hidden, rowsAtOnce, (h, start) => {
    const part = targets.rowsView(start, h.shape[0])
    return reshape(affine(sum(rowsNll(forwardLayer(head, h), part, { softcap, smoothing })), { scale }), [])
  }))
    total = total ? add(total, nll) : nll
  return total ?? tensor([0], { device: hidden.device })
}

/** Options of `headLogProbs()`. */
export type HeadLogProbOptions = Pick<HeadLossOptions, 'rowsAtOnce'>

/**
 * hidden (rows, C), targets (rows) i32 → log p of each target, (rows) f32, 0 where the target is negative, with gradients: what losses
 * over whole answers are made of. Where neither the head nor an adapter on it trains, no row of logits is held.
 *
 * @example
 * ```ts
 * import { headLogProbs, noGrad, tensor, tensorScope } from 'tritune/core'
 * import { createBatch, loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * using _scope = tensorScope()
 * const targets = tensor([2, 3, -100], { dtype: 'i32' }) // the token after each; the last has none
 * const logProbs = noGrad(() =>
 *   headLogProbs(model.head, model.hidden(createBatch({ ids: [1, 2, 3] })), targets),
 * )
 * console.log(logProbs.shape[0], logProbs.toArray()[0] < 0) // → 3 true
 * ```
 */
export function headLogProbs(
  layer: Layer,
  hidden: Tensor,
  targets: Tensor,
  { rowsAtOnce }: HeadLogProbOptions = {},
): Tensor {
  const head = replacedLayer(layer)
  const { weight, bias } = head
  const plain = !isAdapted(head) && !isQuantized(weight) && !bias
  if (plain && !(gradientsEnabled() && weight.needsGrad))
    return linearLogProbs(hidden, weight, targets, { softcap: head.softcap ?? 0 })
  const parts = headRows(
    layer,
    hidden,
    (logits, start) =>
      affine(rowsNll(logits, targets.rowsView(start, logits.shape[0]), { softcap: 0, smoothing: 0 }), {
        scale: -1,
      }),
    { rowsAtOnce },
  )
  return parts.length === 1 ? parts[0] : concat(parts, { axis: 0 })
}

/**
 * `fn` of the logits of so many rows at once, (rows, V) f32, and of the number of the first: for losses that look at all of them. The
 * logits are computed again on the way back, so there are never more than those of one call.
 *
 * @example
 * ```ts
 * import { headRows, mean, noGrad, tensorScope } from 'tritune/core'
 * import { createBatch, loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * using _scope = tensorScope()
 * const hidden = noGrad(() => model.hidden(createBatch({ ids: [1, 2, 3] })))
 * const means = noGrad(() =>
 *   headRows(model.head, hidden, (logits) => mean(logits, { axis: 1 }), { rowsAtOnce: 2 }),
 * )
 * console.log(means.map(({ size }) => size)) // → [ 2, 1 ]
 * ```
 */
export function headRows(
  layer: Layer,
  hidden: Tensor,
  fn: (logits: Tensor, start: number) => Tensor,
  { rowsAtOnce = rowsThatFit(layer) }: Pick<HeadLossOptions, 'rowsAtOnce'> = {},
): Tensor[] {
  return inRows(hidden, rowsAtOnce, (h, start) => fn(headLogits(layer, h), start))
}

/** So many rows as make eight million logits. */
function rowsThatFit({ outputs }: Layer): number {
  return Math.max(1, Math.floor(2 ** 23 / outputs))
}

/** `fn` of so many rows at once, each chunk computed again on the way back. */
function inRows(hidden: Tensor, rowsAtOnce: number, fn: (hidden: Tensor, start: number) => Tensor): Tensor[] {
  const [rows] = hidden.shape
  if (rows === 0) throw new TrituneError('E_SHAPE', 'the loss of no tokens was asked for')
  const noise = currentNoise()
  return Array.from({ length: Math.ceil(rows / rowsAtOnce) }, (_, i) => {
    const start = i * rowsAtOnce
    const end = Math.min(rows, start + rowsAtOnce)
    // A chunk must not see the dropout of the rows before it.
    const shifted = noise && { ...noise, offset: (noise.offset ?? 0) + start }
    const [result] = withNoise(shifted, () =>
      checkpoint((h) => [withRowsFrom(start, () => fn(h, start))], slice(hidden, { start, end })),
    )
    return result
  })
}

/** logΣexp(z) − (1 − ε)·z[target] − ε·mean(z) of each row of logits (rows, V), (rows) f32; 0 where the target is negative. */
function rowsNll(
  logits: Tensor,
  targets: Tensor,
  { softcap, smoothing }: { readonly softcap: number; readonly smoothing: number },
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
  return reshape(mul(sub(spread, wanted), trained), [rows])
}
