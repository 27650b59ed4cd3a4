/**
 * Single rows of the vocabulary that are trained (PEFT's trainable_token_indices): they stand in the place of those of the embedding and, in a model
 * that ties both, of the head.
 *
 *   embedding   y[t] = D[k] where ids[t] = index[k], else W[ids[t]]
 *   head        z = x·Wᵀ + (x·(D − W[index])ᵀ)·Sᵀ, S (vocabulary, k) ones where the rows are: no copy of W
 */
import {
  type Adapter,
  baseForward,
  type BaseLayer,
  cast,
  concat,
  embedding,
  type FloatDType,
  gradientsEnabled,
  isQuantized,
  noGrad,
  parameter,
  scoped,
  sub,
  type Tensor,
  tensor,
  TrituneError,
} from '../../../core/mod.ts'

/** Up to so many rows a head adds what is new; beyond, a copy of its weight costs less. */
const FEW_ROWS = 64

/** The rows, which two layers that share a weight have in common. */
export interface TokenRows extends Disposable {
  readonly indices: readonly number[]
  /** (rows, width) f32 */
  readonly values: Tensor
}

/** The rows of these tokens, to be trained. E_ADAPTER when the layer has no such token, or one is named twice. */
export function takeTokenRows(
  layer: BaseLayer,
  indices: readonly number[],
  {
    random,
    what = 'trainable_token_indices',
  }: { readonly random?: (count: number) => Float32Array<ArrayBuffer>; readonly what?: string } = {},
): TokenRows {
  const vocabulary = tokensOf(layer)
  const wrong = indices.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= vocabulary)
  if (indices.length === 0 || wrong !== undefined)
    throw new TrituneError(
      'E_ADAPTER',
      indices.length === 0
        ? `${what} names no tokens`
        : `${what}: ${layer.path} has no token ${wrong}, but 0 to ${vocabulary - 1}`,
      { remedy: 'new tokens need rows: open the model with vocabSize, or name them under tokens:' },
    )
  if (new Set(indices).size < indices.length)
    throw new TrituneError('E_ADAPTER', `${what} names a token twice`, { remedy: 'name each token once' })
  const rows = random
    ? tensor(random(indices.length * tableOf(layer).shape[1]), {
        shape: [indices.length, tableOf(layer).shape[1]],
        device: layer.device,
      })
    : noGrad(() => scoped(() => cast(rowsOf(tableOf(layer), indices), 'f32')))
  rows.adopt(null)
  const values = parameter(rows)
  return { indices, values, [Symbol.dispose]: () => values.dispose() }
}

/**
 * How the file calls the rows; `sameAs`: the adapter of another layer, which has the same rows and frees them. `twice`: the file has them under both
 * layers.
 */
export interface TokenRowsOptions {
  readonly kind?: string
  readonly name?: string
  readonly sameAs?: Adapter
  readonly twice?: boolean
}

/** With the rows that it puts in their place. */
export interface TokenRowsAdapter extends Adapter {
  readonly rows: TokenRows
}

/** The adapter of an embedding or a head. */
export function createTokenRows(
  layer: BaseLayer,
  rows: TokenRows,
  {
    kind = 'trainable_tokens',
    name = 'token_adapter.trainable_tokens_delta',
    sameAs,
    twice = false,
  }: TokenRowsOptions = {},
): TokenRowsAdapter {
  const { indices, values } = rows
  const place = new Map(indices.map((id, k) => [id, k]))
  const vocabulary = tokensOf(layer)
  const order = (): Tensor =>
    tensor(
      Int32Array.from({ length: vocabulary }, (_, id) => {
        const k = place.get(id)
        return k === undefined ? id : vocabulary + k
      }),
      { dtype: 'i32', device: layer.device },
    )
  const replaced = (weight: Tensor): Tensor =>
    embedding(concat([weight, cast(values, weight.dtype as FloatDType)]), order())
  const isHead = layer.kind === 'head'
  const few = isHead && indices.length <= FEW_ROWS
  const selection = few ? selectionOf(indices, layer) : null
  return {
    kind,
    rows,
    forward(x, base) {
      if (!isHead) return lookUp(x, base)
      if (!selection) return baseForward({ ...base, weight: replaced(tableOf(base)) }, x)
      const before = noGrad(() => cast(rowsOf(tableOf(base), indices), 'f32'))
      return baseForward(base, x, { lora: { a: sub(values, before), b: selection, scale: 1 } })
    },
    ...(few
      ? {}
      : isHead && { replacement: (base) => ({ weight: replaced(tableOf(base)), bias: base.bias }) }),
    parameters: () => (sameAs && !twice ? {} : { [name]: values }),
    merge: (weight) => noGrad(() => scoped(() => replaced(weight))),
    [Symbol.dispose]() {
      selection?.dispose()
      if (!sameAs) rows[Symbol.dispose]()
    },
    ...(sameAs && { sameAs }),
  }

  function lookUp(ids: Tensor, base: BaseLayer): Tensor {
    const y = baseForward(base, ids)
    const given = ids.toArray()
    const picked = Int32Array.from(given, (id, t) => {
      const k = place.get(id)
      return k === undefined ? t : given.length + k
    })
    // A batch without such a token still has a gradient, of zeros.
    if (!gradientsEnabled() && picked.every((row, t) => row === t)) return y
    return embedding(
      concat([y, cast(values, y.dtype as FloatDType)]),
      tensor(picked, { dtype: 'i32', device: ids.device }),
    )
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function tokensOf({ kind, inputs, outputs }: BaseLayer): number {
  return kind === 'head' ? outputs : inputs
}

function tableOf({ weight, path }: BaseLayer): Tensor {
  if (isQuantized(weight))
    throw new TrituneError('E_UNSUPPORTED', `${path}: single rows of a packed weight cannot be trained`, {
      remedy: `leave it unpacked: llm_int8_skip_modules: [${path}] under bnb_config_kwargs`,
    })
  return weight
}

function rowsOf(table: Tensor, indices: readonly number[]): Tensor {
  return embedding(table, tensor(Int32Array.from(indices), { dtype: 'i32', device: table.device }))
}

/** (vocabulary, k): a one in row index[k] of column k. */
function selectionOf(indices: readonly number[], { device, outputs }: BaseLayer): Tensor {
  const ones = new Float32Array(outputs * indices.length)
  for (const [k, id] of indices.entries()) ones[id * indices.length + k] = 1
  const made = tensor(ones, { shape: [outputs, indices.length], device })
  made.adopt(null)
  return made
}
