/**
 * The scores of whole texts: the head of a classifier or reward model, at the last token of each document.
 *
 * As `LlamaForSequenceClassification` of transformers pools: pads at the end are passed over, so where the end token is the pad token too, it is
 * the token before it that counts.
 */
import type { Model, TokenBatch } from '../contracts/model.ts'
import { TrituneError } from '../errors.ts'
import { cast } from '../ops/cast.ts'
import { embedding } from '../ops/embedding.ts'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { forwardLayer } from './forward-layer.ts'
import { replacedLayer } from './replaced-layer.ts'

/** The row of each document whose hidden state stands for the document. */
export function scoredRows(model: Pick<Model, 'info'>, tokens: TokenBatch): Int32Array<ArrayBuffer> {
  const { offsets, ids = tokens.ids.toArray() } = tokens.host
  const pad: unknown = model.info.config['pad_token_id']
  const rows = new Int32Array(offsets.length - 1)
  for (let document = 0; document < rows.length; document++) {
    const [start, end] = [offsets[document], offsets[document + 1]]
    if (start === end) throw new TrituneError('E_SHAPE', `document ${document} has no tokens to score`)
    let row = end - 1
    while (row > start && ids[row] === pad) row--
    rows[document] = row
  }
  return rows
}

/**
 * hidden (T, C) of `model.hidden(tokens)` → (documents, labels) f32, with gradients. E_MODEL for a model that predicts tokens.
 *
 * @example
 * ```ts
 * import { documentScores, noGrad, tensorScope } from 'tritune/core'
 * import { createBatch, loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model', { labels: 1 }) // a new head of one score
 * using _scope = tensorScope()
 * const tokens = createBatch({ ids: [1, 2, 3, 4, 5], offsets: [0, 2, 5] }) // two documents
 * console.log(noGrad(() => documentScores(model, model.hidden(tokens), tokens)).shape) // → [ 2, 1 ]
 * ```
 */
export function documentScores(model: Model, hidden: Tensor, tokens: TokenBatch): Tensor {
  const { scoreHead } = model
  if (!scoreHead)
    throw new TrituneError('E_MODEL', `a ${model.info.architecture} has no head that scores texts`, {
      remedy: 'load it with a number of labels: reward_model: true, or num_labels',
    })
  const rows = tensor(scoredRows(model, tokens), { dtype: 'i32', device: hidden.device })
  return cast(forwardLayer(replacedLayer(scoreHead), embedding(hidden, rows)), 'f32')
}
